"""What a study's time allows: estimated before anything is trained, measured by the trials that have ended."""

import functools
import math
import statistics
from dataclasses import dataclass

from agnews_core.config import TrainConfig
from agnews_core.errors import ConfigError
from agnews_core.models.lora import plan
from agnews_core.news.splits import load_news
from agnews_core.news.tokens import count_validation_tokens
from agnews_core.training.estimate import assess, probe_layers
from agnews_core.training.resolve import resolve
from agnews_core.tuning.space import apply
from agnews_core.tuning.study import StudyStatus, Trial

ENOUGH_TRIALS = 12  # where fewer would fit on all texts, the search is on a part of them
N_FINALS = 3  # of the best on a part, again on all
FEWEST_TEXTS = 1000  # of a part; fewer tell too little of what is good on all
START_SECONDS = 8.0  # libraries, news, weights: what each training takes that does not grow with its texts
MODEL_SECONDS = 6.0  # to load and compile a model


@dataclass(frozen=True)
class Cost:
    """Seconds that a study's parts take; `n_train` texts are trained on in full."""

    full: float
    comparison: float
    n_train: int

    def count(self, n_texts: int) -> float:
        """Return what a training with the preset's other settings takes on fewer texts."""
        share = min(n_texts / self.n_train, 1.0)
        return START_SECONDS + max(self.full - START_SECONDS, 0.0) * share


def estimate_cost(config: TrainConfig) -> Cost:
    """Estimate what a training with these settings takes, and the comparison of two on the texts held out."""
    return Cost(estimate_seconds(config), estimate_comparison(config), assess(config).inputs.n_train)


def choose_subset(cost: Cost, minutes: float) -> int | None:
    """Return how many texts the search trains on so that a budget of time has room for it; None is all.

    Raises:
        ConfigError: There is not even time for one trial, and how much would do.
    """
    smallest = min(FEWEST_TEXTS, cost.n_train)
    is_small = cost.n_train * 0.7 <= smallest
    least = 2 * cost.full + cost.comparison + (0.0 if is_small else cost.count(smallest))
    seconds = 60 * minutes
    if seconds < least:
        raise ConfigError(
            f"{minutes:g} minutes are too few to tune: the preset and one trial, trained on {cost.n_train:,} texts, and their "
            f"comparison take about {math.ceil(least / 60)} minutes here. Give {math.ceil(1.2 * least / 60)} minutes, or lower "
            "`max_train_samples`."
        )
    if is_small or seconds >= ENOUGH_TRIALS * cost.full + cost.comparison:
        return None
    finals = min(N_FINALS, max(1, int((seconds / 2 - cost.comparison) / cost.full) - 1))
    for_search = seconds - (1 + finals) * cost.full - cost.comparison
    share = (for_search / ENOUGH_TRIALS - START_SECONDS) / max(cost.full - START_SECONDS, 1.0)
    n_texts = max(smallest, int(share * cost.n_train))
    return n_texts if n_texts < 0.7 * cost.n_train else None


def predict_seconds(status: StudyStatus, trial: Trial) -> float:
    """Return what a trial will take, by what the trials before it took beside what was estimated for them."""
    ended = [other for other in status.trials if other.state == "finished" and other.seconds]
    like = [other for other in ended if other.max_train_samples == trial.max_train_samples] or ended
    ratio = statistics.median([other.seconds / _estimate(status, other) for other in like]) if like else 1.0
    return ratio * _estimate(status, trial)


def predict_rest(status: StudyStatus) -> float:
    """Return what is still to come after the search: finals, if it was on a part of the texts, and the comparison."""
    finals = 0.0
    if status.n_subset and not any(trial.stage == "final" for trial in status.trials):
        preset = next((trial for trial in status.trials if trial.stage == "preset"), None)
        finals = predict_seconds(status, preset) if preset else estimate_seconds(status.config)
    return finals + estimate_comparison(status.config)


def _estimate(status: StudyStatus, trial: Trial) -> float:
    config = apply(status.config, trial.params).model_copy(update={"max_train_samples": trial.max_train_samples})
    seconds = estimate_seconds(config)
    earlier = (other for other in status.trials[: trial.number - 1] if other.state == "finished")
    return seconds - (_estimate_fill(config) if any(_shares_store(other, trial) for other in earlier) else 0.0)


def _shares_store(one: Trial, other: Trial) -> bool:
    """Return whether two trials read the same frozen layers, which the first of them computed."""
    return one.max_train_samples == other.max_train_samples and one.params.get("layers") == other.params.get("layers")


def estimate_seconds(config: TrainConfig) -> float:
    """Return the middle of what a training is estimated to take."""
    low, high, _ = _estimate_range(config.model_dump_json())
    return (low + high) / 2


def estimate_comparison(config: TrainConfig) -> float:
    """Return what it takes to load two models and have them classify the texts held out."""
    return _estimate_comparison(config.model_dump_json())


def _estimate_fill(config: TrainConfig) -> float:
    return _estimate_range(config.model_dump_json())[2]


@functools.lru_cache(maxsize=1024)
def _estimate_range(config_json: str) -> tuple[float, float, float]:
    estimate = assess(TrainConfig.model_validate_json(config_json)).estimate
    return estimate.seconds_low, estimate.seconds_high, estimate.fill_seconds


@functools.lru_cache(maxsize=16)
def _estimate_comparison(config_json: str) -> float:
    config = TrainConfig.model_validate_json(config_json)
    resolved = resolve(config, missing=[])
    config = resolved.apply_to(config)
    counts = load_news(config).counts
    n_plain = counts.n_plain_validation + counts.n_plain_holdout if config.plain_weight else 0
    n_tokens = count_validation_tokens(config, counts.n_holdout, n_plain)
    of_token = probe_layers(config, resolved).count_answer_seconds(plan(config).n_layers, resolved.engine)
    return 2 * (MODEL_SECONDS + n_tokens * of_token)
