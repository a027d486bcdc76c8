"""The choice of a trained model, as the tabs that use one offer it, and as a browser keeps it.

What answers unless a person chooses is the bundled model. A choice is kept in that person's browser alone, for Classify and
Predict, and holds through a reload and through another start of the program.
"""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context

from agnews_core.inference.catalogue import list_models
from agnews_core.jobs.visitors import Visitor
from agnews_core.ui.events import PRIVATE, QUIET
from agnews_core.ui.visitor import find_current_visitor

DEFAULT = ""  # the choice of whoever makes none
MODEL_PARAMETER = "Which model answers: 'run/NAME' or 'bundled/NAME'; empty for the bundled one"
"""How the programs' interface describes it."""
HINT = "In brackets: accuracy on validation texts."
GONE = "The model that you chose is gone; this one answers until you choose another."
KEEP_CHOICE = "(key) => ({model: key})"
Choices = list[tuple[str, str]]


def build_kept_choice() -> gr.BrowserState:
    """Build what keeps a visitor's choice in the browser, to be passed to whoever offers one or reads it.

    Its value is {"model": KEY}: gradio stores nothing that is false, so that a bare "" could not take a key's place. What gradio
    stores it encrypts; the secret is no secret, only the same after each start.
    """
    return gr.BrowserState({"model": DEFAULT}, storage_key="agnews-model", secret="agnews-model")


def read_kept(kept: object) -> str:
    """Return the key that a browser keeps; what this page never stored is no choice.

    >>> read_kept({"model": "run/first"}), read_kept([1])
    ('run/first', '')
    """
    key = kept.get("model") if isinstance(kept, dict) else None
    return key if isinstance(key, str) else DEFAULT


def list_choices(runs_dir: Path) -> Choices:
    """Return (title, key) of the models, first the one to use by default, whichever that is."""
    models = list_models(runs_dir)
    if not models:
        return [("No trained model yet", DEFAULT)]
    return [(models[0].title, DEFAULT), *((model.title, model.key) for model in models[1:])]


def list_teachers(runs_dir: Path, by: Visitor) -> Choices:
    """Return (title, what the setting `teachers` has) of the models that a run of a visitor's may learn from.

    Adapters in folders, as the bundled one, may teach the host's runs alone.
    """
    models = [model for model in list_models(runs_dir) if model.is_whole]
    of_runs = [(model.title, model.run.name) for model in models if model.run]
    of_folders = [(model.title, str(model.adapter_dir)) for model in models if model.is_bundled and by.is_host]
    return [*of_runs, *of_folders]


def offer_teachers(teachers: gr.Dropdown, runs_dir: Path) -> None:
    """Keep the choices of the setting `teachers` up to date; what it holds stays, whether it is among them or not."""
    gr.on(
        [Context.root_block.load, *find_selects(), teachers.focus],
        lambda: gr.Dropdown(choices=list_teachers(runs_dir, find_current_visitor()), multiselect=True),
        outputs=teachers,
        **QUIET,
    )


def build_model_choice(runs_dir: Path, kept: gr.BrowserState | None = None) -> gr.Dropdown:
    """Build the choice of model; it looks for new models when page or tab are opened and whenever it is opened itself.

    Args:
        runs_dir: The folder of all runs.
        kept: What keeps the choice; without it, it is made anew on each visit.
    """
    choice = gr.Dropdown(
        list_choices(runs_dir), value=DEFAULT, label="Model", info=HINT, scale=2, min_width=300, elem_classes="model"
    )
    root, selects = Context.root_block, find_selects()
    gr.on(
        [choice.focus] if kept else [root.load, *selects, choice.focus],
        lambda: gr.Dropdown(choices=list_choices(runs_dir)),
        outputs=choice,
        **QUIET,
    )
    if kept:
        choice.input(None, choice, kept, js=KEEP_CHOICE, **PRIVATE)
        shown = [root.load, *selects, kept.change]
        gr.on(shown, lambda value: choose(list_choices(runs_dir), read_kept(value)), kept, choice, **QUIET)
    return choice


def choose(choices: Choices, key: str) -> gr.Dropdown:
    """Return the update that chooses the model of a key, or the default one and a sentence where it is gone."""
    if any(key == known for _, known in choices):
        return gr.Dropdown(choices=choices, value=key, info=HINT)
    return gr.Dropdown(choices=choices, value=DEFAULT, info=GONE)


def find_selects() -> list[Any]:
    """Return the events that bring what is being laid out into sight: of its tab, and of the tab around that."""
    found, block = [], Context.block
    while block is not None:
        if isinstance(block, gr.Tab):
            found.append(block.select)
        block = block.parent
    return found
