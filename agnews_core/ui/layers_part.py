"""Evaluate's part on layers: what a model loses without the LoRA of each, measured when somebody asks for it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from agnews_core.evaluation.layers import LayerEffects
from agnews_core.evaluation.page import LAYER_COLUMNS, list_layers
from agnews_core.evaluation.report import Split
from agnews_core.evaluation.sentences import describe_layers
from agnews_core.inference.catalogue import TrainedModel, find_model
from agnews_core.ui.components import build_line, build_table
from agnews_core.ui.events import PRIVATE
from agnews_core.ui.live_plot import build_live_plot
from agnews_core.ui.report_plots import build_layers_figure

NOT_MEASURED = (
    "Each layer's LoRA is switched off in turn, and the model measured without it; it takes seconds to a few minutes."
)
NOT_HERE = "This bundled model comes without it. You can measure the layers of your own runs here."


@dataclass(frozen=True)
class LayersPart:
    """The part's components."""

    button: gr.Button
    words: gr.HTML
    plot: gr.HTML
    table: gr.HTML

    @property
    def all(self) -> list[Any]:
        """What changes with the chosen model."""
        return [self.button, self.words, self.plot, self.table]


def build_layers_part() -> LayersPart:
    """Lay it out."""
    gr.Markdown("### Which layers earn their rank")
    with gr.Row(equal_height=True):
        words = gr.HTML(build_line(NOT_MEASURED), elem_id="layers-words")
        button = gr.Button("Measure the layers", scale=0, min_width=180, elem_id="layers-button")
    with gr.Row(equal_height=False):
        plot = build_live_plot(label="Points lost without each layer", empty="", visible=False, elem_id="layers-plot")
        table = gr.HTML(visible=False, elem_id="layers-table")
    return LayersPart(button, words, plot, table)


def show_layers(part: LayersPart, model: TrainedModel, effects: LayerEffects | None) -> dict[Any, Any]:
    """Fill the part with what is known of a model."""
    can_measure = gr.Button(visible=effects is None and not model.is_bundled)
    if effects is None:
        words = build_line(NOT_HERE if model.is_bundled else NOT_MEASURED)
        return {
            part.button: can_measure,
            part.words: words,
            part.plot: gr.HTML(visible=False),
            part.table: gr.HTML(visible=False),
        }
    return {
        part.button: can_measure,
        part.words: build_line(describe_layers(effects)),
        part.plot: gr.HTML(build_layers_figure(effects).to_json(), visible=True),
        part.table: gr.HTML(build_table(LAYER_COLUMNS, list_layers(effects), label="Layers"), visible=True),
    }


def wire_layers_part(part: LayersPart, runs_dir: Path, chosen: list[Any]) -> None:
    """Measure the layers of the chosen model, on the chosen split, when the button is pressed."""

    def measure(key: str, split: Split, progress: gr.Progress = gr.Progress()) -> dict[Any, Any]:  # noqa: B008  # gradio's way to hand it over
        from agnews_core.inference.layer_effects import load_layer_effects

        progress(0, desc="Loading the model and the texts")
        model = find_model(runs_dir, key)
        effects = load_layer_effects(
            model, split, lambda done, total: progress((done, total), desc="Measuring the layers", unit="texts")
        )
        return show_layers(part, model, effects)

    part.button.click(measure, chosen, part.all, show_progress_on=part.words, concurrency_id="evaluate", **PRIVATE)
