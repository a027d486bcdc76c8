"""How far a phase is whose work is counted in texts, recorded in the run as it goes on; a request to stop is obeyed meanwhile."""

import time

from agnews_core.errors import StoppedEarlyError
from agnews_core.runs import PhaseProgress, Run

TELL_SECONDS = 0.5  # progress is recorded this often at most


class Watch:
    """Records the progress of a phase before training.

    Args:
        run: Where it is recorded.
        n_total: Texts in all.
        what: What is done to them, as "frozen layers were computed".
        n_together: How many processes are at it, as fast as this one.
    """

    def __init__(self, run: Run, n_total: int, what: str, *, n_together: int = 1) -> None:
        self.run = run
        self._n_total, self._what, self._n_together = n_total, what, n_together
        self._n_found = self._n_done = 0
        self._began, self._told_at = time.monotonic(), 0.0

    def find(self, n_texts: int) -> None:
        """Record how many texts were there already."""
        self._n_found = self._n_done = n_texts
        self._began = time.monotonic()
        self._tell()

    def add(self, n_texts: int) -> None:
        """Record that some more are done, and as many by each other process."""
        self._n_done = min(self._n_done + n_texts * self._n_together, self._n_total)
        self._tell()

    def reach(self, n_texts: int) -> None:
        """Record how many are done by now."""
        self._n_done = n_texts
        self._tell()

    def obey_stop(self) -> None:
        """Do nothing, unless a stop was asked for.

        Raises:
            StoppedEarlyError: It was.
        """
        if self.run.read_stop():
            raise StoppedEarlyError(f"Stopped while {self._what}, before training began.")

    def _tell(self) -> None:
        self.obey_stop()
        now = time.monotonic()
        if now - self._told_at < TELL_SECONDS and self._n_done < self._n_total:
            return
        self._told_at, done = now, self._n_done - self._n_found
        eta = (now - self._began) / done * (self._n_total - self._n_done) if done else None
        progress = PhaseProgress(n_done=self._n_done, n_total=self._n_total, eta_seconds=eta)
        self.run.update_status(phase_progress=progress)
