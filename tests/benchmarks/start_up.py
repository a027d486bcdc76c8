"""How soon the page is there: `python -m tests.benchmarks.start_up [--rounds 5]`.

`python app.py` against a page of one line, `gr.Blocks().launch()`, each in a fresh process, until the address answers; and from
there until the bundled model has classified the first text that a program asks about.
"""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.benchmarks.events import find_event, send_event
from tests.benchmarks.measuring import ROOT, Result, build_parser, find_median, show, take_turns
from tests.ui.conftest import find_free_port

BARE = """
import gradio as gr
with gr.Blocks() as demo:
    gr.Markdown("A page.")
demo.launch()
"""
WAIT_SECONDS = 120


@contextmanager
def serve(*command: str):
    """Start a page; yield its address, and the seconds until it answered."""
    port = find_free_port()
    url = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        own = {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
        environment = os.environ | own | {"AGNEWS_RUNS_DIR": str(Path(folder) / "runs")}
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            wait_until_up(process, url)
            yield url, time.perf_counter() - began
        finally:
            process.kill()
            process.wait()


def wait_until_up(process: subprocess.Popen, url: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url, timeout=5).raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.01)
    raise RuntimeError("The page did not come up.")


def measure_bare() -> float:
    with serve("-c", BARE) as (_, seconds):
        return seconds


def measure_ours() -> tuple[float, float]:
    """Return the seconds until the page answered, and from there until its first classification."""
    with serve("app.py") as (url, seconds), httpx.Client(base_url=url, timeout=WAIT_SECONDS) as client:
        began = time.perf_counter()
        text = "Astronomers say a new telescope has found water in the air of a small planet near our own."
        send_event(client, find_event(client, "classify"), [text, ""])
        return seconds, time.perf_counter() - began


def measure(rounds: int) -> Result:
    take_turns({"bare": measure_bare, "ours": measure_ours}, rounds=1)  # the disk is warm from here on
    found = take_turns({"bare": measure_bare, "ours": measure_ours}, rounds=rounds)
    pages, answers = map(list, zip(*found["ours"], strict=True))
    figures = {
        "page_ratio": find_median(pages) / find_median(found["bare"]),
        "first_answer_seconds": answers,
        "page_seconds": pages,
        "bare_page_seconds": found["bare"],
    }
    return Result("start_up", "", figures, at_most={"page_ratio": 1.3, "first_answer_seconds": 3.0})


def main(arguments: list[str] | None = None) -> None:
    asked = build_parser(__doc__, rounds=5).parse_args(arguments)
    show(measure(asked.rounds), asked)


if __name__ == "__main__":
    main()
