"""A run as those processes have it that train it together with the first one, which alone writes it."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

from agnews_core.errors import RunError
from agnews_core.processes import count_processes, is_first, share
from agnews_core.runs.run import Run
from agnews_core.runs.status import RunStatus, State


class FollowedRun(Run):
    """A run that is read, and never written; whether it stops, the first process says."""

    @property
    def log_path(self) -> Path:
        """Nowhere."""
        return Path(os.devnull)

    def reserve(self) -> None:
        """Do nothing."""

    def add_note(self, note: str) -> None:
        """Do nothing."""

    def append_metrics(self, *rows: Mapping[str, Any]) -> None:
        """Do nothing."""

    def update_status(self, **changes: Any) -> RunStatus:
        """Return the status as the first process keeps it."""
        return self.read_status()

    def end(self, state: State, reason: str, *, trace: str = "") -> RunStatus:
        """Return the status as the first process keeps it."""
        return self.read_status()

    def read_stop(self) -> Literal["", "keep", "discard"]:
        """Return "": all stop at the step at which the first process sees the request."""
        return ""

    @contextmanager
    def own(self) -> Iterator[Self]:
        """Yield the run: the first process holds it."""
        yield self


def share_run(open_run: Callable[[], Run]) -> Run:
    """Return the run that the first process makes or finds, in all processes; the others only follow it.

    Raises:
        RunError: Its folder is not to be seen from here.
    """
    if count_processes() == 1:
        return open_run()
    opened: list[Run] = []

    def open_first() -> Path:
        opened.append(open_run())
        return opened[0].path.resolve()

    path = share(open_first)
    if is_first():
        return opened[0]
    run = FollowedRun(path)
    if not run.exists():
        raise RunError(f"The run {path} is not on this machine; put the runs where all machines see them.")
    return run
