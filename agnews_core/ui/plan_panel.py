"""What a config would train, in words, put together of components. Pure functions."""

from markupsafe import Markup

from agnews_core.config import TrainConfig
from agnews_core.runs.presets import describe_settings
from agnews_core.training.assessment import Assessment
from agnews_core.ui.components import build_card, build_facts, build_hero, build_hints, build_notice

GUESS = "Time and memory are guesses from a short measurement of one layer on this machine."


def format_plan(assessment: Assessment, *, limit: int | None) -> Markup:
    """Format what would be trained, on what, and what it takes; or why it cannot be started."""
    missing = assessment.inputs.missing
    head = format_problem(missing) if missing else Markup('<p class="ready">Ready</p>')
    time = build_hero(assessment.estimate.time, "to train here")
    notes = build_hints((*assessment.inputs.notes, GUESS))
    return build_card(head, time, _format_size(assessment, limit), build_facts(assessment.facts), notes)


def _format_size(assessment: Assessment, limit: int | None) -> Markup:
    plan = assessment.plan
    share = plan.trainable_parameters / plan.total_parameters
    below = ""
    if limit is not None:  # a plan over its limit is refused
        below = f", {limit - plan.trainable_parameters:,} below the {limit:,}-parameter limit"
    return Markup('<p class="size"><b id="trainable">{}</b> trainable parameters, {} of {}{}</p>').format(
        f"{plan.trainable_parameters:,}", f"{share:.2%}", f"{plan.total_parameters:,}", below
    )


def format_problem(problem: str) -> Markup:
    """Format why a training with these settings could not be started."""
    return build_notice(problem, title="Not ready:", kind="bad")


def format_sentence(config: TrainConfig) -> Markup:
    """Format what a training would be with these settings."""
    return Markup("<p>Trains with {}. Change that under <b>Configure</b>.</p>").format(describe_settings(config))
