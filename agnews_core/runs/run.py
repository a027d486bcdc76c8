"""One run's directory and what may be done with it, by the process that trains it and by those who watch."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from filelock import FileLock, Timeout

from agnews_core.config import TrainConfig
from agnews_core.errors import RunError
from agnews_core.models.adapters import ADAPTER_INFO
from agnews_core.runs.locks import is_locked
from agnews_core.runs.status import RunStatus, State
from agnews_core.whole_files import write_whole

LOCK_SECONDS = 5.0


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

    def read_status_or_damage(self) -> RunStatus:
        """Read the run's status; a run whose files are damaged reads as one that failed for that reason."""
        try:
            status = self.read_status()
            self.read_config()
            return status
        except RunError as error:
            return RunStatus(state="failed", reason=str(error))

    def has_model(self) -> bool:
        """Tell whether the run is at its end and kept a model that can be used."""
        is_there = (self.adapter_dir / ADAPTER_INFO).is_file()
        return is_there and self.read_status_or_damage().state in ("finished", "stopped")

    def _find_interruption(self, state: State) -> str:
        """Say why a state that somebody should keep up is kept up by nobody, or return ""."""
        if state == "running" and not self.is_owned():
            return "The program ended while this run was training."
        queue_lock = self.path / "queue.lock"  # runs that never stood in a queue have none
        if state == "queued" and queue_lock.exists() and not is_locked(queue_lock) and not self.is_owned():
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
        """Ask whoever trains this run to stop after its current step; may be called from any process, and twice.

        Raises:
            RunError: The run's folder cannot be written.
        """
        try:
            write_whole(self.path / "stop", "keep" if keep else "discard")
        except OSError as error:
            raise RunError(f"The run {self.name} cannot be asked to stop: {error.strerror}.") from error

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
        return is_locked(self.path / "owner.lock")

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


def _parse_row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None
