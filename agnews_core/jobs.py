"""The queue of runs and its one background worker thread."""

from pathlib import Path


class JobQueue:
    """Runs waiting for their turn, and the worker that trains them one at a time."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir

    def start_worker(self) -> None:
        """Start the worker thread; a second call changes nothing."""
