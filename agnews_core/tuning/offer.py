"""What a budget of time buys, in words, before anything is trained."""

from agnews_core.jobs.visitors import Visitor, check_settings, check_study_minutes
from agnews_core.training.resolve import check_ready
from agnews_core.tuning.budget import N_FINALS, Cost, choose_subset, estimate_cost
from agnews_core.tuning.start import Wanted, prepare


def describe_offer(wanted: Wanted, *, by: Visitor) -> str:
    """Return in a sentence how many trials there is time for, and on how many texts.

    Raises:
        ConfigError: There is not even time for one, or the visitor may not have as much, or the settings cannot be used.
        CheckpointError, DataError: The base model or the news cannot be had.
    """
    check_study_minutes(wanted.minutes, by)
    check_settings(wanted.config, by)
    check_ready(wanted.config)
    cost = estimate_cost(prepare(wanted.config))
    return describe_size(cost, choose_subset(cost, wanted.minutes), wanted.minutes)


def describe_size(cost: Cost, n_subset: int | None, minutes: float) -> str:
    """Return the same for a study's estimated cost and the texts that its search is on; None is all.

    >>> describe_size(Cost(full=60, comparison=20, n_train=727), None, 20)
    '20 minutes buy about 18 trials on all 727 training texts here, and the comparison of the best with your settings.'
    """
    seconds = 60 * minutes - cost.comparison - cost.full
    if n_subset is None:
        trials = f"{_count(seconds / cost.full)} on all {cost.n_train:,} training texts here"
    else:
        n_trials = (seconds - N_FINALS * cost.full) / cost.count(n_subset)
        trials = f"{_count(n_trials)} on {n_subset:,} of {cost.n_train:,} training texts here, the best again on all"
    return f"{minutes:g} minutes buy about {trials}, and the comparison of the best with your settings."


def _count(trials: float) -> str:
    n = max(int(trials), 1)
    return f"{n} trial{'' if n == 1 else 's'}"
