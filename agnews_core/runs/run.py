"""One run's directory and what may be done with it, by the process that trains it and by those who watch."""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock, Timeout

from agnews_core.config import TrainConfig
from agnews_core.errors import RunError
from agnews_core.models.adapters import ADAPTER_INFO
from agnews_core.runs.held import HeldFolder
from agnews_core.runs.locks import is_locked
from agnews_core.runs.status import ACTIVE, RESUMABLE, RunStatus, State, now, parse_status
from agnews_core.whole_files import write_whole


@dataclass(frozen=True)
class Run(HeldFolder):
    """A run's directory and what may be done with it."""

    kind: ClassVar[str] = "run"
    busy: ClassVar[str] = "trained"

    @property
    def adapter_dir(self) -> Path:
        """Where the best model is kept."""
        return self.path / "adapter"

    @property
    def checkpoints_dir(self) -> Path:
        """Where checkpoints are kept."""
        return self.path / "checkpoints"

    @property
    def metrics_path(self) -> Path:
        """Where each recorded step and evaluation is a line."""
        return self.path / "metrics.jsonl"

    @property
    def log_path(self) -> Path:
        """Where what is logged while it trains is written."""
        return self.path / "log.txt"

    def exists(self) -> bool:
        """Return whether the run is still there."""
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
        """Read the settings with nothing left open; of a run that has not begun, as they are."""
        config, resolved = self.read_config(), self.read_status().resolved
        return resolved.apply_to(config) if resolved else config

    def read_status(self) -> RunStatus:
        """Read the run's status; "running" that no process owns reads as "interrupted".

        Raises:
            RunError: status.json is missing or damaged.
        """
        try:
            status = parse_status((self.path / "status.json").read_text(encoding="utf-8"))
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
        """Return whether a model that can be used is kept: it is put there whole, and stays until there is a newer one."""
        return (self.adapter_dir / ADAPTER_INFO).is_file()

    def can_resume(self, state: State) -> bool:
        """Return whether there is something to go on with in this state; a discarded run has nothing."""
        return state in RESUMABLE and not (state == "stopped" and self.read_stop() == "discard")

    def check_resumable(self) -> None:
        """Refuse to resume a run that is at a good end, not at its end, or discarded.

        Raises:
            RunError: It is; or status.json is damaged.
        """
        state = self.read_status().state
        if self.can_resume(state):
            return
        if state == "stopped":
            raise RunError(f"The run {self.name} was discarded, so that there is nothing to resume; start a new one.")
        raise RunError(f"The run {self.name} is {state}; only an interrupted, stopped or failed run can be resumed.")

    def _find_interruption(self, state: State) -> str:
        """Return why a state that somebody should keep up is kept up by nobody, or ""."""
        if state == "running" and not self.is_owned():
            return self.find_full_disk() or "The program ended while this run was training."
        # Runs that never stood in a queue have no such lock.
        if state == "queued" and (self.path / "queue.lock").exists() and not self.has_place() and not self.is_owned():
            return self.find_full_disk() or "The program ended before this run's turn came."
        return ""

    def end(self, state: State, reason: str, *, trace: str = "") -> RunStatus:
        """Record how the run ended and why, with the traceback of what nobody foresaw.

        Raises:
            OSError: It cannot be written.
        """
        self.release_reserve()
        if trace:
            (self.path / "traceback.txt").write_text(trace, encoding="utf-8", errors="backslashreplace")
        readable = reason.encode(errors="backslashreplace").decode()
        return self.update_status(state=state, reason=readable, ended_at=now(), phase="done")

    def update_status(self, **changes: Any) -> RunStatus:
        """Replace status.json whole with some fields changed."""
        before = parse_status((self.path / "status.json").read_text(encoding="utf-8"))
        status = RunStatus.model_validate({**dict(before), **changes})
        write_whole(self.path / "status.json", status.model_dump_json(indent=2))
        return status

    def add_note(self, note: str) -> None:
        """Record a choice or fallback, once."""
        notes = self.read_status().notes
        if note not in notes:
            self.update_status(notes=(*notes, note))

    def append_metrics(self, *rows: Mapping[str, Any]) -> None:
        """Add lines to metrics.jsonl, at once visible to readers."""
        with self.metrics_path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))

    def stop(self, *, keep: bool = True, is_taken: bool = False) -> RunStatus:
        """Stop a run that waits at once, and ask one that trains to stop after its current step; others stay as they are.

        Args:
            keep: Keep the best model so far; otherwise it is discarded.
            is_taken: It is about to be trained by the caller, though nobody owns it yet.

        Raises:
            RunError: The run's folder cannot be written, or status.json is damaged.
        """
        status = self.read_status()
        if status.state not in ACTIVE:
            return status
        waits = status.state == "queued" and not is_taken and not self.is_owned()
        # Even where it seems to wait: another program may be about to train it, and obeys this when it does.
        self.request_stop(keep=keep or waits)
        return self.end("stopped", "Stopped before its turn came.") if waits else status

    def hold_place(self) -> FileLock | None:
        """Hold the run's place in this process's queue until the lock is released, or the process ends.

        Returns:
            The lock, or None if another program's queue holds the run's place.
        """
        lock = self._build_lock("queue.lock", thread_local=False)
        with suppress(Timeout):
            lock.acquire()
        return lock if lock.is_locked else None

    def has_place(self) -> bool:
        """Return whether some process holds a place in its queue for this run, or trains it from there."""
        return is_locked(self.path / "queue.lock")

    def delete(self) -> None:
        """Remove the run's directory.

        Raises:
            RunError: It is being trained, or its files may not be removed.
        """
        with self.own():  # so that nobody begins to train it meanwhile
            try:
                (self.path / "status.json").unlink(
                    missing_ok=True
                )  # first: who looks now sees no run, and not a damaged one
                shutil.rmtree(self.path)
            except OSError as error:
                raise RunError(f"The run {self.name} cannot be deleted: {error.strerror}.") from error
