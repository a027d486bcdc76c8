"""One run at one moment, read from its directory: its status, its points, how far it is, the end of its log.

It asks nobody but the run's directory and changes nothing there.
"""

import functools
import itertools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from agnews_core.config import TrainConfig
from agnews_core.errors import RunError
from agnews_core.runs.metrics import Metrics, Reading, Row, read_on
from agnews_core.runs.presets import describe_differences
from agnews_core.runs.resolved import Evaluations
from agnews_core.runs.run import Run
from agnews_core.runs.status import RunStatus
from agnews_core.whole_files import Stamp, find_stamp

LOG_BYTES = 64 * 1024
ENDED = ("finished", "stopped", "failed")


@dataclass(frozen=True)
class Progress:
    """How far a run is, as a share of all steps (0-1), and how fast; None is "not known yet"."""

    share: float
    samples_per_second: float | None
    eta_seconds: float | None


@dataclass(frozen=True)
class RunSummary:
    """A run in one line of a table. `differences` says how its settings differ from the preset nearest to them."""

    name: str
    state: str
    preset: str
    differences: str
    best_accuracy: float | None
    seconds: float | None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A run at one moment; `stop` is "keep" or "discard" where that was asked for, `stamps` are those of its two JSON files."""

    run: Run
    status: RunStatus
    config: TrainConfig
    stop: str
    reading: Reading
    stamps: tuple[Stamp, Stamp]

    @property
    def metrics(self) -> Metrics:
        """Its points."""
        return self.reading.metrics

    @property
    def created(self) -> tuple[str, int]:
        """When it was made; config.json is written once, and its time tells runs of the same second apart."""
        return self.status.created_at, self.stamps[1][0] if self.stamps[1] else 0

    @property
    def evaluations(self) -> Evaluations | None:
        """When it evaluates and on what, where that is known."""
        return self.status.resolved.evaluations if self.status.resolved else None

    @functools.cached_property
    def progress(self) -> Progress:
        """How far it is."""
        return _compute_progress(self)

    @functools.cached_property
    def summary(self) -> RunSummary:
        """Its line in a table."""
        return _summarize(self)


def take_snapshot(run: Run, before: Snapshot | None = None) -> Snapshot:
    """Read a run; one whose files are damaged reads as one that failed for that reason, with the default settings.

    What has not changed since the snapshot before is not read again, and of a run at its end two files are looked at only.
    """
    stamps = find_stamp(f"{run.path}/status.json"), find_stamp(f"{run.path}/config.json")
    if before and before.stamps == stamps and before.status.state in ENDED:
        return before
    return Snapshot(
        run,
        run.read_status_or_damage(),
        before.config if before and before.stamps[1] == stamps[1] else _read_config(run),
        run.read_stop(),
        read_on(run.metrics_path, before.reading if before else Reading()),
        stamps,
    )


def _read_config(run: Run) -> TrainConfig:
    try:
        return run.read_config()
    except RunError:  # its status says so
        return TrainConfig()


def _compute_progress(snapshot: Snapshot) -> Progress:
    status = snapshot.status
    step_seconds = compute_step_seconds(snapshot.metrics.recent)
    training = status.state == "running" and status.phase == "training" and status.max_steps > 0
    return Progress(
        share=status.step / status.max_steps if status.max_steps else 0.0,
        samples_per_second=snapshot.config.step_texts / step_seconds if step_seconds else None,
        eta_seconds=_compute_eta(snapshot, step_seconds) if training and step_seconds else None,
    )


def compute_step_seconds(rows: Sequence[Row]) -> float | None:
    """Return the median seconds a step took lately, evaluations and pauses left out; None before there are two rows.

    What lies between any row and the recorded loss after it are steps alone: an evaluation's row is written at its end.
    """
    seconds = [
        (later.time - earlier.time) / (later.step - earlier.step)
        for earlier, later in itertools.pairwise(rows)
        if later.loss is not None and later.step > earlier.step
    ]
    return statistics.median(seconds) if seconds else None


def _compute_eta(snapshot: Snapshot, step_seconds: float) -> float:
    """Return the seconds that the remaining steps and evaluations take, if they go on as they did lately."""
    status, decided = snapshot.status, snapshot.evaluations
    remaining = max(status.max_steps - status.step, 0)
    evaluations = remaining / (decided.every_steps if decided else snapshot.config.count_eval_steps(status.max_steps))
    at_the_end = decided.n_available / decided.n_texts if decided else 1.0  # of the best model, on all texts
    return remaining * step_seconds + (evaluations + at_the_end) * snapshot.metrics.eval_seconds


def _summarize(snapshot: Snapshot) -> RunSummary:
    status, best = snapshot.status, snapshot.metrics.best_accuracy
    stood_for: dict[str, Any] = {}  # what "auto" meant; layers from the top, as presets have them
    if status.resolved and status.plan:
        found = status.resolved
        stood_for = {"backbone": found.backbone, "data": found.data, "layer_ranks": status.plan.ranks_from_top}
    preset, differences = describe_differences(snapshot.config.model_copy(update=stood_for))
    return RunSummary(
        name=snapshot.run.name,
        state=status.state,
        preset=preset,
        differences=differences,
        best_accuracy=best if best is not None or status.result is None else status.result.eval_accuracy,
        seconds=compute_seconds(snapshot),
    )


def compute_seconds(snapshot: Snapshot) -> float | None:
    """Return how long a run took, or has taken until now, pauses between its parts left out."""
    status, recent = snapshot.status, snapshot.metrics.recent
    if not status.started_at:
        return None
    began = _parse_time(status.started_at)
    if status.ended_at:
        ended = _parse_time(status.ended_at)
    elif status.state == "running":
        ended = time.time()
    elif recent:
        ended = max(recent[-1].time, began)
    else:
        return None
    return status.earlier_seconds + ended - began


def _parse_time(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def find_log_stamp(run: Run) -> tuple[Stamp, Stamp]:
    """Return what differs once the end of the log does."""
    return find_stamp(run.path / "log.txt"), find_stamp(run.path / "traceback.txt")


def read_log_tail(run: Run, *, n_lines: int = 200) -> str:
    """Return the last lines of what the run logged, and of its traceback if it failed."""
    lines = _read_end(run.path / "log.txt").splitlines()
    if traceback := _read_end(run.path / "traceback.txt").splitlines():
        lines += ["", *traceback]
    return "\n".join(lines[-n_lines:])


def _read_end(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:  # not there, not a file, not ours
        return ""
