"""One trial's run: started or gone on with, followed in its directory, and what became of it."""

from dataclasses import dataclass, field

from agnews_core.config import TrainConfig
from agnews_core.evaluation.metrics import compute_score
from agnews_core.jobs.queue import JobQueue
from agnews_core.jobs.visitors import Visitor
from agnews_core.runs import ACTIVE, Run, RunResult
from agnews_core.runs.resolved import Evaluations
from agnews_core.runs.snapshot import Snapshot, take_snapshot
from agnews_core.tuning.study import Trial


def open_run(queue: JobQueue, trial: Trial, config: TrainConfig, *, study: str, by: Visitor) -> Run:
    """Start a trial's run, or go on with it where an earlier part of the study has begun it.

    Raises:
        ConfigError: The visitor may not train with these settings.
        RunError: It cannot be made, or too many runs wait already.
    """
    run = Run(queue.runs_dir / trial.run)
    if not run.exists():
        return queue.start(config, by=by, name=trial.run, study=study)
    return queue.resume(trial.run, by=by) if run.can_resume(run.read_status_or_damage().state) else run


@dataclass
class TrialWatch:
    """A trial and the run that it is, looked at until that has ended. `why` it was asked to stop from here, if it was."""

    trial: Trial
    run: Run
    why: str = ""
    keep: bool = False
    _seen: Snapshot | None = field(default=None, repr=False)

    def is_trained(self, queue: JobQueue) -> bool:
        """Return whether the run no longer waits for its turn."""
        return queue.has_taken(self.run) or (self._seen is not None and self._seen.status.state != "queued")

    def add_seconds(self, seconds: float) -> None:
        """Add to the time that the trial has taken."""
        self.trial = self.trial.model_copy(update={"seconds": self.trial.seconds + seconds})

    def differs_from(self, trial: Trial) -> bool:
        """Return whether there is more to record than time."""
        return (self.trial.state, self.trial.curve) != (trial.state, trial.curve)

    def look(self) -> bool:
        """Read what is new of the run, and return whether it goes on."""
        if not self.run.exists():
            self._seen = None
            return False
        self._seen = take_snapshot(self.run, self._seen)
        self.trial = _read_progress(self.trial, self._seen)
        # A training that was killed has the queue's lock until that has recorded its death.
        return self._seen.status.state in ACTIVE or (self._seen.status.state == "interrupted" and self.run.has_place())

    def stop(self, queue: JobQueue, *, by: Visitor, why: str, keep: bool) -> None:
        """Ask the run to stop, and remember why."""
        self.why, self.keep = why, keep
        queue.stop(self.run.name, by=by, keep=keep)

    def conclude(self) -> Trial:
        """Return the trial as its run ended; one that was stopped to be kept waits."""
        if self._seen is None or not self.run.exists():
            return self._end("pruned", "Its run was deleted.")
        status = self._seen.status
        if status.state == "finished":
            score = _compute_score(self.run, status.result) if status.result else None
            if score is None:
                return self._end("failed", "It was never evaluated.")
            return self.trial.model_copy(update={"state": "finished", "score": score})
        if status.state == "stopped":
            if self.keep:
                return self.trial.model_copy(update={"state": "waiting"})
            return self._end("pruned", self.why or "Its run was stopped by hand.")
        return self._end("failed", status.reason or f"Its run is {status.state}.")

    def _end(self, state: str, reason: str) -> Trial:
        return self.trial.model_copy(update={"state": state, "reason": reason})


def _compute_score(run: Run, result: RunResult) -> float | None:
    """Return what a finished run is judged by: its model's accuracy, and that on plain texts where these count."""
    weight = run.read_config().plain_weight
    if not weight or result.eval_accuracy is None or result.eval_plain_accuracy is None:
        return result.eval_accuracy
    return compute_score(result.eval_accuracy, result.eval_plain_accuracy, plain_weight=weight)


def _count_scored(run: Run, evaluations: Evaluations) -> int:
    """Return how many texts of one kind an evaluation's score is as sure as an accuracy of."""
    weight = run.read_config().plain_weight
    if not weight:
        return evaluations.n_texts
    return round(1 / ((1 - weight) ** 2 / evaluations.n_texts + weight**2 / evaluations.n_plain))


def _read_progress(trial: Trial, seen: Snapshot) -> Trial:
    """Return a trial with what its run has recorded."""
    metrics = seen.metrics
    steps, scores = (metrics.eval_score if metrics.eval_score.n else metrics.eval_accuracy).points
    n_steps, evaluations = seen.status.max_steps, seen.evaluations
    curve = tuple((round(100 * step / n_steps), score) for step, score in zip(steps, scores, strict=True) if n_steps)
    return trial.model_copy(
        update={
            "state": "running" if seen.status.state == "running" else trial.state,
            "curve": curve,
            "n_scored": _count_scored(seen.run, evaluations) if evaluations else 0,
        }
    )
