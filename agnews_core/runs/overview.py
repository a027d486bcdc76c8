"""All runs at one moment, and a watch over them that reads only what has changed, once for all who look.

It asks nobody but the runs' directories and changes nothing there.
"""

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from agnews_core.runs.folder import find_runs
from agnews_core.runs.snapshot import Snapshot, take_snapshot
from agnews_core.runs.status import ACTIVE

SHARED_SECONDS = 0.5  # those who watch share what one of them has read


@dataclass(frozen=True)
class Overview:
    """All runs at one moment, newest first."""

    snapshots: tuple[Snapshot, ...]

    def find(self, name: str | None) -> Snapshot | None:
        """Return the run of this name, if it is there."""
        return next((one for one in self.snapshots if one.run.name == name), None)

    def find_active(self) -> Snapshot | None:
        """Return the run that is being trained, else the first in the queue, else None."""
        active = [one for one in self.snapshots if one.status.state in ACTIVE]
        return min(active, key=lambda one: (one.status.state == "queued", one.status.queued_at), default=None)

    def find_shown(self, name: str | None) -> Snapshot | None:
        """Return the run of this name if it is still there, else the active one, else the newest, else None."""
        return self.find(name) or self.find_active() or next(iter(self.snapshots), None)

    def count_ahead(self, name: str) -> int:
        """Return how many runs of the same queue are ahead of a queued one, the one that is being trained included."""
        own = self.find(name)
        return sum(_is_ahead(one, own) for one in self.snapshots) if own else 0


def _is_ahead(other: Snapshot, own: Snapshot) -> bool:
    if other is own or other.status.queue != own.status.queue:
        return False
    waits_before = other.status.state == "queued" and other.status.queued_at < own.status.queued_at
    return (waits_before or other.status.state == "running") and other.run.has_place()


class RunsWatch:
    """A folder's runs, for any number of threads that look at them."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._overview = Overview(())

    def look(self, *, max_age_seconds: float = 0.0) -> Overview:
        """Return all runs as they were at most so many seconds ago; those who wait for a look that began since share it."""
        oldest = time.monotonic() - max_age_seconds
        with self._lock:
            if self._looked_at < oldest:
                self._looked_at = time.monotonic()
                self._overview = self._read()
            return self._overview

    def _read(self) -> Overview:
        before = {one.run.name: one for one in self._overview.snapshots}
        found = [take_snapshot(run, before.get(run.name)) for run in find_runs(self.runs_dir)]
        there = [one for one in found if one.stamps[0]]  # a run may be deleted meanwhile
        return Overview(tuple(sorted(there, key=lambda one: one.created, reverse=True)))
