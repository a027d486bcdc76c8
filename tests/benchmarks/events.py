"""The page's events over HTTP, as a browser sends them."""

import json
import uuid
from typing import Any

import httpx


def find_event(client: httpx.Client, api_name: str) -> int:
    """Return the number of an event that the page offers to programs."""
    events = client.get("config").raise_for_status().json()["dependencies"]
    return int(next(it["id"] for it in events if it["api_name"] == api_name))


def send_event(client: httpx.Client, fn_index: int, data: list[Any]) -> dict[str, Any]:
    """Send an event, and return the message that it is answered with."""
    session = uuid.uuid4().hex
    body = {"data": data, "fn_index": fn_index, "session_hash": session}
    client.post("gradio_api/queue/join", json=body).raise_for_status()
    with client.stream("GET", "gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
            if message.get("msg") == "process_completed":
                assert message["success"], message
                return dict(message)
    raise AssertionError("the answer did not come")
