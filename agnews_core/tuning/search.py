"""Carries out a study: has trials trained one after the other, gives up the hopeless ones, and ends with a verdict.

A trial is trained by a queue of runs, the command line's or the page's; all that is known of it comes from its run's directory.
What is decided next depends on study.json and the time that is left alone, so that a study can be killed at any moment and go on.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from agnews_core.errors import AgNewsError, ConfigError, RunError
from agnews_core.jobs.queue import JobQueue
from agnews_core.jobs.visitors import Visitor, check_settings
from agnews_core.runs import now
from agnews_core.training.resolve import check_ready
from agnews_core.tuning.budget import N_FINALS, estimate_comparison, predict_rest, predict_seconds
from agnews_core.tuning.importance import describe_importance
from agnews_core.tuning.proposals import is_hopeless, propose
from agnews_core.tuning.space import Params, apply, read_params
from agnews_core.tuning.study import Stage, Study, StudyState, StudyStatus, Trial, find_best
from agnews_core.tuning.verdict import find_preset, reach_verdict
from agnews_core.tuning.watch import TrialWatch, open_run

LOOK_SECONDS = 0.25
STOPPED = "The study was stopped."
MOST_FAILURES = 3  # in a row
MOST_ATTEMPTS = 50  # to propose what the settings allow

Tell = Callable[[StudyStatus, Trial], None]


def run_study(study: Study, queue: JobQueue, *, by: Visitor, tell: Tell | None = None) -> StudyStatus:
    """Carry out a study, or go on with it, until it is at its end or asked to stop.

    A request to stop that is there already is obeyed; who goes on with a stopped study withdraws it (`Study.clear_stop`).

    Args:
        study: Made by `begin_study`.
        queue: Trains the runs; its worker must have been started.
        by: Who owns them.
        tell: Told of each trial that has ended.

    Raises:
        RunError: Another process carries it out, trial after trial failed, or the disk is full; study.json has the reason.
    """
    with study.own():
        search = _Search(study, queue, by, tell or (lambda status, trial: None))
        try:
            return search.carry_out()
        except AgNewsError as error:
            search.end("failed", str(error))
            raise
        except OSError as error:
            reason = study.find_full_disk() or f"The study {study.name} cannot be written: {error.strerror}."
            search.end("failed", reason)
            raise RunError(reason) from error


class _Search:
    """A study while this process carries it out."""

    def __init__(self, study: Study, queue: JobQueue, by: Visitor, tell: Tell) -> None:
        self._study, self._queue, self._by, self._tell = study, queue, by, tell
        self._status = study.read()
        self._looked_at = time.monotonic()

    def carry_out(self) -> StudyStatus:
        """Train trial after trial, and reach a verdict."""
        self._study.reserve()
        self._write(state="running", reason="", ended_at="", verdict=None, findings=())
        while not self._study.read_stop() and (trial := self._choose_next()):
            self._write_trial(trial)
            ended = self._train(trial)
            self._write_trial(ended)
            if ended.has_ended:
                self._tell(self._status, ended)
            self._check_failures()
        if self._study.read_stop():
            return self.end("stopped", "Stopped; what there is was kept.")
        return self._conclude()

    def _conclude(self) -> StudyStatus:
        verdict, findings = reach_verdict(self._study, self._status), describe_importance(self._status)
        self._lap()
        self._write(verdict=verdict, findings=findings)
        return self.end("finished", "" if verdict else self._explain_no_verdict())

    def _explain_no_verdict(self) -> str:
        preset = find_preset(self._status)
        if preset is None:
            return f"There is nothing to compare with: {self._status.trials[0].reason}"
        seconds = 2.4 * preset.seconds + estimate_comparison(self._status.config)
        return (
            f"The preset took so long that no other trial came to its end; {math.ceil(seconds / 60)} minutes might do."
        )

    def end(self, state: StudyState, reason: str) -> StudyStatus:
        """Record how the study ended."""
        self._study.release_reserve()
        with suppress(OSError):  # a full disk still; the study then reads as interrupted
            self._write(state=state, reason=reason, ended_at=now())
        return self._status

    def _choose_next(self) -> Trial | None:
        """Return the trial that is under way, or the next one that there is time for, or None."""
        status = self._status
        if status.trials and not status.trials[-1].has_ended:
            return status.trials[-1]
        preset = read_params(status.config)
        if not status.trials:
            return self._build("preset", {name: preset[name] for name in status.space}, status.config.max_train_samples)
        if not any(trial.stage == "final" for trial in status.trials):
            trial = self._build_search()
            if trial and self._has_time(trial):
                return trial
        trial = self._build_final()
        return trial if trial and self._has_time(trial) else None

    def _build_search(self) -> Trial | None:
        """Build the next trial of the search: on a part of the texts the preset's settings first, then what is proposed."""
        status = self._status
        n_before = sum(trial.stage == "search" for trial in status.trials)
        if status.max_trials is not None and n_before >= status.max_trials:
            return None
        if status.n_subset and not n_before:
            return self._build("search", status.trials[0].params, status.n_subset)
        for attempt in range(MOST_ATTEMPTS):
            params = propose(status, attempt=attempt)
            with suppress(ConfigError):  # it has more trainable parameters, or takes longer, than is allowed
                check_ready(config := apply(status.config, params))
                check_settings(config, self._by)
                return self._build("search", params, status.n_subset or status.config.max_train_samples)
        return None

    def _build_final(self) -> Trial | None:
        """Build the next trial of the best on a part of the texts, again on all."""
        status = self._status
        finals = [trial for trial in status.trials if trial.stage == "final"]
        if not status.n_subset or len(finals) >= N_FINALS:
            return None
        done = [status.trials[0].params, *(trial.params for trial in finals)]
        best = find_best([trial for trial in status.searched if trial.params not in done])
        if best is None:
            return None
        return self._build("final", best.params, status.config.max_train_samples, repeats=best.number)

    def _build(self, stage: Stage, params: Params, n_texts: int | None, *, repeats: int | None = None) -> Trial:
        number = len(self._status.trials) + 1
        run = f"{self._study.name}-{number:02d}"
        return Trial(number=number, run=run, stage=stage, params=params, max_train_samples=n_texts, repeats=repeats)

    def _has_time(self, trial: Trial) -> bool:
        self._lap()
        return self._seconds_left() >= predict_seconds(self._status, trial) + self._count_rest(trial)

    def _seconds_left(self) -> float:
        return 60 * self._status.minutes - self._status.spent_seconds

    def _train(self, trial: Trial) -> Trial:
        """Have a trial trained, and return it as it ended; "waiting" where it is to go on another time."""
        config = apply(self._status.config, trial.params).model_copy(
            update={"max_train_samples": trial.max_train_samples}
        )
        run = open_run(self._queue, trial, config, study=self._study.name, by=self._by)
        watch = TrialWatch(trial, run)
        while watch.look():
            self._lap(watch)
            has_news = watch.differs_from(self._status.trials[-1])
            if has_news:
                self._write_trial(watch.trial)
            if not watch.why and (why := self._find_reason_to_stop(watch.trial, has_news=has_news)):
                watch.stop(self._queue, by=self._by, why=why, keep=why == STOPPED)
            time.sleep(LOOK_SECONDS)
        self._lap(watch)
        ended = watch.conclude()
        is_to_be_resumed = ended.state == "failed" and self._study.find_full_disk()
        return ended.model_copy(update={"state": "waiting"}) if is_to_be_resumed else ended

    def _find_reason_to_stop(self, trial: Trial, *, has_news: bool) -> str:
        if self._study.read_stop():
            return STOPPED
        if self._seconds_left() < self._count_rest(trial):
            return "There was no time left for it."
        if trial.stage == "search" and has_news and is_hopeless(self._status, trial):
            return "It was among the worse half."
        return ""

    def _count_rest(self, trial: Trial) -> float:
        """Return how many seconds must be left when a trial has ended."""
        match trial.stage:
            case "preset":
                return 0.0
            case "search":
                return predict_rest(self._status)
            case "final":
                return estimate_comparison(self._status.config)

    def _lap(self, watch: TrialWatch | None = None) -> None:
        """Add the time since the last lap to what the study, and a trial, have taken; but for a run's wait in the queue."""
        seconds, self._looked_at = time.monotonic() - self._looked_at, time.monotonic()
        if watch is None or watch.is_trained(self._queue):
            self._status = self._status.model_copy(update={"spent_seconds": self._status.spent_seconds + seconds})
            if watch:
                watch.add_seconds(seconds)

    def _write_trial(self, trial: Trial) -> None:
        self._status = self._status.replace_trial(trial)
        self._write()

    def _write(self, **changes: Any) -> None:
        self._status = self._status.model_copy(update=changes)
        self._study.write(self._status)

    def _check_failures(self) -> None:
        """Raise what the last trials failed with, if there is no use in going on.

        Raises:
            RunError: The disk is full, or several trials in a row failed.
        """
        if full := self._study.find_full_disk():
            raise RunError(full)
        last = self._status.trials[-MOST_FAILURES:]
        if len(last) == MOST_FAILURES and all(trial.state == "failed" for trial in last):
            raise RunError(f"{MOST_FAILURES} trials failed one after the other, the last one so: {last[-1].reason}")
