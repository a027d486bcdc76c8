"""The tab Classify: a text in, the four classes' probabilities out, and on request the words that decided."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.context import Context

from agnews_core.errors import AgNewsError, DataError
from agnews_core.inference.attribution import METHOD, explain
from agnews_core.inference.catalogue import CLASSIFIERS, find_model
from agnews_core.ui.components import build_card, build_empty, build_line
from agnews_core.ui.errors import warn
from agnews_core.ui.events import ACTION, PRIVATE
from agnews_core.ui.markup import build_marked_text, build_prediction, build_words
from agnews_core.ui.models import MODEL_PARAMETER, build_model_choice, find_selects
from agnews_core.ui.theme import css_name

if TYPE_CHECKING:
    from agnews_core.inference.classifier import Classifier
    from agnews_core.inference.predictions import Prediction

MAX_LETTERS = 20_000
EMPTY = build_card(build_empty("The four classes and their probabilities appear here."))
EXAMPLES = {
    "The two leaders signed a ceasefire late on Friday after three days of talks in the border town.": "World",
    "A goal in the last minute sent the home side to the final for the first time in thirty years.": "Sports",
    "Shares in the airline fell nine percent after it warned that fuel costs would wipe out its profit.": "Business",
    "Astronomers say a new telescope has found water in the air of a small planet near our own.": "Sci/Tech",
    "The chip maker will spend two billion on a plant that is to build processors for cars.": "Business",
}


@dataclass(frozen=True)
class _Answer:
    """What a model said of a text, and which one."""

    title: str
    classifier: "Classifier"
    prediction: "Prediction"


def build_tab(runs_dir: Path, kept: gr.BrowserState) -> None:
    """Lay out the tab inside the current gr.Tab and wire its events; `kept` is the model that the visitor chose."""
    with gr.Row(elem_classes="classify"):
        with gr.Column():
            text = gr.Textbox(
                label="News text",
                placeholder="Type or paste a headline or a short article, then press Enter.",
                lines=1,  # with more, Enter would begin a line instead of asking
                max_lines=12,
                max_length=MAX_LETTERS,
                autofocus=True,
                elem_id="news-text",
            )
            button = gr.Button("Classify", variant="primary", elem_id="classify-button")
        with gr.Column():
            answer = gr.HTML(EMPTY, elem_id="answer")
            model = build_model_choice(runs_dir, kept)
            status = gr.HTML(build_line("Loading the model…", busy=True), elem_id="model-status")
        with gr.Column():
            gr.Markdown("### Examples")
            examples = [
                gr.Button(example, elem_classes=["example", f"class-{css_name(name)}"])
                for example, name in EXAMPLES.items()
            ]
    words = _build_words(runs_dir, text, model, answer)
    _wire_answer(runs_dir, [text, model], [answer, *words], button, examples)
    gr.on(
        [Context.root_block.load, *find_selects(), model.change],
        partial(_load_model, runs_dir),
        model,
        status,
        trigger_mode="always_last",
        **ACTION,
    )
    _build_endpoint(runs_dir)


def _load_model(runs_dir: Path, key: str | None) -> Iterator[str]:
    """Load the model, with a line before and after; here a failure is a line, not a toast."""
    try:
        model = find_model(runs_dir, key)
        if not CLASSIFIERS.has(model):
            yield build_line("Loading the model…", busy=True)
        engine = CLASSIFIERS.load(model).engine
        yield build_line(f"Ready: {model.title}, computed with {engine.title}. {engine.reason}")
    except AgNewsError as error:
        yield build_line(str(error))


def _wire_answer(
    runs_dir: Path, inputs: list[Any], outputs: list[Any], button: gr.Button, examples: list[gr.Button]
) -> None:
    show = partial(_respond, runs_dir, with_words=False)
    quiet = {"show_progress_on": outputs[0], "concurrency_limit": 4, **PRIVATE}
    gr.on([button.click, inputs[0].submit], show, inputs, outputs, **quiet)
    for example in examples:
        chosen = example.click(lambda text: text, example, inputs[0], queue=False, **PRIVATE)
        chosen.then(show, inputs, outputs, **quiet)


def _respond(runs_dir: Path, text: str, key: str | None, *, with_words: bool) -> tuple[Any, Any, Any]:
    """Return the answer to show and its words, or what stands in their place and a toast where there is nothing to answer."""
    try:
        answered = _classify(runs_dir, text, key)
    except DataError as error:
        warn(error)
        return EMPTY, *_hide_words()
    shown = build_prediction(answered.prediction, f"{answered.title}. {answered.classifier.engine.reason}")
    if not with_words:
        return shown, *_hide_words()
    found = explain(answered.classifier, answered.prediction)
    return shown, *(gr.HTML(built, visible=True) for built in (build_marked_text(found), build_words(found)))


def _classify(runs_dir: Path, text: str, key: str | None) -> _Answer:
    """Find the model once, and ask it.

    Raises:
        DataError: There is no text, or far too much of it.
    """
    if not (text or "").strip():
        raise DataError("There is no text to classify; type or paste some news first.")
    if len(text) > MAX_LETTERS:
        raise DataError(f"The text has {len(text):,} characters; give at most {MAX_LETTERS:,}.")
    model = find_model(runs_dir, key)
    classifier = CLASSIFIERS.load(model)
    return _Answer(model.title, classifier, classifier.predict([text])[0])


def _build_words(runs_dir: Path, text: gr.Textbox, model: gr.Dropdown, answer: gr.HTML) -> list[Any]:
    """Lay out "Which words decided"; return what a new answer hides."""
    gr.Markdown("### Which words decided")
    with gr.Row():
        ask = gr.Button("Show the words that decided", size="md", scale=0, min_width=260, elem_id="words-button")
    words, ranked = gr.HTML(visible=False, elem_id="words"), gr.HTML(visible=False)
    gr.Markdown(METHOD, elem_classes="small-print")

    show = partial(_respond, runs_dir, with_words=True)
    asked = {"show_progress_on": answer, "concurrency_limit": 2, "concurrency_id": "words", **PRIVATE}
    ask.click(show, [text, model], [answer, words, ranked], **asked)
    return [words, ranked]


def _hide_words() -> tuple[Any, Any]:
    """Put away the words of an earlier text."""
    return gr.HTML(visible=False), gr.HTML(visible=False)


def _build_endpoint(runs_dir: Path) -> None:
    """Offer `classify` to programs; the labels of these components, which no one sees, describe its parameters."""

    def classify(text: str, model: str = "") -> dict[str, Any]:
        answered = _classify(runs_dir, text, model)
        return {**answered.prediction.to_json(), "unsure": answered.prediction.is_unsure, "model": answered.title}

    gr.Button(visible=False).click(
        classify,
        [
            gr.Textbox(label=f"The news text to classify, up to {MAX_LETTERS:,} characters", visible=False),
            gr.Textbox("", label=MODEL_PARAMETER, visible=False),
        ],
        gr.JSON(label="text, label (0-3), label_name, probabilities by class, unsure, model", visible=False),
        api_name="classify",
        api_description="Classify one news text as World, Sports, Business or Sci/Tech.",
        concurrency_limit=4,
    )
