"""The queue of runs and its one background worker thread: start, stop, resume, delete, place in the queue.

A run is "queued" until the worker takes it. The worker trains in a child process that it watches: the page's own process then
keeps its interpreter lock and its memory to itself, a crash of training takes nothing with it, and the child can be nicer to
the machine than the page is. Whoever wants to know how a run is doing reads its directory; nothing here is asked for that.

Whatever is asked for says by whom; what that visitor may not do is refused here, whichever way the question came.
"""

import logging
import threading
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from agnews_core.config import TrainConfig
from agnews_core.errors import RunError
from agnews_core.jobs.child import train_in_child
from agnews_core.jobs.visitors import Visitor, check_owner, check_settings
from agnews_core.runs import ACTIVE, Run, RunStatus, create_run, find_run, list_runs

logger = logging.getLogger(__name__)

MAX_WAITING = 20
MAX_OF_A_VISITOR = 2  # waiting or being trained
MAX_RUNS = 300  # in the folder, for visitors to add one


@dataclass(frozen=True)
class _Job:
    run: Run
    owner: str
    resume: bool
    place: FileLock


class JobQueue:
    """Runs waiting for their turn, and the worker that trains them one at a time.

    Args:
        runs_dir: The folder of all runs.
        train: Trains one run to its end and records that in its directory.
    """

    def __init__(self, runs_dir: Path, *, train: Callable[..., None] = train_in_child) -> None:
        self.runs_dir = runs_dir
        self._name = uuid.uuid4().hex
        self._train = train
        self._lock = threading.Lock()  # between asking for a run's state and changing it
        self._added = threading.Condition(self._lock)
        self._waiting: dict[str, _Job] = {}  # by the run's name, in the order of their turns
        self._taken: _Job | None = None
        self._worker: threading.Thread | None = None

    def start_worker(self) -> None:
        """Start the worker thread, if none is at work."""
        with self._lock:
            self._start_worker()

    def _start_worker(self) -> None:
        if self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(target=self._work, daemon=True, name="agnews-worker")
            self._worker.start()

    def start(self, config: TrainConfig, *, by: Visitor, name: str | None = None, study: str = "") -> Run:
        """Make a run, of its own or a trial of a study, and put it at the end of the queue.

        Raises:
            ConfigError: The visitor may not train with these settings.
            RunError: Too many wait already, or the run cannot be made.
        """
        check_settings(config, by)
        with self._lock:
            self._check_room(by)
            run = create_run(self.runs_dir, config, name=name, owner=by.key, study=study)
            self._add(run, resume=False)
        return run

    def resume(self, name: str, *, by: Visitor) -> Run:
        """Put an interrupted, stopped or failed run at the end of the queue, to go on from its last checkpoint.

        Raises:
            RunError: There is no such run, it is another's or not in such a state, or too many wait already.
        """
        run = self._find(name, by, action="resume")
        with self._lock:
            run.check_resumable()
            self._check_room(by)
            self._add(run, resume=True)
        return run

    def stop(self, name: str, *, by: Visitor, keep: bool = True) -> RunStatus:
        """Ask a run to stop after its current step; a queued one leaves the queue at once, an ended one stays as it is.

        Args:
            name: The run's.
            by: Whoever asks.
            keep: Keep the best model so far; otherwise it is discarded.

        Raises:
            RunError: There is no such run, or it is another's.
        """
        run = self._find(name, by, action="stop")
        with self._lock:
            is_taken = name not in self._waiting and self.has_taken(run)
            status = run.stop(keep=keep, is_taken=is_taken)
            self._leave(run)
            return status

    def delete(self, name: str, *, by: Visitor) -> None:
        """Delete a run and all its files.

        Raises:
            RunError: There is no such run, it is another's, or it waits or is being trained.
        """
        run = self._find(name, by, action="delete")
        with self._lock:
            if run.read_status_or_damage().state in ACTIVE:
                raise RunError(f"The run {name} is still queued or training; stop it first.")
            self._leave(run)
            run.delete()

    def _find(self, name: str, by: Visitor, *, action: str) -> Run:
        run = find_run(self.runs_dir, name)
        check_owner(run, by, action=action)
        return run

    def _check_room(self, by: Visitor) -> None:
        if len(self._waiting) >= MAX_WAITING:
            raise RunError(f"{MAX_WAITING} runs are waiting already; stop one of them, or come back later.")
        if by.is_host:
            return
        if not by.key:
            raise RunError(
                "This browser keeps no cookie, so that nobody could stop the run; allow cookies, and reload the page."
            )
        jobs = [*self._waiting.values(), *filter(None, [self._taken])]
        if sum(job.owner == by.key for job in jobs) >= MAX_OF_A_VISITOR:
            raise RunError(
                f"{MAX_OF_A_VISITOR} of your runs wait or are being trained; stop one of them, or come back later."
            )
        if len(list_runs(self.runs_dir)) >= MAX_RUNS:
            raise RunError(f"This page keeps {MAX_RUNS} runs already; delete one of yours first.")

    def has_taken(self, run: Run) -> bool:
        """Return whether it is this run's turn."""
        return self._taken is not None and self._taken.run == run

    def _add(self, run: Run, *, resume: bool) -> None:
        self._leave(run)  # another program may have trained it while it waited here
        place = self._hold_place(run)
        run.clear_stop()
        before = run.read_status().state if resume else ""
        waits = {"state": "queued", "resumed_from": before, "reason": "", "ended_at": "", "phase": "preparing data"}
        if place is None:  # it was stopped from here, and goes on waiting for its turn in the other program's queue
            run.update_status(**waits)
            return
        stamp = datetime.now(UTC).isoformat(timespec="microseconds")
        status = run.update_status(queued_at=stamp, queue=self._name, **waits)
        self._waiting[run.name] = _Job(run, status.owner, resume, place)
        self._added.notify()
        if self._worker is not None:
            self._start_worker()  # whatever ended the last one

    def _hold_place(self, run: Run) -> FileLock | None:
        """Hold the run's place, anew or still: a training that has recorded its end takes a moment to be gone."""
        if self._taken is None or self._taken.run != run:
            return run.hold_place()
        self._taken.place.acquire()  # the lock counts: it is free once the worker has released it too
        return self._taken.place

    def _leave(self, run: Run) -> None:
        """Take a run out of the queue and free its place, if it waits here."""
        job = self._waiting.pop(run.name, None)
        if job is not None:
            job.place.release()

    def _work(self) -> None:
        while True:
            job = self._take()
            try:
                if _wants_turn(job.run):
                    self._train(job.run, resume=job.resume)
            except Exception:  # the worker's top: whatever it was, the run has it, and the next one gets its turn
                _record_failure(job.run)
            finally:
                with self._lock:
                    self._taken = None
                    job.place.release()

    def _take(self) -> _Job:
        with self._lock:
            self._added.wait_for(lambda: self._waiting)
            job = self._waiting.pop(next(iter(self._waiting)))
            self._taken = job
            return job


def _wants_turn(run: Run) -> bool:
    """Return whether a run still waits: another program may have stopped, deleted or resumed it."""
    try:
        return run.read_status().state == "queued"
    except RunError:  # deleted
        return False


def _record_failure(run: Run) -> None:
    logger.exception("The worker could not train run %s.", run.name)
    trace = traceback.format_exc()
    try:
        if run.read_status().state in (*ACTIVE, "interrupted"):
            run.end("failed", f"Training could not be started: {trace.splitlines()[-1][:300]}", trace=trace)
    except Exception:  # still the worker's top: a run that is gone or damaged must not keep the others from their turns
        logger.exception("Nor could that be recorded in %s.", run.path)
