"""How fast the page answers, idle and while a training runs on the same cores: `python -m tests.benchmarks.page_latency`.

The app and the training are processes of their own, as people have them; the training is the one that the worker starts
(`python -m agnews_core.jobs.child`). Server time is gradio's own figure for the handler; round trips add its queue and HTTP.
"""

import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from agnews_core.config import build_config
from agnews_core.runs import Run, create_run
from tests.rows import read_rows
from tests.ui.conftest import ROOT, App, run_app

N_ASKED = 60
WARM_STEPS = 5  # of the training, so that it is past its loading
TEXT = (
    "Shares in the airline fell {number} percent after it warned that fuel costs would wipe out its profit this year."
)


def classify(client: httpx.Client, fn_index: int, text: str) -> float:
    """Classify one text as a browser does, and return the seconds of server time."""
    session = uuid.uuid4().hex
    body = {"data": [text, ""], "fn_index": fn_index, "session_hash": session}
    client.post("gradio_api/queue/join", json=body).raise_for_status()
    with client.stream("GET", "gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
            if message.get("msg") == "process_completed":
                assert message["success"], message
                return float(message["output"]["duration"])
    raise AssertionError("the answer did not come")


def measure(ask: Callable[[str], float]) -> dict[str, float]:
    """Return milliseconds of N_ASKED classifications, one after the other."""
    server, round_trip = [], []
    for number in range(N_ASKED):
        began = time.perf_counter()
        server.append(ask(TEXT.format(number=number)))
        round_trip.append(time.perf_counter() - began)
    return {
        "server_median_ms": round(1000 * float(np.median(server)), 1),
        "server_p95_ms": round(1000 * float(np.percentile(server, 95)), 1),
        "round_trip_median_ms": round(1000 * float(np.median(round_trip)), 1),
        "round_trip_p95_ms": round(1000 * float(np.percentile(round_trip, 95)), 1),
        "round_trip_max_ms": round(1000 * max(round_trip), 1),
    }


@contextmanager
def train_beside(folder: Path):
    """Train the bundled backbone on the sample while the block runs."""
    config = build_config(
        {
            "backbone": "all-MiniLM-L6-v2",
            "data": "sample",
            "max_steps": 100_000,
            "eval_steps": 50_000,
            "num_train_epochs": 1_000,
        }
    )
    run: Run = create_run(folder, config)
    command = [sys.executable, "-m", "agnews_core.jobs.child", str(run.path)]
    child = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        while len(read_rows(run)) < WARM_STEPS:
            assert child.poll() is None, "the training has ended"
            time.sleep(0.5)
        before = len(read_rows(run))
        yield
        assert len(read_rows(run)) > before, "the training stood still"
    finally:
        child.kill()
        child.wait()


def measure_app(app: App, folder: Path) -> dict[str, object]:
    with httpx.Client(base_url=app.url, timeout=120) as client:
        functions = client.get("config").raise_for_status().json()["dependencies"]
        fn_index = next(it["id"] for it in functions if it["api_name"] == "classify")

        def ask(text: str) -> float:
            return classify(client, fn_index, text)

        began = time.perf_counter()
        ask("A first text, for which the model is loaded.")
        loaded_seconds = time.perf_counter() - began
        first_ms = 1000 * ask("Astronomers say a new telescope has found water on a small planet.")
        found = {"page_up_seconds": round(app.up_seconds, 1), "model_loaded_seconds": round(loaded_seconds, 1)}
        idle = measure(ask)
        with train_beside(folder):
            training = measure(ask)
    return {
        **found,
        "first_after_loading_server_ms": round(first_ms, 1),
        "n": N_ASKED,
        "idle": idle,
        "while_training": training,
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, run_app(Path(folder) / "runs") as app:
        print(json.dumps(measure_app(app, Path(folder) / "training"), indent=2))


if __name__ == "__main__":
    main()
