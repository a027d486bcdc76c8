"""What a config would train, in words and a little HTML. Pure functions."""

import html

from agnews_core.config import TrainConfig
from agnews_core.runs.presets import describe_settings
from agnews_core.training.assessment import Assessment, Estimate


def format_plan(assessment: Assessment, *, limit: int | None) -> str:
    """Format what would be trained, on what, and what it takes; or why it cannot be started."""
    plan, estimate, inputs = assessment.plan, assessment.estimate, assessment.inputs
    share = plan.trainable_parameters / plan.total_parameters
    below = _format_limit(plan.trainable_parameters, limit)
    facts = [
        ("Base model", f"{plan.backbone}, {plan.n_layers} layers"),
        ("LoRA and head", f"{plan.lora_parameters:,} + {plan.head_parameters:,}"),
        ("Texts", f"{inputs.n_train:,}, and {inputs.n_validation:,} to validate"),
        ("Steps", f"{estimate.n_steps:,}"),
        ("Time here", f"{format_range(estimate)} on the {_format_device(estimate)}"),
        ("Memory", f"{estimate.bytes_low / 2**30:.1f} to {estimate.bytes_high / 2**30:.1f} GiB"),
    ]
    rows = "".join(f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts)
    notes = "".join(f'<p class="hint">{html.escape(note)}</p>' for note in inputs.notes)
    ready = format_problem(inputs.missing) if inputs.missing else '<p class="ready ready-yes">Ready</p>'
    return (
        f'{ready}<p class="big"><strong id="trainable">{plan.trainable_parameters:,}</strong> trainable parameters, '
        f"{share:.2%} of {plan.total_parameters:,}</p>{below}<dl class='facts'>{rows}</dl>{notes}"
        '<p class="hint">Time and memory are guesses from a short measurement of one layer on this machine.</p>'
    )


def format_problem(problem: str) -> str:
    """Format why a training with these settings could not be started."""
    return f'<p class="ready ready-no">Not ready: {html.escape(problem)}</p>'


def _format_limit(n_parameters: int, limit: int | None) -> str:
    if limit is None:  # a plan over its limit is refused
        return ""
    return f'<p class="budget">{limit - n_parameters:,} below the {limit:,}-parameter limit</p>'


def format_sentence(config: TrainConfig) -> str:
    """Format what a training would be with these settings."""
    return f"<p>Trains with {html.escape(describe_settings(config))}. Change that under <b>Configure</b>.</p>"


def format_range(estimate: Estimate) -> str:
    """Format a range of time in one unit, without digits that a guess does not have.

    >>> format_range(Estimate(250, 550, 0, 0, 1, "cpu", "fp32"))
    '4 to 9 min'
    """
    low, high = estimate.seconds_low, estimate.seconds_high
    seconds, unit = (1, "s") if high < 120 else (60, "min") if high < 7200 else (3600, "h")
    return f"{_round(low / seconds)} to {_round(high / seconds)} {unit}"


def _round(number: float) -> str:
    """Return two digits at most: 0.3, 4, 35, 120."""
    if number < 10:
        return f"{max(number, 0.1):.1g}"
    return f"{round(number, -1) if number >= 100 else round(number):.0f}"


def _format_device(estimate: Estimate) -> str:
    return f"{'GPU' if estimate.device == 'cuda' else 'CPU'} ({estimate.precision})"
