"""How often a training evaluates, and on how many texts, so that evaluations take no more than their share of the time.

That is counted in passes of a text through a layer, and not measured: it is the same on every machine and after a resume, and so
are the loss curve and the best checkpoint. An evaluation goes forwards through the layers that are computed; training goes
backwards through the trained ones too, which takes at least as long again.
"""

import math

from agnews_core.config import TrainConfig
from agnews_core.news.counts import TextCounts
from agnews_core.runs.resolved import Evaluations

FEWEST_TEXTS = 500  # an accuracy near 90 % of fewer texts is known to 3 points at best
FEWEST = 5  # evaluations, as long as each has FEWEST_TEXTS: a curve, and something to choose a checkpoint from


def plan_evaluations(config: TrainConfig, texts: TextCounts, *, n_computed: int, n_trained: int) -> Evaluations:
    """Decide when a training evaluates, and on how many texts: first fewer times, then on fewer texts.

    An `eval_steps` other than the default is somebody's wish, and keeps the number of evaluations. Where plain texts count
    (`plain_weight`), each evaluation is on all of theirs too.

    Args:
        config: The settings.
        texts: Those to train and to validate on.
        n_computed: Layers that a text goes through in each pass.
        n_trained: Layers that gradients go back through.
    """
    n_steps, share = config.count_steps(texts.n_train), config.max_eval_seconds_share
    n_validation, n_plain = texts.n_validation, texts.n_plain_validation if config.plain_weight else 0
    every = config.count_eval_steps(n_steps)
    wanted = number = math.ceil(n_steps / every)
    n_texts, floor = n_validation, min(FEWEST_TEXTS, n_validation)
    training = n_steps * config.step_texts * (n_computed + n_trained) / n_computed  # in evaluated texts
    if share < 1:
        budget = int(training * share / (1 - share))
        if config.eval_steps == TrainConfig.model_fields["eval_steps"].default:
            # With fewer evaluations than its patience, early stopping could never act.
            least = max(FEWEST, config.early_stopping_patience + 1)
            number = min(wanted, max(budget // (n_validation + n_plain), min(least, budget // (floor + n_plain)), 1))
        n_texts = min(n_validation, max(budget // number - n_plain, floor))
    evaluated = number * (n_texts + n_plain)
    return Evaluations(
        every_steps=every if number == wanted else math.ceil(n_steps / number),
        n_texts=n_texts,
        n_available=n_validation,
        n_plain=n_plain,
        share=round(evaluated / (evaluated + training), 3),
    )


def describe(evaluations: Evaluations, config: TrainConfig, n_steps: int) -> str:
    """Describe what was decided, where it is not what the settings alone would say; else ""."""
    found = evaluations
    if found.share > config.max_eval_seconds_share:
        return (
            f"Evaluations come {found.describe(n_steps)} and take about {found.share:.0%} of the time, more than "
            f"`max_eval_seconds_share`; fewer than {FEWEST_TEXTS} texts would tell too little."
        )
    if found.n_texts < found.n_available or found.every_steps != config.count_eval_steps(n_steps):
        return (
            f"Evaluations come {found.describe(n_steps)}, so that they take about {found.share:.0%} of the time "
            "(`max_eval_seconds_share`); the end is evaluated in full."
        )
    return ""
