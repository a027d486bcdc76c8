"""What a config would train, in words and a little HTML. Pure functions."""

import html

from agnews_core.config import TrainConfig
from agnews_core.runs.presets import describe_settings
from agnews_core.training.assessment import Assessment


def format_plan(assessment: Assessment, *, limit: int | None) -> str:
    """Format what would be trained, on what, and what it takes; or why it cannot be started."""
    plan, inputs = assessment.plan, assessment.inputs
    share = plan.trainable_parameters / plan.total_parameters
    below = _format_limit(plan.trainable_parameters, limit)
    rows = "".join(f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>" for name, value in assessment.facts)
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
