"""The first half of the tab Predict: a file of texts is chosen and read, and its first rows are shown."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from agnews_core.errors import AgNewsError
from agnews_core.inference.predictions import EXAMPLE_FILE
from agnews_core.publishing.kept import keep_texts
from agnews_core.ui.components import build_line, build_notice, build_table
from agnews_core.ui.errors import warn
from agnews_core.ui.events import PRIVATE, QUIET

if TYPE_CHECKING:
    from agnews_core.uploads import Upload

N_FIRST_ROWS = 5
MAX_LETTERS = 600  # of a text in a preview
EMPTY = "Upload a file, or try the example. Each row or line is one text."
Updates = dict[Any, Any]


@dataclass(frozen=True)
class KeptUpload:
    """A visitor's file, as it was read."""

    name: str
    path: Path


@dataclass(frozen=True)
class UploadView:
    """The components that reading a file changes, and what is kept of it while the page is open."""

    file: gr.File
    example: gr.Button
    reading: gr.Accordion
    column: gr.Textbox
    split: gr.Textbox
    empty_missing: gr.Checkbox
    predict: gr.Button
    status: gr.HTML
    first_rows: gr.HTML
    upload: gr.State


def build_file() -> dict[str, Any]:
    """Lay out what chooses a file."""
    return {
        "file": gr.File(label="File of texts (pickle, csv, jsonl, parquet, txt)", height=150, elem_id="upload"),
        "example": gr.Button("Try the example file", interactive=EXAMPLE_FILE.is_file(), elem_id="example-button"),
    }


def build_options() -> dict[str, Any]:
    """Lay out how the file is read."""
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


def build_status() -> dict[str, Any]:
    """Lay out the line that says what was read."""
    return {"status": gr.HTML(build_line(EMPTY), elem_id="predict-status")}


def build_first_rows() -> dict[str, Any]:
    """Lay out the first rows of what was read; they are seen while there are no results above them."""
    return {"first_rows": gr.HTML(visible=False, elem_id="first-rows")}


def wire_reading(view: UploadView, predicted: Any, *, to_hide: list[Any]) -> None:
    """Wire what reads a file: that ends the prediction of an earlier one, of which nothing stays to be seen."""
    options = [view.column, view.split, view.empty_missing]
    shown = [view.upload, view.status, view.first_rows, view.predict, view.reading, *to_hide]
    look = {"show_progress_on": view.status, "concurrency_limit": 2, "concurrency_id": "read", **PRIVATE}

    def read(file: str | None, column: str, split: str, empty_missing: bool) -> Updates:
        hidden = {it: gr.update(visible=False) for it in to_hide}
        if file is None:
            return {**_forget(view), **hidden}
        try:
            return {**_show_upload(view, Path(file).name, read_file(file, column, split, empty_missing)), **hidden}
        except AgNewsError as error:
            warn(error)  # and forget an earlier file, which Predict would take for this one
            problem = {view.status: build_notice(str(error), kind="bad"), view.reading: gr.Accordion(open=True)}
            return {**_forget(view), **hidden, **problem}

    changed = [view.file.upload, view.file.clear, view.column.submit, view.split.submit, view.empty_missing.input]
    # The browser does what an event asks for one after the other, and would cancel only when the file is read.
    gr.on([*changed, view.example.click], None, cancels=[predicted], **PRIVATE)
    gr.on(changed, read, [view.file, *options], shown, **look)
    view.example.click(lambda: str(EXAMPLE_FILE), outputs=view.file, **QUIET).then(
        read, [view.file, *options], shown, **look
    )


def read_file(file: str, column: str | None, split: str | None, empty_missing: bool) -> "Upload":
    """Read a visitor's file as the page's controls say."""
    from agnews_core.uploads import read_upload

    return read_upload(
        Path(file),
        column=(column or "").strip() or None,
        split=(split or "").strip() or None,
        missing="empty" if empty_missing else "refuse",
    )


def _forget(view: UploadView) -> Updates:
    return {
        view.upload: None,
        view.status: build_line(EMPTY),
        view.first_rows: gr.HTML(visible=False),
        view.predict: gr.Button(interactive=False),
    }


def _show_upload(view: UploadView, name: str, upload: "Upload") -> Updates:
    """Show what was read and how, and the first rows."""
    column = f" from the column {upload.column!r}" if upload.column else ""
    texts = "1 text" if len(upload.texts) == 1 else f"{len(upload.texts):,} texts"
    said = f"{name}: {texts} read{column} ({upload.kind}). {' '.join(upload.notes)}"
    rows = [[str(row), text[:MAX_LETTERS]] for row, text in enumerate(upload.texts[:N_FIRST_ROWS])]
    return {
        view.upload: KeptUpload(name, keep_texts(upload.texts)),
        view.status: build_line(said),
        view.first_rows: gr.HTML(build_table(["First rows", "Text"], rows, label="First rows"), visible=True),
        view.predict: gr.Button(interactive=True),
    }
