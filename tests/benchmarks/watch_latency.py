"""What it costs to watch: `python -m tests.benchmarks.watch_latency [--runs 500] [--watchers 50] [--rows 69]`.

The runs are finished ones, written by the program's own functions. A watcher is what a browser is to the page: it attaches, and
then ticks once a second with what it has. Times are round trips over HTTP; bytes are those of the answers.
"""

import json
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import psutil

from agnews_core.config import build_config
from agnews_core.runs import create_run, now
from tests.benchmarks.events import find_event, send_event
from tests.benchmarks.measuring import Result, build_parser, show
from tests.ui.conftest import App, run_app


def write_finished_runs(runs_dir: Path, *, count: int, n_rows: int) -> None:
    for number in range(count):
        run = create_run(runs_dir, build_config({"max_steps": n_rows}, preset="quick"), name=f"run-{number:04}")
        with (run.path / "metrics.jsonl").open("w", encoding="utf-8") as file:
            for step in range(1, n_rows + 1):
                row: dict[str, float] = {"step": step, "epoch": step / n_rows, "time": 1.8e9 + 2 * step}
                row |= {"loss": 1.4 / step, "grad_norm": 1.2345678, "learning_rate": 7e-4 / step, "memory_mib": 900}
                file.write(json.dumps(row) + "\n")
                if step % max(1, n_rows // 10) == 0:
                    evaluation = {"eval_loss": 0.5, "eval_accuracy": 0.9, "eval_f1": 0.9, "eval_runtime": 3.0}
                    file.write(json.dumps({"step": step, "epoch": step / n_rows, "time": 1.8e9, **evaluation}) + "\n")
        run.update_status(
            state="finished", phase="done", step=n_rows, max_steps=n_rows, started_at=now(), ended_at=now()
        )


class Watcher:
    """One page: the values of its components, by id, as the answers change them."""

    def __init__(self, app: App) -> None:
        self.client = httpx.Client(base_url=app.url, timeout=120)
        self.session = uuid.uuid4().hex
        config = self.client.get("config").raise_for_status().json()
        self.values = {part["id"]: part["props"].get("value") for part in config["components"]}
        ids = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
        shown = [event for event in config["dependencies"] if ids["run-status"] in event["outputs"]]
        self._open = next(event for event in shown if event["targets"][0][1] in ("load", "select"))
        self._tick = next(event for event in shown if event["targets"][0][1] == "tick")

    def attach(self) -> tuple[float, int]:
        return self._ask(self._open)

    def tick(self) -> tuple[float, int]:
        self.values[self._tick["inputs"][0]] = True  # the tab is in sight
        return self._ask(self._tick)

    def _ask(self, event: dict[str, Any]) -> tuple[float, int]:
        """Return the seconds and the bytes of an answer."""
        body = {
            "data": [self.values[number] for number in event["inputs"]],
            "fn_index": event["id"],
            "session_hash": self.session,
        }
        began = time.perf_counter()
        response = self.client.post("gradio_api/run/predict", json=body).raise_for_status()
        seconds = time.perf_counter() - began
        for number, value in zip(event["outputs"], response.json()["data"], strict=True):
            is_update = isinstance(value, dict) and value.get("__type__") == "update"
            if not is_update or "value" in value:
                self.values[number] = value["value"] if is_update else value
        return seconds, len(response.content)


def summarize(name: str, asked: list[tuple[float, int]]) -> dict[str, Any]:
    """Return the milliseconds and the bytes of answers."""
    seconds, sizes = zip(*asked, strict=True)
    return {f"{name}_ms": [1000 * it for it in seconds], f"{name}_bytes": list(sizes)}


def watch_together(watchers: list[Watcher], *, seconds: float) -> list[tuple[float, int]]:
    """Let every watcher tick once a second, as pages do, and return all answers."""
    answers: list[tuple[float, int]] = []

    def watch(watcher: Watcher) -> None:
        ends = time.monotonic() + seconds
        while (began := time.monotonic()) < ends:
            answers.append(watcher.tick())
            time.sleep(max(0.0, began + 1 - time.monotonic()))

    threads = [threading.Thread(target=watch, args=(watcher,)) for watcher in watchers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def measure(app: App, *, n_watchers: int, seconds: float) -> Result:
    process = psutil.Process(app.process.pid)
    first = Watcher(app)
    # The page loads its model ahead; that is over when a text is answered.
    send_event(first.client, find_event(first.client, "classify"), ["A first text.", ""])
    figures = {"first_attach_ms": 1000 * first.attach()[0]}
    figures |= summarize("attach", [Watcher(app).attach() for _ in range(5)])
    figures |= summarize("tick", [first.tick() for _ in range(20)])
    watchers = [Watcher(app) for _ in range(n_watchers)]
    for watcher in watchers:
        watcher.attach()
    before, cpu = process.memory_info().rss, sum(process.cpu_times()[:2])
    answers = watch_together(watchers, seconds=seconds)
    cpu_seconds = sum(process.cpu_times()[:2]) - cpu
    figures |= summarize(f"tick_of_{n_watchers}", answers)
    figures |= {
        "cpu_ms_a_tick": 1000 * cpu_seconds / len(answers),
        "memory_before_mib": before >> 20,
        "memory_after_mib": process.memory_info().rss >> 20,
    }
    return Result("watch_latency", "", figures)


def main(arguments: list[str] | None = None) -> None:
    parser = build_parser(__doc__, rounds=None)
    for name, default in (("runs", 500), ("watchers", 50), ("rows", 69), ("seconds", 10)):
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        runs_dir = Path(folder) / "runs"
        write_finished_runs(runs_dir, count=asked.runs, n_rows=asked.rows)
        with run_app(runs_dir) as app:
            show(measure(app, n_watchers=asked.watchers, seconds=asked.seconds), asked)


if __name__ == "__main__":
    main()
