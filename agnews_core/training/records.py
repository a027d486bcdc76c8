"""What a training writes of itself into its run's directory beside the figures: phase, notes, log, and how it ended."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

import torch

from agnews_core.devices import describe_machine
from agnews_core.errors import AgNewsError, StoppedEarlyError
from agnews_core.libraries import read_versions
from agnews_core.processes import build_loss, is_loss
from agnews_core.runs import Phase, Run, State, now
from agnews_core.runs.metrics import Reading, read_on

logger = logging.getLogger(__name__)

# Nothing of a run has changed by then.
BEFORE_TRAINING: tuple[Phase, ...] = (
    "preparing data", "loading the backbone", "asking teachers", "checking labels", "computing frozen layers",
)  # fmt: skip


def begin(run: Run, *, resume: bool) -> None:
    """Record that a training begins, in place of what an earlier one ended with."""
    (run.path / "traceback.txt").unlink(missing_ok=True)
    run.reserve()
    run.update_status(
        state="running",
        resumed_from=_find_state_before(run) if resume else "",
        started_at=now(),
        earlier_seconds=_sum_earlier_seconds(run),
        ended_at="",
        reason="",
        versions=read_versions(),
        machine=describe_machine(),
    )


def _find_state_before(run: Run) -> State | Literal[""]:
    """Return the state of a run that is resumed now, or that had it when it was put into the queue to be resumed."""
    status = run.read_status()
    if status.state == "queued":
        return status.resumed_from
    return "interrupted" if status.state == "running" else status.state  # nobody but this process owns it


def _sum_earlier_seconds(run: Run) -> float:
    """Return what a run took until the last row that it recorded, whatever ended it then."""
    status, rows = run.read_status(), read_on(run.metrics_path, Reading()).metrics.recent
    if not status.started_at or not rows:
        return status.earlier_seconds
    began = datetime.fromisoformat(status.started_at).timestamp()
    return status.earlier_seconds + max(0.0, rows[-1].time - began)


def enter(run: Run, phase: Phase) -> None:
    """Record the phase that begins.

    Raises:
        StoppedEarlyError: A stop was asked for before there is anything to keep.
    """
    if run.read_stop() and phase in (*BEFORE_TRAINING, "training"):
        raise StoppedEarlyError("Stopped before training began.")
    logger.info("%s", phase)
    run.update_status(phase=phase, phase_progress=None)


def note(run: Run, text: str) -> None:
    """Log and record a choice that was made for the user, if one was."""
    if text:
        logger.info("%s", text)
        run.add_note(text)


def end(run: Run, state: State, reason: str, *, trace: str = "") -> None:
    """Record how a training ended, and why."""
    level = logging.INFO if state in ("finished", "stopped") else logging.ERROR
    logger.log(level, "run %s %s. %s", run.name, state, reason)
    try:
        run.end(state, reason, trace=trace)
    except OSError as error:  # nothing more can be done; the run then reads as interrupted
        logger.error("The end of run %s could not be recorded: %s", run.name, error)


def refuse(run: Run, error: AgNewsError) -> None:
    """Record that a training cannot be carried out; a run that was to be resumed, and is as it was, keeps its state."""
    status = run.read_status()
    if status.resumed_from and status.phase in BEFORE_TRAINING:
        end(run, status.resumed_from, f"It could not be resumed. {error}")
    else:
        end(run, "failed", str(error))


def explain(error: Exception, run: Run) -> str:
    """Return what went wrong in a sentence, with the way out where it is known."""
    # safetensors, torch and Python each report a full disk in their own way.
    if full := run.find_full_disk():
        return full
    if is_loss(error):
        return describe_loss()
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "There was not enough memory; use a smaller batch, a shorter max_length or a smaller backbone."
    return f"Training failed: {type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"


def describe_loss() -> str:
    """Return a sentence on a training whose processes are no longer all there."""
    return f"{build_loss()} Resume goes on from the last checkpoint."


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Copy what this package logs to the run's log.txt while it trains."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"))
    package = logging.getLogger("agnews_core")
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.setLevel(level)
        package.removeHandler(handler)
        handler.close()
