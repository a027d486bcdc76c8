"""The choice of a trained model, as the tabs that use one offer it."""

from pathlib import Path

import gradio as gr
from gradio.context import Context

from agnews_core.inference.catalogue import list_models
from agnews_core.ui.events import QUIET

DEFAULT = ""  # the choice of whoever makes none
MODEL_PARAMETER = "Which model answers: 'run/NAME' or 'bundled/NAME'; empty for the bundled one"
"""How the programs' interface describes it."""


def list_choices(runs_dir: Path) -> list[tuple[str, str]]:
    """Return (title, key) of the models, first the one to use by default, whichever that is."""
    models = list_models(runs_dir)
    if not models:
        return [("No trained model yet", DEFAULT)]
    return [(models[0].title, DEFAULT), *((model.title, model.key) for model in models[1:])]


def build_model_choice(runs_dir: Path) -> gr.Dropdown:
    """Build the choice of model; it looks for new models when page or tab are opened and whenever it is opened itself."""
    choice = gr.Dropdown(
        list_choices(runs_dir),
        value=DEFAULT,
        label="Model",
        info="In brackets: accuracy on validation texts.",
        scale=2,
        min_width=300,
    )
    gr.on(
        [Context.root_block.load, find_tab().select, choice.focus],
        lambda: gr.Dropdown(choices=list_choices(runs_dir)),
        outputs=choice,
        **QUIET,
    )
    return choice


def find_tab() -> gr.Tab:
    """Return the tab that is being laid out."""
    block = Context.block
    while not isinstance(block, gr.Tab):
        assert block is not None, "a choice of model stands in a tab"
        block = block.parent
    return block
