"""The tab Evaluate: how good a model is on a split, beside a plain one, and which texts it gets wrong.

A visitor's choices are all that is kept here; each event reads the evaluation from the run's directory.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.context import Context

from agnews_core.errors import AgNewsError, RunError
from agnews_core.evaluation.files import Assessment, read_assessment, read_evaluated
from agnews_core.evaluation.page import (
    CLASS_COLUMNS,
    MISTAKE_COLUMNS,
    build_html,
    build_json,
    list_classes,
    list_mistakes,
)
from agnews_core.evaluation.report import SPLITS, Split
from agnews_core.inference.catalogue import CLASSIFIERS, TrainedModel, find_model
from agnews_core.labels import LABELS
from agnews_core.publishing.downloads import write_download
from agnews_core.ui.components import build_line, build_table
from agnews_core.ui.events import ACTION, PRIVATE
from agnews_core.ui.layers_part import LayersPart, build_layers_part, show_layers, wire_layers_part
from agnews_core.ui.live_plot import build_live_plot
from agnews_core.ui.markup import build_confusion, build_summary
from agnews_core.ui.models import build_model_choice
from agnews_core.ui.report_plots import build_reliability_figure

if TYPE_CHECKING:
    import pandas as pd


RELIABILITY = "Reliability: the probability, and how often it was right"
MIN_WIDTH = 320  # of half the page, in pixels; narrower, the halves stand one below the other
MAX_ROWS = 100  # of a confusion cell; more are in the file
CELL_JS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-cell]');
  if (button) trigger('select', {cell: button.dataset.cell});
});
"""
EMPTY = "Choose a model and a split, then press Evaluate; it takes seconds to a few minutes."
CHOOSE_CELL = "Choose a cell of the matrix, or name its two classes."
NO_REPORT = "This bundled model comes with no report on the {split} split. You can evaluate your own runs here."
NO_TEXTS = "The texts behind a bundled model's report are not part of it. They are available for your own runs."
Updates = dict[Any, Any]


@dataclass(frozen=True)
class _View:
    """The tab's components that change."""

    model: gr.Dropdown
    split: gr.Radio
    button: gr.Button
    status: gr.HTML
    results: gr.Column
    summary: gr.HTML
    classes: gr.HTML
    confusion: gr.HTML
    true: gr.Dropdown
    predicted: gr.Dropdown
    cell_note: gr.HTML
    cell: gr.HTML
    reliability: gr.HTML
    layers: LayersPart
    mistakes: gr.HTML
    html: gr.Button
    json: gr.Button
    saved: gr.DownloadButton


def build_tab(runs_dir: Path) -> None:
    """Lay out the tab inside the current gr.Tab and wire its events."""
    parts: dict[str, Any] = {}
    with gr.Row(equal_height=False):
        parts["model"] = build_model_choice(runs_dir)
        parts["split"] = gr.Radio(
            [(name.capitalize(), name) for name in SPLITS],
            value="validation",
            label="Split",
            info="Validation: a tenth of the news, not trained on. Test: a file of its own, where the news has one.",
        )
        parts["button"] = gr.Button("Evaluate", variant="primary", scale=0, min_width=150, elem_id="evaluate-button")
    parts["status"] = gr.HTML(build_line(EMPTY), elem_id="evaluate-status")
    with gr.Column(visible=False) as parts["results"]:
        parts |= _build_results()
    # Outside of the column: a column that appears would show it.
    parts["saved"] = gr.DownloadButton("Save the report", visible="hidden", elem_id="saved-report")
    view = _View(**parts)
    _wire(runs_dir, view)
    _wire_downloads(runs_dir, view)


def _build_results() -> dict[str, Any]:
    parts: dict[str, Any] = {"summary": gr.HTML(elem_id="summary")}
    with gr.Row(equal_height=False):
        with gr.Column(min_width=MIN_WIDTH):
            gr.Markdown("### Confusion matrix")
            parts["confusion"] = gr.HTML(elem_id="confusion", js_on_load=CELL_JS)
        with gr.Column(min_width=MIN_WIDTH):
            gr.Markdown("### Texts of a cell")
            with gr.Row():
                parts["true"] = gr.Dropdown(list(LABELS), label="True class", value=None, min_width=140)
                parts["predicted"] = gr.Dropdown(list(LABELS), label="Predicted class", value=None, min_width=140)
            parts["cell_note"] = gr.HTML(build_line(CHOOSE_CELL), elem_id="cell-note")
            parts["cell"] = gr.HTML(visible=False, elem_id="cell-texts")
    with gr.Row(equal_height=False):
        with gr.Column(min_width=MIN_WIDTH):
            gr.Markdown("### Scores of each class")
            parts["classes"] = gr.HTML(elem_id="classes")
            parts["reliability"] = build_live_plot(label=RELIABILITY, empty="", elem_id="reliability")
        with gr.Column(min_width=MIN_WIDTH):
            gr.Markdown("### Most confident mistakes")
            parts["mistakes"] = gr.HTML(elem_id="mistakes")
    parts["layers"] = build_layers_part()
    with gr.Row(elem_classes="actions"):
        parts["html"] = gr.Button("Download the report (HTML)", elem_id="report-html")
        parts["json"] = gr.Button("Download the report (JSON)", elem_id="report-json")
    return parts


def _wire(runs_dir: Path, view: _View) -> None:
    shown = [
        view.button, view.status, view.results, view.summary, view.classes, view.confusion, view.true, view.predicted,
        view.cell_note, view.cell, view.reliability, view.mistakes, *view.layers.all,
    ]  # fmt: skip
    chosen = [view.model, view.split]
    cell = [view.confusion, view.true, view.predicted, view.cell_note, view.cell]

    def evaluate(key: str, split: Split, progress: gr.Progress = gr.Progress()) -> Updates:  # noqa: B008  # gradio's way to hand it over
        from agnews_core.inference.assess import load_assessment

        progress(0, desc="Loading the model and the texts")
        model = find_model(runs_dir, key)
        found = load_assessment(
            model, split, CLASSIFIERS, lambda done, total: progress((done, total), desc="Evaluating", unit="texts")
        )
        return _show(view, model, found)

    def choose(key: str, split: str, event: gr.EventData) -> Updates:
        label, predicted = (int(number) for number in str(event.cell).split(","))
        return _show_cell(view, runs_dir, key, split, label, predicted)

    def name(key: str, split: str, true: str | None, predicted: str | None) -> Updates:
        if true not in LABELS or predicted not in LABELS:
            return {view.cell_note: gr.skip()}
        return _show_cell(view, runs_dir, key, split, LABELS.index(true), LABELS.index(predicted))

    # A choice that is made while the answer to an earlier one is on its way is answered after it, not dropped.
    look = {"show_progress": "hidden", "concurrency_limit": 4, "trigger_mode": "always_last", **PRIVATE}
    gr.on(
        [Context.root_block.load, view.model.input, view.split.input],
        partial(_show_kept, view, runs_dir), chosen, shown, **look,
    )  # fmt: skip
    view.button.click(evaluate, chosen, shown, show_progress_on=view.status, concurrency_id="evaluate", **PRIVATE)
    view.confusion.select(choose, chosen, cell, **look)
    wire_layers_part(view.layers, runs_dir, chosen)
    gr.on([view.true.input, view.predicted.input], name, [*chosen, view.true, view.predicted], cell, **look)


def _wire_downloads(runs_dir: Path, view: _View) -> None:
    for kind, button in (("html", view.html), ("json", view.json)):
        written = button.click(partial(_write_report, runs_dir, kind), [view.model, view.split], view.saved, **ACTION)
        written.success(None, js="() => document.querySelector('#saved-report').click()")


def _write_report(runs_dir: Path, kind: str, key: str, split: str) -> gr.DownloadButton:
    model = find_model(runs_dir, key)
    found = read_assessment(model.folder, split)
    if found is None:
        raise RunError("This evaluation is no longer kept; press Evaluate to make it again.")
    text = build_json(found) if kind == "json" else build_html(found, title=model.title)
    name = f"report-{model.key.rpartition('/')[2]}-{split}.{kind}"
    return gr.DownloadButton(value=str(write_download(name, text)))


def _show_kept(view: _View, runs_dir: Path, key: str, split: str) -> Updates:
    """Show what is kept of the chosen model and split, if anything is."""
    try:
        model = find_model(runs_dir, key)
    except AgNewsError as error:
        return {view.status: build_line(str(error)), view.results: gr.Column(visible=False)}
    found = read_assessment(model.folder, split)
    if found is None:
        return {
            view.button: gr.Button(interactive=not model.is_bundled),
            view.status: build_line(NO_REPORT.format(split=split) if model.is_bundled else EMPTY),
            view.results: gr.Column(visible=False),
        }
    return _show(view, model, found)


def _show(view: _View, model: TrainedModel, found: Assessment) -> Updates:
    """Fill every component with an assessment."""
    report, title = found.report, model.title
    return {
        view.button: gr.Button(interactive=not model.is_bundled),
        view.status: build_line(f"{title}: {_describe_source(model, found)}"),
        view.results: gr.Column(visible=True),
        view.summary: build_summary(found),
        view.classes: build_table(CLASS_COLUMNS, list_classes(report), label="Scores of each class"),
        view.confusion: build_confusion(report),
        view.true: None,
        view.predicted: None,
        view.cell_note: build_line(NO_TEXTS if model.is_bundled else CHOOSE_CELL),
        view.cell: gr.HTML(visible=False),
        view.reliability: gr.HTML(
            build_reliability_figure(report.reliability).to_json(), visible=bool(report.reliability)
        ),
        view.mistakes: _format_mistakes(found),
        **show_layers(view.layers, model, found.layers),
    }


def _describe_source(model: TrainedModel, found: Assessment) -> str:
    if model.is_bundled:
        return "this is the report it comes with."
    note = "" if found.baseline else " Press Evaluate to measure a plain model on the same texts."
    return f"evaluated on the {found.report.split} texts.{note}"


def _show_cell(view: _View, runs_dir: Path, key: str, split: str, label: int, predicted: int) -> Updates:
    """List the texts of one cell, the most confident first."""
    from agnews_core.inference.tables import select_cell

    model = find_model(runs_dir, key)
    found = read_evaluated(model.folder, split)
    if found is None:
        lost = "The texts of this evaluation were not kept; press Evaluate to make it again."
        return {view.cell_note: build_line(NO_TEXTS if model.is_bundled else lost)}
    rows = select_cell(found.table, label=label, predicted=predicted)
    what = f"{LABELS[label]}, predicted {LABELS[predicted]}: {len(rows):,} {'text' if len(rows) == 1 else 'texts'}"
    more = f", the {MAX_ROWS} most confident of which are shown" if len(rows) > MAX_ROWS else ""
    return {
        view.confusion: build_confusion(found.report, chosen=(label, predicted)),
        view.true: LABELS[label],
        view.predicted: LABELS[predicted],
        view.cell_note: build_line(f"True class {what}{more}."),
        view.cell: gr.HTML(_format_texts(rows.head(MAX_ROWS)), visible=len(rows) > 0),
    }


def _format_texts(rows: "pd.DataFrame") -> str:
    values = [[*(f"{row[name]:.1%}" for name in LABELS), str(row["text"])] for row in rows.to_dict(orient="records")]
    return build_table([*LABELS, "Text"], values, label="Texts of the cell")


def _format_mistakes(found: Assessment) -> str:
    rows = list_mistakes(found.report)
    if not rows:
        return build_line("None: every text was classified correctly." if found.report.accuracy == 1 else NO_TEXTS)
    return build_table(MISTAKE_COLUMNS, rows, label="Most confident mistakes")
