"""The table of runs: a line for each, newest first, whose name is a button that shows the run."""

from collections.abc import Sequence

import gradio as gr
from markupsafe import Markup

from agnews_core.runs.snapshot import RunSummary
from agnews_core.ui.components import build_pill, build_table
from agnews_core.ui.run_status import STATE_WORDS, format_seconds

HEADERS = ("Run", "Status", "Best accuracy", "Time", "Differs from the preset")
_SCRIPT = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-run]');
  if (button) trigger('select', {run: button.dataset.run});
});
"""


def build_runs_table(elem_id: str) -> gr.HTML:
    """Build the component; its `select` event has the name that was pressed as `run`."""
    return gr.HTML(elem_id=elem_id, elem_classes="runs", js_on_load=_SCRIPT)


def format_runs(summaries: Sequence[RunSummary], *, shown: str) -> str:
    """Format the runs as a table; the one that is shown is marked."""
    if not summaries:
        return ""
    return build_table(HEADERS, (_list_cells(one, is_shown=one.name == shown) for one in summaries), label="Runs")


def build_run_button(name: str, *, is_shown: bool) -> Markup:
    """Build a run's name as a button that shows the run."""
    return Markup('<button type="button" class="run-name" data-run="{}" aria-pressed="{}">{}</button>').format(
        name, str(is_shown).lower(), name
    )


def _list_cells(summary: RunSummary, *, is_shown: bool) -> tuple[str, ...]:
    state = build_pill(STATE_WORDS[summary.state], kind=summary.state)
    accuracy = "–" if summary.best_accuracy is None else f"{summary.best_accuracy:.1%}"
    different = f"{summary.preset}: {summary.differences}" if summary.differences else summary.preset
    return build_run_button(summary.name, is_shown=is_shown), state, accuracy, _format_time(summary), different


def _format_time(summary: RunSummary) -> str:
    """Format the time by the minute while a run goes on, so that the table changes rarely."""
    if summary.state != "running" or summary.seconds is None:
        return format_seconds(summary.seconds)
    return (
        "under 1 min" if summary.seconds < 60 else f"{format_seconds(summary.seconds // 60 * 60).removesuffix(' 0 s')}"
    )
