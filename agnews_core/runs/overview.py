"""What those who watch a run want to know of it, read from its directory: progress, ETA, log tail, a line for a table.

It asks nobody but the run's directory and changes nothing there. Many may watch: rows of metrics are parsed once per change.
"""

from dataclasses import dataclass
from pathlib import Path

from agnews_core.runs import ACTIVE, Run, find_run, list_runs
from agnews_core.runs.presets import find_nearest_preset, format_value
from agnews_core.runs.snapshot import Snapshot, compute_seconds, take_snapshot


@dataclass(frozen=True)
class RunSummary:
    """A run in one line of a table. `differences` says how its settings differ from the preset nearest to them."""

    name: str
    state: str
    preset: str
    differences: str
    best_accuracy: float | None
    seconds: float | None


def find_shown_run(runs_dir: Path, name: str | None) -> Run | None:
    """Return the run by this name if it is still there, else the active one, else the newest, else None."""
    runs = {run.name: run for run in list_runs(runs_dir)}
    return runs.get(name or "") or find_active(runs_dir) or next(iter(runs.values()), None)


def find_place(runs_dir: Path, name: str) -> int:
    """Return how many runs are ahead of a queued one, the one that is being trained included."""
    ahead = 0
    own = find_run(runs_dir, name).read_status()
    for run in list_runs(runs_dir):
        status = run.read_status_or_damage()
        if run.name != name:
            ahead += status.state == "running" or (status.state == "queued" and status.queued_at < own.queued_at)
    return ahead


def find_active(runs_dir: Path) -> Run | None:
    """Return the run that is being trained, else the first in the queue, else None."""
    active = [(status, run) for run in list_runs(runs_dir) if (status := run.read_status_or_damage()).state in ACTIVE]
    return min(active, key=lambda pair: (pair[0].state == "queued", pair[0].queued_at))[1] if active else None


def summarize_runs(runs_dir: Path) -> list[RunSummary]:
    """Return a line for each run, newest first."""
    return [summarize(take_snapshot(run)) for run in list_runs(runs_dir)]


def summarize(snapshot: Snapshot) -> RunSummary:
    """Return a run's line in a table."""
    config = snapshot.config.model_copy(update=snapshot.status.resolved)  # what "auto" stood for
    preset, different = find_nearest_preset(config)
    accuracies = [row["eval_accuracy"] for row in snapshot.rows if "eval_accuracy" in row]
    shown = (f"{name} {format_value(getattr(config, name))}" for name in different)
    return RunSummary(
        name=snapshot.run.name,
        state=snapshot.status.state,
        preset=preset,
        differences=", ".join(shown),
        best_accuracy=max(accuracies, default=snapshot.status.result.get("eval_accuracy")),
        seconds=compute_seconds(snapshot),
    )
