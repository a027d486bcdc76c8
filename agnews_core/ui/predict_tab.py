"""The tab Predict: a file of texts in, a table of classes out, to look at and to download."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from agnews_core.errors import AgNewsError, DataError
from agnews_core.inference.catalogue import CLASSIFIERS, find_model
from agnews_core.inference.predictions import EXAMPLE_FILE
from agnews_core.labels import LABELS
from agnews_core.publishing.downloads import choose_download_path
from agnews_core.publishing.kept import fetch_kept, keep_table, keep_texts
from agnews_core.ui.errors import warn
from agnews_core.ui.events import PRIVATE, QUIET
from agnews_core.ui.markup import build_line, build_problem, build_progress, build_table
from agnews_core.ui.models import MODEL_PARAMETER, build_model_choice
from agnews_core.ui.report_plots import build_counts_figure

if TYPE_CHECKING:
    import pandas as pd

    from agnews_core.uploads import Upload

N_FIRST_ROWS = 5
MAX_ROWS = 200  # of the preview; all rows are in the download
MAX_LETTERS = 600  # of a text in the preview
KEPT_SECONDS = 3600  # a visitor's predictions, after they were last used
ALL_CLASSES = "All classes"
EMPTY = "Upload a file, or try the example. Each row or line is one text."
NO_FILE = "There is no file to predict; upload one, or try the example file."
Updates = dict[Any, Any]


@dataclass(frozen=True)
class _Kept:
    """A visitor's file, as it was read."""

    name: str
    path: Path


@dataclass(frozen=True)
class _View:
    """The tab's components that change, and what is kept of a visitor's file while the page is open."""

    file: gr.File
    reading: gr.Accordion
    column: gr.Textbox
    split: gr.Textbox
    empty_missing: gr.Checkbox
    model: gr.Dropdown
    predict: gr.Button
    cancel: gr.Button
    status: gr.HTML
    first_rows: gr.HTML
    results: gr.Column
    counts: gr.Plot
    label: gr.Dropdown
    query: gr.Textbox
    found: gr.HTML
    preview: gr.HTML
    label_names: gr.Checkbox
    probabilities: gr.Checkbox
    download: gr.Button
    saved: gr.DownloadButton
    upload: gr.State
    table: gr.State


def build_tab(runs_dir: Path) -> None:
    """Lay out the tab inside the current gr.Tab and wire its events."""
    parts: dict[str, Any] = {}
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            parts["file"] = gr.File(
                label="File of texts (pickle, csv, jsonl, parquet, txt)", height=150, elem_id="upload"
            )
            example = gr.Button("Try the example file", interactive=EXAMPLE_FILE.is_file(), elem_id="example-button")
        with gr.Column(scale=2, min_width=300):
            parts["model"] = build_model_choice(runs_dir)
            parts |= _build_reading()
            parts["predict"] = gr.Button("Predict", variant="primary", interactive=False, elem_id="predict-button")
            parts["cancel"] = gr.Button("Cancel", visible=False, elem_id="cancel-button")
    parts["status"] = gr.HTML(build_line(EMPTY), elem_id="predict-status")
    parts["first_rows"] = gr.HTML(visible=False, elem_id="first-rows")
    with gr.Column(visible=False) as parts["results"]:
        parts |= _build_results()
    # Outside of the column: a column that appears would show it.
    parts["saved"] = gr.DownloadButton("Save the predictions", visible="hidden", elem_id="saved-predictions")
    kept = {name: gr.State(None, time_to_live=KEPT_SECONDS) for name in ("upload", "table")}
    view = _View(**parts, **kept)
    predicted = _wire_predicting(runs_dir, view)
    _wire_reading(view, example, predicted)
    _wire_results(view)
    _build_endpoint(runs_dir)


def _build_reading() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Accordion("How the file is read", open=False) as parts["reading"]:
        parts["column"] = gr.Textbox(
            label="Column", info="The one that holds the texts. Empty: it is looked for.", max_length=200
        )
        parts["split"] = gr.Textbox(
            label="Split", info="Which one to read, where a file holds several.", max_length=200
        )
        parts["empty_missing"] = gr.Checkbox(label="Read missing texts as empty ones instead of refusing the file")
    return parts


def _build_results() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            gr.Markdown("### Texts of each class")
            parts["counts"] = gr.Plot(show_label=False, elem_id="counts")
        with gr.Column(scale=1, min_width=260):
            gr.Markdown("### Download")
            parts["label_names"] = gr.Checkbox(label="Add the classes' names")
            parts["probabilities"] = gr.Checkbox(label="Add the probabilities")
            parts["download"] = gr.Button("Download predictions", variant="primary", elem_id="download-predictions")
            gr.Markdown(
                "A CSV file of all texts. ID: its place in the file, from 0. Label: 0 World, 1 Sports, 2 Business, 3 Sci/Tech."
            )
    gr.Markdown("### Predictions")
    with gr.Row():
        parts["label"] = gr.Dropdown([ALL_CLASSES, *LABELS], value=ALL_CLASSES, label="Class", scale=1)
        parts["query"] = gr.Textbox(label="Search the texts", placeholder="a word or phrase", scale=2, max_length=200)
    parts["found"] = gr.HTML(build_line(""), elem_id="found")
    parts["preview"] = gr.HTML(elem_id="preview")
    return parts


def _wire_reading(view: _View, example: gr.Button, predicted: Any) -> None:
    options = [view.column, view.split, view.empty_missing]
    shown = [view.upload, view.status, view.first_rows, view.predict, view.cancel, view.results, view.reading]
    look = {"show_progress_on": view.status, "concurrency_limit": 2, "concurrency_id": "read", **PRIVATE}

    def read(file: str | None, column: str, split: str, empty_missing: bool) -> Updates:
        if file is None:
            return _forget(view)
        try:
            return _show_upload(view, Path(file).name, _read(file, column, split, empty_missing))
        except AgNewsError as error:
            warn(error)  # and forget an earlier file, which Predict would take for this one
            return {**_forget(view), view.status: build_problem(str(error)), view.reading: gr.Accordion(open=True)}

    gr.on(
        [view.file.upload, view.file.clear, view.column.submit, view.split.submit, view.empty_missing.input],
        read, [view.file, *options], shown, cancels=[predicted], **look,
    )  # fmt: skip
    example.click(lambda: str(EXAMPLE_FILE), outputs=view.file, cancels=[predicted], **QUIET).then(
        read, [view.file, *options], shown, **look
    )


def _read(file: str, column: str | None, split: str | None, empty_missing: bool) -> "Upload":
    from agnews_core.uploads import read_upload

    return read_upload(
        Path(file),
        column=(column or "").strip() or None,
        split=(split or "").strip() or None,
        missing="empty" if empty_missing else "refuse",
    )


def _forget(view: _View) -> Updates:
    return {
        view.upload: None,
        view.status: build_line(EMPTY),
        view.first_rows: gr.HTML(visible=False),
        view.predict: gr.Button(interactive=False, visible=True),
        view.cancel: gr.Button(visible=False),
        view.results: gr.Column(visible=False),
    }


def _show_upload(view: _View, name: str, upload: "Upload") -> Updates:
    """Show what was read and how, and the first rows."""
    column = f" from the column {upload.column!r}" if upload.column else ""
    texts = "1 text" if len(upload.texts) == 1 else f"{len(upload.texts):,} texts"
    said = f"{name}: {texts} read{column} ({upload.kind}). {' '.join(upload.notes)}"
    rows = [[str(row), text[:MAX_LETTERS]] for row, text in enumerate(upload.texts[:N_FIRST_ROWS])]
    return {
        view.upload: _Kept(name, keep_texts(upload.texts)),
        view.status: build_line(said),
        view.first_rows: gr.HTML(build_table(["First rows", "Text"], rows, label="First rows"), visible=True),
        view.predict: gr.Button(interactive=True, visible=True),
        view.cancel: gr.Button(visible=False),
        view.results: gr.Column(visible=False),
    }


def _wire_predicting(runs_dir: Path, view: _View) -> Any:
    """Wire Predict and Cancel; return the event that another file cancels."""
    buttons = [view.predict, view.cancel]
    shown = [
        view.status, view.first_rows, view.results, view.table, view.counts, view.label, view.query, view.found,
        view.preview, view.label_names, view.probabilities,
    ]  # fmt: skip

    def begin() -> Updates:
        waiting = build_line("Waiting for its turn…", busy=True)
        return {view.status: waiting, view.predict: gr.Button(visible=False), view.cancel: gr.Button(visible=True)}

    def end() -> Updates:
        return {view.predict: gr.Button(visible=True), view.cancel: gr.Button(visible=False)}

    def fail() -> Updates:
        return {**end(), view.status: build_line("Nothing was predicted.")}

    def cancel() -> Updates:
        return {**end(), view.status: build_line("Cancelled; press Predict to begin again.")}

    predict = partial(_predict_and_show, runs_dir, view)
    pressed = view.predict.click(begin, None, [view.status, *buttons], **QUIET)
    predicted = pressed.then(
        predict, [view.upload, view.model], shown, show_progress="hidden", concurrency_id="predict", **PRIVATE
    )
    predicted.success(end, None, buttons, **QUIET)
    predicted.failure(fail, None, [view.status, *buttons], **QUIET)
    view.cancel.click(cancel, None, [view.status, *buttons], cancels=[predicted], **QUIET)
    return predicted


def _predict_and_show(runs_dir: Path, view: _View, upload: _Kept | None, key: str) -> Iterator[Updates]:
    """Show how far it is after each slice of texts, where a visitor's cancelling ends it, and then the results."""
    from agnews_core.evaluation.calibration import apply_temperature
    from agnews_core.inference.tables import build_table as build_predictions

    if upload is None:
        raise DataError(NO_FILE)
    texts = list(fetch_kept(upload.path)["text"])
    yield {view.status: build_line("Loading the model…", busy=True), view.results: gr.Column(visible=False)}
    model = find_model(runs_dir, key)
    classifier = CLASSIFIERS.load(model)
    logits, n_done = np.empty((len(texts), len(LABELS)), dtype=np.float32), 0
    for rows, batch in classifier.iterate(texts):
        logits[rows] = batch
        n_done += len(rows)
        yield {view.status: build_progress("Predicting", n_done, len(texts), unit="texts")}
    table = build_predictions(apply_temperature(logits, classifier.temperature), texts=texts)
    said = f"{upload.name}: {len(texts):,} texts classified by: {model.title}."
    yield {view.status: build_line(said), **_show_table(view, table)}


def _show_table(view: _View, table: "pd.DataFrame") -> Updates:
    """Show predictions from their beginning: all classes, and the plain file to download."""
    from agnews_core.inference.tables import count_classes

    return {
        view.table: keep_table(table),
        view.results: gr.Column(visible=True),
        view.first_rows: gr.HTML(visible=False),
        view.counts: build_counts_figure(count_classes(table)),
        view.label: ALL_CLASSES,
        view.query: "",
        **_show_rows(view, table, ALL_CLASSES, ""),
        view.label_names: False,
        view.probabilities: False,
    }


def _wire_results(view: _View) -> None:
    filters, extras = [view.label, view.query], [view.label_names, view.probabilities]
    gr.on(
        [view.label.input, view.query.change],  # gradio swallows the first input after an output
        lambda kept, *chosen: _show_rows(view, fetch_kept(kept), *chosen),
        [view.table, *filters], [view.found, view.preview],
        show_progress="hidden", trigger_mode="always_last", concurrency_limit=4, **PRIVATE,
    )  # fmt: skip
    written = view.download.click(
        lambda kept, names, shares: _write(fetch_kept(kept), label_names=names, probabilities=shares),
        [view.table, *extras], view.saved, concurrency_limit=4, **PRIVATE,
    )  # fmt: skip
    written.success(None, js="() => document.querySelector('#saved-predictions').click()")


def _show_rows(view: _View, table: "pd.DataFrame", label: str, query: str) -> Updates:
    """Show the rows that a filter leaves, as many as a page can hold."""
    from agnews_core.inference.tables import filter_table

    rows = filter_table(table, label_name=label, query=query)
    first = f"the first {MAX_ROWS} of " if len(rows) > MAX_ROWS else ""
    values = [
        [str(row), LABELS[predicted], f"{confidence:.1%}", text[:MAX_LETTERS]]
        for row, predicted, confidence, text in rows.head(MAX_ROWS)[["predicted", "confidence", "text"]].itertuples()
    ]
    return {
        view.found: build_line(f"Shown: {first}{len(rows):,} of {len(table):,} texts."),
        view.preview: build_table(["ID", "Class", "Probability", "Text"], values, label="Predictions")
        if values
        else "",
    }


def _write(table: "pd.DataFrame", *, label_names: bool, probabilities: bool) -> str:
    from agnews_core.inference.tables import write_csv

    path = choose_download_path("predictions.csv")
    write_csv(table, path, label_names=label_names, probabilities=probabilities)
    return str(path)


def _build_endpoint(runs_dir: Path) -> None:
    """Offer `predict_file` to programs; the labels of these components, which no one sees, describe its parameters."""

    def predict_file(file: str, column: str, split: str, label_names: bool, probabilities: bool, model: str) -> str:
        from agnews_core.inference.tables import build_table as build_predictions

        if not file:
            raise DataError(NO_FILE)
        upload = _read(file, column, split, empty_missing=False)
        classifier = CLASSIFIERS.load(find_model(runs_dir, model))
        table = build_predictions(classifier.compute_probabilities(upload.texts))
        return _write(table, label_names=label_names, probabilities=probabilities)

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
