"""How fast the page answers, idle and while a training runs on the same cores: `python -m tests.benchmarks.page_latency`.

The app and the training are processes of their own, as people have them; the training is the one that the worker starts
(`python -m agnews_core.jobs.child`). Server time is gradio's own figure for the handler; round trips add its queue and HTTP.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from agnews_core.config import build_config
from agnews_core.runs import Run, create_run
from tests.benchmarks.events import find_event, send_event
from tests.benchmarks.measuring import ROOT, Result, build_parser, show
from tests.rows import read_rows
from tests.ui.conftest import App, run_app

N_ASKED = 60
MOST_SERVER_MS = 15.0
WARM_STEPS = 5  # of the training, so that it is past its loading
TEXT = (
    "Shares in the airline fell {number} percent after it warned that fuel costs would wipe out its profit this year."
)


def measure(ask: Callable[[str], float], when: str) -> dict[str, Any]:
    """Return the milliseconds of N_ASKED classifications, one after the other."""
    server, round_trip = [], []
    for number in range(N_ASKED):
        began = time.perf_counter()
        server.append(1000 * ask(TEXT.format(number=number)))
        round_trip.append(1000 * (time.perf_counter() - began))
    return {
        f"{when}_server_ms": server,
        f"{when}_server_p95_ms": float(np.percentile(server, 95)),
        f"{when}_round_trip_ms": round_trip,
        f"{when}_round_trip_p95_ms": float(np.percentile(round_trip, 95)),
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


def measure_app(app: App, folder: Path) -> Result:
    with httpx.Client(base_url=app.url, timeout=120) as client:
        fn_index = find_event(client, "classify")

        def ask(text: str) -> float:
            return float(send_event(client, fn_index, [text, ""])["output"]["duration"])  # of server time

        ask("A first text, for which the model is loaded.")
        figures = measure(ask, "idle")
        with train_beside(folder):
            figures |= measure(ask, "training")
    return Result("page_latency", "", figures, at_most={"idle_server_ms": MOST_SERVER_MS})


def main(arguments: list[str] | None = None) -> None:
    asked = build_parser(__doc__, rounds=None).parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, run_app(Path(folder) / "runs") as app:
        show(measure_app(app, Path(folder) / "training"), asked)


if __name__ == "__main__":
    main()
