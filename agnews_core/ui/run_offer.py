"""A finished run offers itself to the visitor whose it is: what is said then, and the buttons beside it. It chooses nothing."""

from typing import Any

import gradio as gr
from markupsafe import Markup

from agnews_core.inference.catalogue import TrainedModel
from agnews_core.runs import RunResult

UNTIL_THEN = "Until you choose, Classify and Predict go on as they are."
CHOSEN = Markup("<p><b>This run answers in Classify and Predict</b>, in this browser alone.</p>")
USE_RUN = "(run) => ({model: `run/${run}`})"
USE_DEFAULT = "() => ({model: ''})"


def lay_out_offer() -> dict[str, Any]:
    """Lay the offer out, hidden; return its parts by name."""
    parts: dict[str, Any] = {}
    with gr.Column(visible=False, elem_classes="card", elem_id="offer") as parts["offer"]:
        parts["offer_text"] = gr.HTML(padding=False)
        with gr.Row(elem_classes="actions"):
            parts["use"] = gr.Button("Use it here", variant="primary", size="sm", elem_id="use-run")
            parts["use_default"] = gr.Button("Back to the bundled model", size="sm", elem_id="use-default")
    return parts


def format_offer(result: RunResult | None, bundled: TrainedModel | None) -> Markup:
    """Format the offer: the run's accuracy and the bundled model's, each with the number of texts that it is of.

    >>> str(format_offer(None, None))
    '<p><b>Your run is ready.</b> Until you choose, Classify and Predict go on as they are.</p>'
    """
    if result is None or result.eval_accuracy is None:
        return Markup("<p><b>Your run is ready.</b> {}</p>").format(UNTIL_THEN)
    own = f"{result.eval_accuracy:.1%} of {_count_texts(result.n_evaluated)}"
    beside = ""
    if bundled and bundled.accuracy is not None:
        of_own = f" of its own {bundled.n_validation:,}" if bundled.n_validation else ""
        beside = f" (the bundled model: {bundled.accuracy:.1%}{of_own})"
    return Markup("<p><b>Your run is ready:</b> {}. {}</p>").format(own + beside, UNTIL_THEN)


def _count_texts(n: int | None) -> str:
    return f"{n:,} validation texts" if n else "its validation texts"
