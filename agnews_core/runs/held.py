"""A folder that one process holds while it works there, and that others may ask to stop: a run's, or a study's."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from filelock import FileLock, Timeout

from agnews_core.errors import RunError
from agnews_core.runs.locks import is_locked
from agnews_core.whole_files import write_whole

LOCK_SECONDS = 5.0  # a reader may hold a lock for a moment
RESERVE_BYTES = 256 * 1024
SPARE_BYTES = 8 * 2**20  # for metrics, logs and the report


@dataclass(frozen=True)
class HeldFolder:
    """A folder that one process holds. `kind` is what messages call it, `busy` what another process does with it."""

    path: Path

    kind: ClassVar[str]
    busy: ClassVar[str]

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.path.name

    @contextmanager
    def own(self) -> Iterator[Self]:
        """Hold it while working there.

        Raises:
            RunError: Another process does.
        """
        lock = self._build_lock("owner.lock")
        try:
            lock.acquire()
        except Timeout as error:
            raise RunError(
                f"The {self.kind} {self.name} is being {self.busy} by another process; stop it first."
            ) from error
        except OSError as error:
            raise RunError(f"The {self.kind} {self.name} cannot be held: {error.strerror}.") from error
        try:
            yield self
        finally:
            lock.release()

    def is_owned(self) -> bool:
        """Return whether some process works there now."""
        return is_locked(self.path / "owner.lock")

    def _build_lock(self, name: str, *, thread_local: bool = True) -> FileLock:
        return FileLock(self.path / name, timeout=LOCK_SECONDS, is_singleton=False, thread_local=thread_local)

    def request_stop(self, *, keep: bool = True) -> None:
        """Ask whoever works there to stop; may be called from any process, and twice.

        Raises:
            RunError: The folder cannot be written.
        """
        try:
            write_whole(self.path / "stop", "keep" if keep else "discard")
        except OSError as error:
            raise RunError(f"The {self.kind} {self.name} cannot be asked to stop: {error.strerror}.") from error

    def read_stop(self) -> Literal["", "keep", "discard"]:
        """Return what was asked for, or "" when the work may go on."""
        try:
            return "discard" if (self.path / "stop").read_bytes() == b"discard" else "keep"
        except OSError:  # not there, or not a file
            return ""

    def clear_stop(self) -> None:
        """Withdraw a request to stop."""
        (self.path / "stop").unlink(missing_ok=True)

    def find_full_disk(self) -> str:
        """Return a sentence about the disk that holds the folder if it is full, else ""."""
        is_full = shutil.disk_usage(self.path.parent).free < SPARE_BYTES
        way_out = f"make room, then resume the {self.kind}"
        return f"The disk that holds {self.path.parent} is full; {way_out}." if is_full else ""

    def reserve(self) -> None:
        """Set a little of the disk aside, so that a full one does not keep what was done from being recorded at the end."""
        (self.path / "reserve").write_bytes(os.urandom(RESERVE_BYTES))

    def release_reserve(self) -> None:
        """Give that back, just before the end is recorded."""
        (self.path / "reserve").unlink(missing_ok=True)
