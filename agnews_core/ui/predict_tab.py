"""The tab Predict: a file of texts in, a table of classes out. What predicts it stands here; `predict_upload` reads the file."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from agnews_core.errors import DataError
from agnews_core.inference.catalogue import CLASSIFIERS, find_model
from agnews_core.labels import LABELS
from agnews_core.publishing.kept import fetch_kept
from agnews_core.ui.components import build_line, build_progress
from agnews_core.ui.events import PRIVATE, QUIET
from agnews_core.ui.models import MODEL_PARAMETER, build_model_choice
from agnews_core.ui.predict_results import ResultsView, build_results, show_table, wire_results, write_file
from agnews_core.ui.predict_upload import (
    KeptUpload,
    Updates,
    UploadView,
    build_file,
    build_first_rows,
    build_options,
    build_status,
    read_file,
    wire_reading,
)

KEPT_SECONDS = 3600  # a visitor's predictions, after they were last used
NO_FILE = "There is no file to predict; upload one, or try the example file."


@dataclass(frozen=True)
class _View:
    """The components of the tab: those of the file, those of the results, and those of the prediction between them."""

    reading: UploadView
    shown: ResultsView
    model: gr.Dropdown
    cancel: gr.Button
    answer: gr.Column
    progress: gr.HTML
    cancelled: gr.HTML


def build_tab(runs_dir: Path, kept: gr.BrowserState) -> None:
    """Lay out the tab inside the current gr.Tab and wire its events; `kept` is the model that the visitor chose."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            upload_parts = build_file()
        with gr.Column(scale=2, min_width=300):
            model = build_model_choice(runs_dir, kept)
            upload_parts |= build_options()
            predict = gr.Button("Predict", variant="primary", interactive=False, elem_id="predict-button")
            cancel = gr.Button("Cancel", visible=False, elem_id="cancel-button")
    upload_parts |= build_status()
    with gr.Column(visible=False) as answer:
        progress = gr.HTML(elem_id="predict-progress")
        with gr.Column(visible=False, elem_id="predict-results") as results:
            parts = build_results()
    cancelled = gr.HTML(build_line("Cancelled; press Predict to begin again."), visible=False)
    upload_parts |= build_first_rows()
    # Outside of the column: a column that appears would show it.
    saved = gr.DownloadButton("Save the predictions", visible="hidden", elem_id="saved-predictions")
    upload, table = (gr.State(None, time_to_live=KEPT_SECONDS) for _ in range(2))
    view = _View(
        UploadView(**upload_parts, predict=predict, upload=upload),
        ResultsView(**parts, results=results, saved=saved, table=table),
        model=model, cancel=cancel, answer=answer, progress=progress, cancelled=cancelled,
    )  # fmt: skip
    predicted = _wire_predicting(runs_dir, view)
    wire_reading(view.reading, predicted, to_hide=[answer, cancelled])
    wire_results(view.shown)
    _build_endpoint(runs_dir)


def _wire_predicting(runs_dir: Path, view: _View) -> Any:
    """Wire Predict and Cancel; return the event that another file cancels.

    The browser takes what a cancelled prediction still says until the server has ended it, and only then calls it a failure.
    Therefore the prediction says all within `answer`, which it neither shows nor hides, and Predict comes back at its end.
    """
    predict, cancel, results, table = view.reading.predict, view.cancel, view.shown.results, view.shown.table

    def begin() -> Updates:
        shown = {view.answer: gr.Column(visible=True), view.progress: build_line("Waiting for its turn…", busy=True)}
        buttons = {predict: gr.Button(visible=False), cancel: gr.Button(visible=True, interactive=True)}
        hidden = {results: gr.Column(visible=False), view.cancelled: gr.HTML(visible=False)}
        return {**shown, **buttons, **hidden, table: None}

    def end(kept: Path | None) -> Updates:
        is_over = kept is not None  # a cancelled one is called a success too, before it has ended
        return {
            predict: gr.Button(visible=True) if is_over else gr.skip(),
            cancel: gr.Button(visible=False) if is_over else gr.skip(),
        }

    def fail() -> Updates:
        buttons = {predict: gr.Button(visible=True), cancel: gr.Button(visible=False)}
        return {**buttons, view.progress: build_line("Nothing was predicted.")}

    def end_early() -> Updates:
        shown = {view.answer: gr.Column(visible=False), view.cancelled: gr.HTML(visible=True)}
        return {**shown, cancel: gr.Button(interactive=False)}

    changed = [view.answer, view.progress, view.cancelled, predict, cancel, results, table]
    pressed = predict.click(begin, None, changed, **QUIET)
    predicted = pressed.then(
        partial(_predict_and_show, runs_dir, view), [view.reading.upload, view.model], [view.progress, *view.shown.outputs],
        show_progress="hidden", concurrency_id="predict", **PRIVATE,
    )  # fmt: skip
    predicted.success(end, table, [predict, cancel], **QUIET)
    predicted.failure(fail, None, [predict, cancel, view.progress], **QUIET)
    cancel.click(None, cancels=[predicted], **PRIVATE)
    cancel.click(end_early, None, [view.answer, view.cancelled, cancel], **QUIET)
    return predicted


def _predict_and_show(runs_dir: Path, view: _View, upload: KeptUpload | None, key: str) -> Iterator[Updates]:
    """Show how far it is after each slice of texts, where a visitor's cancelling ends it, and then the results."""
    from agnews_core.evaluation.calibration import apply_temperature
    from agnews_core.inference.tables import build_table

    if upload is None:
        raise DataError(NO_FILE)
    texts = list(fetch_kept(upload.path)["text"])
    yield {view.progress: build_line("Loading the model…", busy=True)}
    model = find_model(runs_dir, key)
    classifier = CLASSIFIERS.load(model)
    logits, n_done = np.empty((len(texts), len(LABELS)), dtype=np.float32), 0
    for rows, batch in classifier.iterate(texts):
        logits[rows] = batch
        n_done += len(rows)
        yield {view.progress: build_progress("Predicting", n_done, len(texts), unit="texts")}
    table = build_table(apply_temperature(logits, classifier.temperature), texts=texts)
    said = f"{len(texts):,} texts classified by: {model.title}. {classifier.engine.reason}"
    yield {view.progress: build_line(said), **show_table(view.shown, table)}


def _build_endpoint(runs_dir: Path) -> None:
    """Offer `predict_file` to programs; the labels of these components, which no one sees, describe its parameters."""

    def predict_file(file: str, column: str, split: str, label_names: bool, probabilities: bool, model: str) -> str:
        from agnews_core.inference.csv_files import iterate_probabilities

        if not file:
            raise DataError(NO_FILE)
        upload = read_file(file, column, split, empty_missing=False)
        classifier = CLASSIFIERS.load(find_model(runs_dir, model))
        pieces = iterate_probabilities(classifier, upload.texts)
        return write_file(pieces, label_names=label_names, probabilities=probabilities)

    gr.Button(visible=False).click(
        predict_file,
        [
            gr.File(label="The file of texts: pickle, csv, tsv, jsonl, json, parquet, arrow or txt", visible=False),
            gr.Textbox("", label="The column that holds the texts; empty: it is looked for", visible=False),
            gr.Textbox("", label="The split to read, where the file holds several", visible=False),
            gr.Checkbox(False, label="Add a column with the class's name", visible=False),
            gr.Checkbox(False, label="Add a column with the probability of each class", visible=False),
            gr.Textbox("", label=MODEL_PARAMETER, visible=False),
        ],
        gr.File(label="CSV with the header ID,Label", visible=False),
        api_name="predict_file",
        api_description="Classify every text of a file and return a CSV of ID,Label.",
        concurrency_id="predict",
    )
