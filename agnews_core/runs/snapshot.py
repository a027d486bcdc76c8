"""One run at one moment, read from its directory: its status, its points, how far it is, the end of its log.

It asks nobody but the run's directory and changes nothing there.
"""

import functools
import itertools
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agnews_core.config import TrainConfig
from agnews_core.errors import RunError
from agnews_core.runs import Run, RunStatus

RECENT_STEPS = 30  # the speed shown is of these
LOG_BYTES = 64 * 1024
Rows = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment; `stop` is "keep" or "discard" where that was asked for."""

    run: Run
    status: RunStatus
    config: TrainConfig
    rows: Rows
    stop: str

    @property
    def curve_stamp(self) -> str:
        """Tell one set of points from another: it changes with each new one."""
        return f"{self.run.name}:{len(self.rows)}:{self.rows[-1]['time'] if self.rows else 0}"


@dataclass(frozen=True)
class Progress:
    """How far a run is; None is "not known yet".

    Attributes:
        share: Of all steps, 0-1.
        memory_mib: Of the training process.
        gpu_memory_mib: In use on the GPU, if there is one.
        gpu_percent: How busy the GPU is.
    """

    share: float
    epoch: float | None
    samples_per_second: float | None
    eta_seconds: float | None
    memory_mib: int | None
    gpu_memory_mib: int | None
    gpu_percent: int | None


def take_snapshot(run: Run) -> Snapshot:
    """Read a run; one whose files are damaged reads as one that failed for that reason, with the default settings."""
    config = _read_config(run.path, _stamp(run.path / "config.json"))
    return Snapshot(run, run.read_status_or_damage(), config, read_rows(run), run.read_stop())


def read_rows(run: Run) -> Rows:
    """Read all rows of metrics.jsonl, parsed again only when the file has changed."""
    return _read_rows(run.path, _stamp(run.path / "metrics.jsonl"))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=64)
def _read_rows(path: Path, stamp: tuple[int, int]) -> Rows:
    return tuple(row for row in Run(path).read_metrics() if "step" in row and "time" in row)


@functools.lru_cache(maxsize=256)
def _read_config(path: Path, stamp: tuple[int, int]) -> TrainConfig:
    try:
        return Run(path).read_config()
    except RunError:  # its status says so
        return TrainConfig()


def compute_progress(snapshot: Snapshot) -> Progress:
    """Compute how far a run is from its newest rows."""
    status, rows = snapshot.status, snapshot.rows
    newest = next((row for row in reversed(rows) if "loss" in row), {})
    step_seconds = compute_step_seconds(rows)
    samples = snapshot.config.per_device_train_batch_size * snapshot.config.gradient_accumulation_steps
    training = status.state == "running" and status.phase == "training"
    return Progress(
        share=status.step / status.max_steps if status.max_steps else 0.0,
        epoch=newest.get("epoch"),
        samples_per_second=samples / step_seconds if step_seconds else None,
        eta_seconds=_compute_eta(snapshot, step_seconds) if training and step_seconds else None,
        memory_mib=newest.get("memory_mib"),
        gpu_memory_mib=newest.get("gpu_memory_mib"),
        gpu_percent=newest.get("gpu_percent"),
    )


def compute_step_seconds(rows: Rows) -> float | None:
    """Return the median seconds a step took lately, evaluations and pauses left out; None before there are two steps."""
    pairs = itertools.pairwise(rows)
    seconds = [
        (later["time"] - earlier["time"]) / (later["step"] - earlier["step"])
        for earlier, later in list(pairs)[-RECENT_STEPS:]
        if "loss" in earlier and "loss" in later and later["step"] > earlier["step"]
    ]
    return statistics.median(seconds) if seconds else None


def _compute_eta(snapshot: Snapshot, step_seconds: float) -> float:
    """Return the seconds that the remaining steps and evaluations take, if they go on as they did lately."""
    status, eval_steps = snapshot.status, snapshot.config.eval_steps
    remaining = max(status.max_steps - status.step, 0)
    every = eval_steps if eval_steps > 1 else max(1.0, eval_steps * status.max_steps)
    eval_seconds = next((row["eval_runtime"] for row in reversed(snapshot.rows) if "eval_runtime" in row), 0.0)
    return float(remaining * step_seconds + (remaining / every + 1) * eval_seconds)  # the last one is of the best model


def read_log_tail(run: Run, *, n_lines: int = 200) -> str:
    """Return the last lines of what the run logged, and of its traceback if it failed."""
    lines = _read_end(run.path / "log.txt").splitlines()
    if (run.path / "traceback.txt").is_file():
        lines += ["", *_read_end(run.path / "traceback.txt").splitlines()]
    return "\n".join(lines[-n_lines:])


def _read_end(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def compute_seconds(snapshot: Snapshot) -> float | None:
    """Return how long a run took, or has taken until now, pauses between its parts left out."""
    status = snapshot.status
    if not status.started_at:
        return None
    began = datetime.fromisoformat(status.started_at)
    if status.ended_at:
        ended = datetime.fromisoformat(status.ended_at)
    elif status.state == "running":
        ended = datetime.now(UTC)
    elif snapshot.rows:
        ended = datetime.fromtimestamp(max(snapshot.rows[-1]["time"], began.timestamp()), UTC)
    else:
        return None
    return status.earlier_seconds + (ended - began).total_seconds()
