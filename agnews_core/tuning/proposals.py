"""What to try next, and what to give up: Optuna, asked with all that a study knows so far.

Its study is made anew each time from the trials in study.json, and seeded by their number: a study that was killed and goes on
is told the same as one that was not.
"""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.pruners import SuccessiveHalvingPruner
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import TrialState

from agnews_core.tuning.space import Params, round_value
from agnews_core.tuning.study import StudyStatus, Trial

FIRST_RUNG_PERCENT, REDUCTION_FACTOR = 20, 2  # the better half goes on at 20, 40 and 80 % of its steps
FEWEST_TO_JUDGE = 3  # trials that came to their end before one is given up; Optuna would have the second beat the first
N_RANDOM = 6  # trials before what they gave is learned from


def write_space(space: dict[str, BaseDistribution]) -> dict[str, dict[str, Any]]:
    """Return a space as study.json has it."""
    return {name: json.loads(distribution_to_json(distribution)) for name, distribution in space.items()}


def read_space(status: StudyStatus) -> dict[str, BaseDistribution]:
    """Return a study's space."""
    return {name: json_to_distribution(json.dumps(value)) for name, value in status.space.items()}


def propose(status: StudyStatus, *, attempt: int = 0) -> Params:
    """Return what to try next; another attempt is another proposal."""
    with quiet():
        study = build_optuna_study(status)
        number = len(status.trials) + 1000 * attempt
        study.sampler = TPESampler(
            n_startup_trials=N_RANDOM, multivariate=True, seed=(status.config.seed + number) % 2**32
        )
        asked = study.ask(read_space(status))
    return {name: round_value(value) for name, value in asked.params.items()}


def is_hopeless(status: StudyStatus, trial: Trial) -> bool:
    """Return whether a trial is among the worse half at some point of its way, beyond what its few texts can tell.

    Trials are compared at the same share of their steps: with a learning rate that falls to the end, the same number of steps
    would favour the short ones.
    """
    if sum(other.state == "finished" for other in status.searched) < FEWEST_TO_JUDGE:
        return False
    with quiet():
        study = build_optuna_study(status, without=trial.number)
        return _replay(study, read_space(status), trial)[1]


def build_optuna_study(status: StudyStatus, *, without: int | None = None) -> optuna.Study:
    """Build Optuna's study of the trials that have ended, but for one; those that failed tell nothing."""
    pruner = SuccessiveHalvingPruner(min_resource=FIRST_RUNG_PERCENT, reduction_factor=REDUCTION_FACTOR)
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0), pruner=pruner)
    space = read_space(status)
    for trial in status.searched:
        if trial.number != without and trial.state in ("finished", "pruned") and trial.curve:
            asked, _ = _replay(study, space, trial)
            if trial.state == "finished":
                study.tell(asked, trial.score)
            else:
                study.tell(asked, state=TrialState.PRUNED)
    return study


def _replay(study: optuna.Study, space: dict[str, BaseDistribution], trial: Trial) -> tuple[optuna.Trial, bool]:
    """Tell Optuna's study a trial's way, and return whether its pruner would have ended it there."""
    study.enqueue_trial(trial.params)
    asked = study.ask(space)
    is_over = False
    for percent, score in trial.curve:
        asked.report(_round_to_noise(score, trial.n_scored), percent)
        is_over |= asked.should_prune()
    return asked, is_over


def _round_to_noise(score: float, n: int) -> float:
    """Return a score in whole standard errors of a share of n texts near 90 %; equal ones are treated alike."""
    error = math.sqrt(0.9 * 0.1 / max(n, 1))
    return round(score / error) * error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from logging each trial on its own."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
