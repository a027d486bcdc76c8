"""What Tuning, beside the runs under Train, is made of: its components, laid out. What they do is in `tune_tab`."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from agnews_core.ui.live_plot import build_live_plot
from agnews_core.ui.runs_table import build_runs_table
from agnews_core.ui.study_plots import ACROSS, FEWEST_LINES

LOOK_SECONDS = 3.0  # a trial takes longer
DEFAULT_MINUTES = 30
WHAT_IT_IS = (
    "Tuning searches for settings that do better than those under Configure: many short runs, in the queue like any other. "
    "You can close this page meanwhile. It chooses by one half of the validation texts and reports on the other."
)


@dataclass(frozen=True)
class TuneView:
    """The components that an event reads or changes."""

    minutes: gr.Number
    buys: gr.HTML
    start: gr.Button
    study: gr.Dropdown
    results: gr.Column
    status: gr.HTML
    use: gr.Button
    stop: gr.Button
    resume: gr.Button
    delete: gr.Button
    delete_question: gr.Column
    delete_text: gr.Markdown
    really_delete: gr.Button
    do_not_delete: gr.Button
    across: gr.Radio
    points: gr.HTML
    lines: gr.HTML
    trials: gr.HTML
    asked: gr.State
    has: gr.JSON
    in_sight: gr.Checkbox
    timer: gr.Timer

    @property
    def inputs(self) -> list[Any]:
        """What a refresh reads, in the order of `read_page`."""
        return [self.study, self.across, self.has]

    @property
    def outputs(self) -> list[Any]:
        """What a refresh may change."""
        return [
            self.study, self.results, self.status, self.use, self.stop, self.resume, self.delete, self.points, self.lines,
            self.trials, self.has,
        ]  # fmt: skip


def lay_out() -> TuneView:
    """Lay the components out inside the current gr.Tab."""
    parts = _lay_out_start()
    parts["status"] = gr.HTML(elem_id="study-status")
    with gr.Column(visible=False) as parts["results"]:
        parts |= _lay_out_actions()
        parts |= _lay_out_trials()
    return TuneView(
        **parts,
        asked=gr.State(""),  # the study a question is about, whichever is shown by the time of the answer
        has=gr.JSON({}, visible="hidden"),  # kept by the browser: the stamps of what it shows
        in_sight=gr.Checkbox(visible=False),  # told by the browser with each tick
        timer=gr.Timer(LOOK_SECONDS),
    )


def _lay_out_start() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    gr.Markdown(WHAT_IT_IS, elem_classes="hint")
    with gr.Row():
        parts["minutes"] = gr.Number(
            DEFAULT_MINUTES, label="Minutes it may take", info="The comparison at the end included.", scale=0, min_width=320,
            elem_id="tune-minutes",
        )  # fmt: skip
    parts["buys"] = gr.HTML(elem_id="tune-buys", padding=False)
    with gr.Row(elem_classes="actions"):
        parts["start"] = gr.Button("Start tuning", variant="primary", size="md", elem_id="tune-start")
    parts["study"] = gr.Dropdown([], label="Study", info="The one that is shown below.", visible=False, elem_id="study")
    return parts


def _lay_out_actions() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Row(elem_classes="actions"):
        parts["use"] = gr.Button("Use these settings", interactive=False, size="md", elem_id="use-settings")
        parts["stop"] = gr.Button("Stop", variant="stop", interactive=False, size="md", elem_id="stop-study")
        parts["resume"] = gr.Button("Resume", interactive=False, size="md", elem_id="resume-study")
        parts["delete"] = gr.Button(
            "Delete study", variant="stop", interactive=False, size="md", elem_id="delete-study"
        )
    with gr.Column(visible=False, elem_classes="card", elem_id="delete-study-question") as parts["delete_question"]:
        parts["delete_text"] = gr.Markdown()
        with gr.Row(elem_classes="actions"):
            parts["really_delete"] = gr.Button(
                "Delete it all", variant="stop", size="sm", elem_id="really-delete-study"
            )
            parts["do_not_delete"] = gr.Button("Keep it", size="sm")
    return parts


def _lay_out_trials() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    parts["across"] = gr.Radio(
        [(f"Across {name}", name) for name in ACROSS],
        value=ACROSS[0], label="Across", show_label=False, elem_id="across", container=False,
    )  # fmt: skip
    parts["points"] = build_live_plot(
        label="Accuracy of each trial", empty="Points appear here as trials end.", elem_id="trials-plot"
    )
    parts["lines"] = build_live_plot(
        label="Settings of each trial, and its accuracy",
        empty=f"Lines appear here once {FEWEST_LINES} trials have come to their end.",
        elem_id="lines-plot",
    )
    gr.Markdown("### Trials")
    parts["trials"] = build_runs_table("trials")
    return parts
