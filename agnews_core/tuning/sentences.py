"""A study's trials in words. It loads nothing heavy."""

from agnews_core.tuning.study import StudyStatus, Trial, Value

WORDS = {
    "learning_rate": "learning rate",
    "num_train_epochs": "epochs",
    "layers": "trained layers",
    "rank": "rank",
    "alpha_per_rank": "alpha per rank",
    "lora_dropout": "LoRA dropout",
    "label_smoothing_factor": "label smoothing",
    "pooling": "pooling",
    "layer_lr_decay": "decay of the learning rate by layer",
    "average_last": "share of the steps that is averaged",
}
"""What each thing searched is called, in the order in which they are shown."""


def format_value(value: Value) -> str:
    """Format what was searched, without digits that mean nothing.

    >>> format_value(0.00070123), format_value("mean")
    ('0.000701', 'mean')
    """
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def describe_params(status: StudyStatus, trial: Trial) -> str:
    """Return how a trial differs from the preset's, which is the first one."""
    if trial.stage == "preset":
        return f"the preset {status.preset}"
    preset = status.trials[0].params
    other = [f"{WORDS[name]} {format_value(value)}" for name, value in trial.params.items() if value != preset[name]]
    return ", ".join(other) or f"as the preset {status.preset}"


def describe_trial(status: StudyStatus, trial: Trial) -> str:
    """Return a trial that has ended in one line."""
    texts = (
        "all texts"
        if trial.max_train_samples == status.config.max_train_samples
        else f"{trial.max_train_samples:,} texts"
    )
    again = f" (trial {trial.repeats} again)" if trial.repeats else ""
    score = f"{trial.score:.1%}" if trial.score is not None else f"{trial.state}: {trial.reason.rstrip('.')}"
    best = status.best
    so_far = f"; best so far {best.score:.1%} (trial {best.number})" if best and best.score is not None else ""
    what = f"Trial {trial.number}{again}, {texts}, {trial.seconds:.0f} s: {describe_params(status, trial)}"
    return f"{what}. {score}{so_far}"


def describe_best(status: StudyStatus) -> str:
    """Return the best trial so far in a sentence."""
    best = status.best
    if best is None or best.score is None:
        return "No trial has come to its end."
    weight = status.config.plain_weight
    correct = (
        f"its score on the texts to choose on is {best.score:.1%}, where plain ones count {weight:g}"
        if weight
        else f"{best.score:.1%} of the validation texts to choose on are classified correctly"
    )
    return f"The best so far is trial {best.number} (run {best.run}), {describe_params(status, best)}: {correct}."
