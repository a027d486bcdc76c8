"""What the tab Train is made of: its components, laid out. What they do is in `train_tab`."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from agnews_core.ui.live_plot import build_live_plot
from agnews_core.ui.run_offer import lay_out_offer
from agnews_core.ui.runs_table import build_runs_table

WATCH_SECONDS = 1.0  # while a run is active
IDLE_SECONDS = 4.0  # somebody else may start one
MAX_COMPARED = 5
NEWEST_RUNS = 50  # are listed, unless all are asked for
KEEP, GO_ON = "Keep the model so far", "Go on training"
NO_POINTS = "Points appear here as soon as training has begun."
NO_EVALUATION = "Points appear here with the first evaluation."


@dataclass(frozen=True)
class TrainView:
    """The tab's components that an event reads or changes."""

    start: gr.Button
    tune: gr.Button
    stop: gr.Button
    resume: gr.Button
    stop_question: gr.Column
    stop_text: gr.Markdown
    keep: gr.Button
    discard: gr.Button
    go_on: gr.Button
    status: gr.HTML
    offer: gr.Column
    offer_text: gr.HTML
    use: gr.Button
    use_default: gr.Button
    loss: gr.HTML
    quality: gr.HTML
    run: gr.Dropdown
    compared: gr.Dropdown
    all_runs: gr.Checkbox
    log: gr.Textbox
    table: gr.HTML
    download: gr.Button
    saved: gr.DownloadButton
    delete: gr.Button
    delete_question: gr.Column
    delete_text: gr.Markdown
    really_delete: gr.Button
    do_not_delete: gr.Button
    asked: gr.State
    kept: gr.BrowserState
    has: gr.JSON
    in_sight: gr.Checkbox
    fast: gr.Timer
    slow: gr.Timer

    @property
    def inputs(self) -> list[Any]:
        """What a refresh reads, in the order of `read_page`."""
        return [self.run, self.compared, self.all_runs, self.has, self.kept]

    @property
    def outputs(self) -> list[Any]:
        """What a refresh may change."""
        return [
            self.stop, self.resume, self.status, self.offer, self.offer_text, self.use, self.use_default, self.loss,
            self.quality, self.run, self.compared, self.all_runs, self.log, self.table, self.download, self.delete, self.has,
            self.fast,
        ]  # fmt: skip


def lay_out(kept: gr.BrowserState) -> TrainView:
    """Lay the components out inside the current gr.Tab; `kept` is the model that the visitor chose."""
    timers = {
        "asked": gr.State(""),  # the run a question is about, whichever is shown by the time of the answer
        "kept": kept,
        "has": gr.JSON({}, visible="hidden"),  # kept by the browser: the stamps of what it shows
        "in_sight": gr.Checkbox(visible=False),  # told by the browser with each tick
        "fast": gr.Timer(WATCH_SECONDS, active=False),
        "slow": gr.Timer(IDLE_SECONDS),
    }
    parts = _lay_out_actions()
    with gr.Row(equal_height=False, elem_classes="train"):
        with gr.Column():
            parts |= _lay_out_status()
        with gr.Column():
            parts |= _lay_out_runs()
    return TrainView(**parts, **timers)


def _lay_out_actions() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Row(elem_classes="actions"):
        parts["start"] = gr.Button("Start training", variant="primary", size="md", elem_id="start")
        parts["tune"] = gr.Button("Tune", size="md", elem_id="tune")
        parts["stop"] = gr.Button("Stop", variant="stop", interactive=False, size="md", elem_id="stop")
        parts["resume"] = gr.Button("Resume", interactive=False, size="md", elem_id="resume")
    with gr.Column(visible=False, elem_classes="card", elem_id="stop-question") as parts["stop_question"]:
        parts["stop_text"] = gr.Markdown()
        with gr.Row(elem_classes="actions"):
            parts["keep"] = gr.Button(KEEP, variant="primary", size="sm", elem_id="stop-keep")
            parts["discard"] = gr.Button("Discard it", variant="stop", size="sm", elem_id="stop-discard")
            parts["go_on"] = gr.Button(GO_ON, size="sm", elem_id="stop-cancel")
    return parts


def _lay_out_status() -> dict[str, Any]:
    parts: dict[str, Any] = {"status": gr.HTML(elem_id="run-status")}
    parts |= lay_out_offer()
    parts |= _lay_out_run_actions()
    with gr.Row(elem_classes="plots"):
        parts["loss"] = build_live_plot(label="Loss", empty=NO_POINTS, elem_id="loss-plot")
        parts["quality"] = build_live_plot(
            label="Validation accuracy and F1", empty=NO_EVALUATION, elem_id="quality-plot"
        )
    with gr.Accordion("Log", open=False):
        parts["log"] = gr.Textbox(
            label="The run's log", show_label=False, lines=10, max_lines=10, interactive=False, elem_id="log"
        )
    return parts


def _lay_out_run_actions() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Row(elem_classes="actions"):
        parts["download"] = gr.Button("Download adapter (zip)", interactive=False, size="md", elem_id="download")
        parts["delete"] = gr.Button("Delete run", variant="stop", interactive=False, size="md", elem_id="delete")
    parts["saved"] = gr.DownloadButton("Save the zip", visible="hidden", elem_id="saved-zip")
    with gr.Column(visible=False, elem_classes="card", elem_id="delete-question") as parts["delete_question"]:
        parts["delete_text"] = gr.Markdown()
        with gr.Row(elem_classes="actions"):
            parts["really_delete"] = gr.Button("Delete it", variant="stop", size="sm", elem_id="really-delete")
            parts["do_not_delete"] = gr.Button("Keep it", size="sm")
    return parts


def _lay_out_runs() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    gr.Markdown("### Runs")
    parts["table"] = build_runs_table("runs")
    parts["all_runs"] = gr.Checkbox(
        False,
        label=f"List all runs: also those before the newest {NEWEST_RUNS}, and the trials of studies",
        visible=False,
        container=False,
        elem_id="all-runs",
    )
    parts["run"] = gr.Dropdown([], label="Run", info="The one that is shown.", elem_id="run")
    parts["compared"] = gr.Dropdown(
        [], multiselect=True, max_choices=MAX_COMPARED, label="Compare with", elem_id="compared",
        info="Lays the curves of other runs over this one's.",
    )  # fmt: skip
    return parts
