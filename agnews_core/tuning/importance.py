"""What mattered in a study, in sentences, and only as far as its trials bear it."""

import warnings

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from scipy.stats import ttest_ind

from agnews_core.tuning.proposals import build_optuna_study, quiet
from agnews_core.tuning.sentences import WORDS, format_value
from agnews_core.tuning.study import StudyStatus, Trial, Value

FEWEST_TRIALS = 10  # that came to their end
FEWEST_ON_A_SIDE = 4
N_SHUFFLES = 20  # none of which may look as important: chance makes it look so once in 20 times
NOTHING = 0.005  # of accuracy: less is no difference worth a setting
N_TREES = 32


def describe_importance(status: StudyStatus) -> tuple[str, ...]:
    """Describe what mattered most, what more or less of a setting did, and what did nothing."""
    ended = [trial for trial in status.searched if trial.state == "finished" and trial.score is not None]
    if len(ended) < FEWEST_TRIALS:
        return (
            f"What mattered cannot be told from {len(ended)} trials that came to their end; {FEWEST_TRIALS} might do.",
        )
    with quiet():
        most = _find_most_important(status)
    first = (f"{_begin(most)} mattered most.",) if most else ()
    level = 1 - 0.05 / len(status.space)  # of as many sentences, one is seldom false (Bonferroni)
    rest = tuple(filter(None, (_compare_sides(name, ended, level=level) for name in status.space)))
    return first + rest or (f"What mattered cannot be told from {len(ended)} trials: none of the settings stands out.",)


def _find_most_important(status: StudyStatus) -> str:
    """Return the setting that explains most of how the scores differ, if chance seldom makes one look so; else ""."""
    study = build_optuna_study(status)
    found = _compute_importances(study)
    name = max(found, key=lambda other: found[other])
    trials = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    values, draw = np.array([trial.value for trial in trials], dtype=float), np.random.default_rng(0)
    chance = [
        max(_compute_importances(_give_values(trials, draw.permutation(values))).values()) for _ in range(N_SHUFFLES)
    ]
    return name if found[name] > max(chance) else ""


def _compute_importances(study: optuna.Study) -> dict[str, float]:
    evaluator = FanovaImportanceEvaluator(n_trees=N_TREES, seed=0)
    with warnings.catch_warnings(action="ignore"):  # of its being experimental
        return get_param_importances(study, evaluator=evaluator, normalize=False)


def _give_values(trials: list[optuna.trial.FrozenTrial], values: NDArray[np.float64]) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    for trial, value in zip(trials, values, strict=True):
        study.add_trial(
            optuna.trial.create_trial(params=trial.params, distributions=trial.distributions, value=float(value))
        )
    return study


def _compare_sides(name: str, trials: list[Trial], *, level: float) -> str:
    """Describe whether more or less of a setting was better, or made no difference; "" where the trials bear neither."""
    scores = np.array([trial.score for trial in trials], dtype=float)
    upper, names = _cut_in_two([trial.params[name] for trial in trials])
    if min(upper.sum(), (~upper).sum()) < FEWEST_ON_A_SIDE:
        return ""
    ahead = ttest_ind(scores[upper], scores[~upper], equal_var=False).confidence_interval(level)
    if ahead.low > 0 or ahead.high < 0:
        better, worse = names if ahead.low > 0 else names[::-1]
        high, low = (scores[side].mean() for side in ((upper, ~upper) if ahead.low > 0 else (~upper, upper)))
        return f"{_begin(name)} {better} did better than {worse}: {high:.1%} on average, against {low:.1%}."
    if ahead.low > -NOTHING and ahead.high < NOTHING:
        return f"{_begin(name)} {names[0]} did nothing beside {names[1]}."
    return ""


def _cut_in_two(values: list[Value]) -> tuple[NDArray[np.bool_], tuple[str, str]]:
    """Return which trials have more of a setting than the middle one, or the other word, and what the two sides are called."""
    if isinstance(values[0], str):
        own, *others = sorted(set(values), key=str)
        return np.array([value != own for value in values]), (" or ".join(map(str, others)), str(own))
    numbers = np.array(values, dtype=float)
    middle = float(np.median(numbers))
    return numbers > middle, (f"above {format_value(middle)}", f"{format_value(middle)} or less")


def _begin(name: str) -> str:
    words = WORDS.get(name, name)
    return words[0].upper() + words[1:]
