"""The last third of the tab Predict: what was said of the texts, to look at, to search and to download."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from agnews_core.labels import LABELS
from agnews_core.publishing.downloads import choose_download_path
from agnews_core.publishing.kept import fetch_kept, keep_table
from agnews_core.ui.components import build_line, build_table
from agnews_core.ui.events import PRIVATE
from agnews_core.ui.live_plot import build_live_plot
from agnews_core.ui.predict_upload import MAX_LETTERS, Updates
from agnews_core.ui.report_plots import build_counts_figure

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

MAX_ROWS = 200  # of the preview; all rows are in the download
ALL_CLASSES = "All classes"


@dataclass(frozen=True)
class ResultsView:
    """The components that show predictions, and what is kept of them while the page is open."""

    results: gr.Column
    counts: gr.HTML
    label: gr.Dropdown
    query: gr.Textbox
    found: gr.HTML
    preview: gr.HTML
    label_names: gr.Checkbox
    probabilities: gr.Checkbox
    download: gr.Button
    saved: gr.DownloadButton
    table: gr.State

    @property
    def outputs(self) -> list[Any]:
        """What `show_table` changes."""
        return [
            self.results, self.table, self.counts, self.label, self.query, self.found, self.preview, self.label_names,
            self.probabilities,
        ]  # fmt: skip


def build_results() -> dict[str, Any]:
    """Lay out the results inside their column."""
    parts: dict[str, Any] = {}
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            parts["counts"] = build_live_plot(label="Texts of each class", empty="", elem_id="counts")
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


def show_table(view: ResultsView, table: "pd.DataFrame") -> Updates:
    """Show predictions from their beginning: all classes, and the plain file to download."""
    from agnews_core.inference.tables import count_classes

    return {
        view.table: keep_table(table),
        view.results: gr.Column(visible=True),
        view.counts: build_counts_figure(count_classes(table)).to_json(),
        view.label: ALL_CLASSES,
        view.query: "",
        **_show_rows(view, table, ALL_CLASSES, ""),
        view.label_names: False,
        view.probabilities: False,
    }


def wire_results(view: ResultsView) -> None:
    """Wire the filters and the download."""
    filters, extras = [view.label, view.query], [view.label_names, view.probabilities]
    gr.on(
        [view.label.input, view.query.change],  # gradio swallows the first input after an output
        lambda kept, *chosen: _show_rows(view, fetch_kept(kept), *chosen),
        [view.table, *filters], [view.found, view.preview],
        show_progress="hidden", trigger_mode="always_last", concurrency_limit=4, **PRIVATE,
    )  # fmt: skip
    written = view.download.click(
        lambda kept, names, shares: write_file(
            [fetch_kept(kept)[list(LABELS)].to_numpy()], label_names=names, probabilities=shares
        ),
        [view.table, *extras], view.saved, concurrency_limit=4, **PRIVATE,
    )  # fmt: skip
    written.success(None, js="() => document.querySelector('#saved-predictions').click()")


def write_file(pieces: "Iterable[NDArray[np.float32]]", *, label_names: bool, probabilities: bool) -> str:
    """Write the CSV file of predictions where it can be fetched from, and return its path."""
    from agnews_core.inference.csv_files import write_csv

    path = choose_download_path("predictions.csv")
    write_csv(pieces, path, label_names=label_names, probabilities=probabilities)
    return str(path)


def _show_rows(view: ResultsView, table: "pd.DataFrame", label: str, query: str) -> Updates:
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
