"""A run is a directory, and the only channel between training and those who watch it.

    config.json      the settings, as `TrainConfig`
    status.json      state, phase, progress, backbone, data, notes; replaced whole
    metrics.jsonl    a line for every recorded step and every evaluation, as they happen
    report.json      the evaluation on the validation split
    adapter/         the best model
    checkpoints/     what --resume goes on from
    stop             there while somebody wants the run to stop; holds "keep" or "discard"
    owner.lock       locked by the process that trains; freed by the system when that process dies, however it dies
    queue.lock       locked by the process in whose queue the run waits; freed likewise

This module does not train, and imports neither torch nor transformers.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict

from agnews_core.config import TrainConfig
from agnews_core.errors import RunError

State = Literal["queued", "running", "finished", "stopped", "failed", "interrupted"]
ACTIVE: tuple[State, ...] = ("queued", "running")
RESUMABLE: tuple[State, ...] = ("interrupted", "stopped", "failed")
Phase = Literal["preparing data", "loading the backbone", "training", "evaluating", "saving", "done"]
LOCK_SECONDS = 5.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class RunStatus(BaseModel):
    """What status.json holds.

    Attributes:
        reason: Why a run failed or stopped, fit to show a person.
        notes: Every choice that was made for the user, and every fallback, in sentences.
        plan: `model.Plan`, as JSON.
        data: `data.DataCounts`, as JSON.
        resolved: The settings that stood for something else ("auto"), as they were when the run first started.
        result: What `train` reports when it ends.
    """

    model_config = ConfigDict(frozen=True)

    state: State = "queued"
    phase: Phase = "preparing data"
    reason: str = ""
    step: int = 0
    max_steps: int = 0
    created_at: str = ""
    queued_at: str = ""
    started_at: str = ""
    ended_at: str = ""
    device: str = ""
    precision: str = ""
    backbone_source: str = ""
    notes: tuple[str, ...] = ()
    plan: dict[str, Any] = {}
    data: dict[str, Any] = {}
    versions: dict[str, str] = {}
    resolved: dict[str, str] = {}
    result: dict[str, Any] = {}


@dataclass(frozen=True)
class Run:
    """A run's directory and what may be done with it."""

    path: Path

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.path.name

    @property
    def adapter_dir(self) -> Path:
        """Where the best model is kept."""
        return self.path / "adapter"

    @property
    def checkpoints_dir(self) -> Path:
        """Where checkpoints are kept."""
        return self.path / "checkpoints"

    def exists(self) -> bool:
        """Tell whether the run is still there."""
        return (self.path / "status.json").is_file()

    def read_config(self) -> TrainConfig:
        """Read the settings the run was made with.

        Raises:
            RunError: config.json is missing or damaged.
        """
        try:
            return TrainConfig.model_validate_json((self.path / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:  # not there, not text, or not what it should be
            raise RunError(f"The run {self.name} has no readable config.json.") from error

    def read_resolved_config(self) -> TrainConfig:
        """Read the settings with "auto" replaced by what it stood for, so that they find the same backbone and news."""
        return self.read_config().model_copy(update=self.read_status().resolved)

    def read_status(self) -> RunStatus:
        """Read the run's status; "running" that no process owns reads as "interrupted".

        Raises:
            RunError: status.json is missing or damaged.
        """
        try:
            status = RunStatus.model_validate_json((self.path / "status.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:  # not there, not text, or not what it should be
            raise RunError(f"The run {self.name} has no readable status.json.") from error
        reason = self._find_interruption(status.state)
        return status.model_copy(update={"state": "interrupted", "reason": reason}) if reason else status

    def _find_interruption(self, state: State) -> str:
        """Say why a state that somebody should keep up is kept up by nobody, or return ""."""
        if state == "running" and not self.is_owned():
            return "The program ended while this run was training."
        queue_lock = self.path / "queue.lock"  # runs that never stood in a queue have none
        if state == "queued" and queue_lock.exists() and not _is_locked(queue_lock) and not self.is_owned():
            return "The program ended before this run's turn came."
        return ""

    def update_status(self, **changes: Any) -> RunStatus:
        """Replace status.json whole with some fields changed."""
        status = RunStatus.model_validate(
            {**json.loads((self.path / "status.json").read_text(encoding="utf-8")), **changes}
        )
        write_whole(self.path / "status.json", status.model_dump_json(indent=2))
        return status

    def add_note(self, note: str) -> None:
        """Record a choice or fallback, once."""
        notes = self.read_status().notes
        if note not in notes:
            self.update_status(notes=(*notes, note))

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add a line to metrics.jsonl, at once visible to readers."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def read_metrics(self) -> list[dict[str, Any]]:
        """Read all rows of metrics.jsonl; a line torn by a kill is skipped."""
        try:
            lines = (self.path / "metrics.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [row for line in lines if (row := _parse_row(line)) is not None]

    def drop_metrics_after(self, step: int) -> None:
        """Forget rows of steps that will be trained again after a resume."""
        rows = [row for row in self.read_metrics() if row.get("step", 0) <= step]
        write_whole(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    def request_stop(self, *, keep: bool = True) -> None:
        """Ask whoever trains this run to stop after its current step; may be called from any process, and twice."""
        write_whole(self.path / "stop", "keep" if keep else "discard")

    def read_stop(self) -> Literal["", "keep", "discard"]:
        """Return what was asked for, or "" when the run may go on."""
        try:
            return "discard" if (self.path / "stop").read_text(encoding="utf-8") == "discard" else "keep"
        except FileNotFoundError:
            return ""

    def clear_stop(self) -> None:
        """Withdraw a request to stop."""
        (self.path / "stop").unlink(missing_ok=True)

    @contextmanager
    def own(self) -> Iterator[Self]:
        """Hold the run while training it.

        Raises:
            RunError: Another process is training it.
        """
        lock = self._lock()
        try:
            lock.acquire(timeout=LOCK_SECONDS)  # a reader may hold it for a moment
        except Timeout as error:
            raise RunError(f"The run {self.name} is being trained by another process.") from error
        except OSError as error:
            raise RunError(f"The run {self.name} cannot be held: {error.strerror}.") from error
        try:
            yield self
        finally:
            lock.release()

    def is_owned(self) -> bool:
        """Tell whether some process is training this run now."""
        return _is_locked(self.path / "owner.lock")

    def hold_place(self) -> FileLock:
        """Hold the run's place in this process's queue until the lock is released, or the process ends.

        Raises:
            RunError: It waits in another program's queue.
        """
        lock = FileLock(self.path / "queue.lock", is_singleton=False, thread_local=False)
        try:
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout as error:
            raise RunError(f"The run {self.name} waits in another program's queue.") from error
        return lock

    def _lock(self) -> FileLock:
        return FileLock(self.path / "owner.lock", is_singleton=False)

    def delete(self) -> None:
        """Remove the run's directory.

        Raises:
            RunError: It is being trained, or its files may not be removed.
        """
        lock = self._lock()
        try:
            lock.acquire(blocking=False)
            shutil.rmtree(self.path)  # while it is held, so that nobody begins to train it meanwhile
        except Timeout as error:
            raise RunError(f"The run {self.name} is being trained; stop it first.") from error
        except OSError as error:
            raise RunError(f"The run {self.name} cannot be deleted: {error.strerror}.") from error
        finally:
            lock.release()


def _is_locked(path: Path) -> bool:
    """Tell whether a process holds a lock. Many may ask at once: they share it for a moment, and disturb no one."""
    if os.name != "posix":
        return _is_locked_elsewhere(path)
    import fcntl

    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _is_locked_elsewhere(path: Path) -> bool:
    lock = FileLock(path, is_singleton=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


def _parse_row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_whole(path: Path, text: str) -> None:
    """Replace a file so that a reader, or a kill at any moment, finds the old text or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def find_runs_dir(given: str | Path | None = None) -> Path:
    """Return the folder that holds all runs: as given, else AGNEWS_RUNS_DIR, else ./runs."""
    return Path(given or os.environ.get("AGNEWS_RUNS_DIR") or "runs").expanduser()


def create_run(runs_dir: Path, config: TrainConfig, *, name: str | None = None) -> Run:
    """Make the directory of a new run, in state "queued".

    Raises:
        RunError: The name is not one, is taken, or the folder cannot be written.
    """
    check_name(name)
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        run = Run(_make_dir(runs_dir, name))
    except FileExistsError as error:
        if not runs_dir.is_dir():
            raise _cannot_write(runs_dir, "it is a file") from error
        raise RunError(
            f"There is a run named {name} already; choose another name, or go on with it by --resume."
        ) from error
    except OSError as error:
        raise _cannot_write(runs_dir, error.strerror) from error
    try:
        write_whole(run.path / "config.json", config.model_dump_json(indent=2))
        write_whole(run.path / "status.json", RunStatus(created_at=now()).model_dump_json(indent=2))
    except OSError as error:
        shutil.rmtree(run.path, ignore_errors=True)  # half a run would only be in the way of its name
        raise _cannot_write(runs_dir, error.strerror) from error
    return run


def _cannot_write(runs_dir: Path, why: str | None) -> RunError:
    return RunError(f"The runs folder {runs_dir} cannot be written: {why}; choose another with --runs-dir.")


def check_name(name: str | None) -> None:
    """Refuse a run name that could lead out of the runs folder, or is hard to type.

    Raises:
        RunError: It is not 1 to 64 letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise RunError(
            f"{name!r} cannot name a run; use up to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit."
        )


def _make_dir(runs_dir: Path, name: str | None) -> Path:
    if name is not None:
        (runs_dir / name).mkdir()
        return runs_dir / name
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        path = runs_dir / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise FileExistsError(stamp)


def list_runs(runs_dir: Path) -> list[Run]:
    """Return the runs in a folder, newest first; a folder that is missing has none."""
    found = [Run(path.parent) for path in runs_dir.glob("*/status.json") if _NAME.fullmatch(path.parent.name)]
    return sorted(found, key=_created_at, reverse=True)


def _created_at(run: Run) -> tuple[str, int]:
    # config.json is written once; its time tells runs of the same second apart.
    try:
        return run.read_status().created_at, (run.path / "config.json").stat().st_mtime_ns
    except (RunError, OSError):
        return "", 0


def find_run(runs_dir: Path, name: str) -> Run:
    """Return a run by name.

    Raises:
        RunError: The name is not one, or there is no such run; the message names those there are.
    """
    check_name(name)
    run = Run(runs_dir / name)
    if not (run.path / "status.json").is_file():
        names = ", ".join(other.name for other in list_runs(runs_dir)[:5]) or "none"
        raise RunError(f"There is no run {name} in {runs_dir}; there are: {names}.")
    return run


def find_newest_run(runs_dir: Path, *, states: tuple[State, ...]) -> Run:
    """Return the newest run in one of these states.

    Raises:
        RunError: There is none.
    """
    for run in list_runs(runs_dir):
        try:
            if run.read_status().state in states:
                return run
        except RunError:
            continue
    raise RunError(f"There is no {' or '.join(states)} run in {runs_dir}; make one with `train`.")
