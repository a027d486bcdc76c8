"""The table of runs: a line for each, newest first, whose name is a button that shows the run."""

from collections.abc import Sequence
from html import escape

import gradio as gr

from agnews_core.runs.snapshot import RunSummary
from agnews_core.ui.run_status import STATE_WORDS, format_seconds

HEADERS = ("Run", "Status", "Best accuracy", "Time", "Differs from the preset")
_SCRIPT = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-run]');
  if (button) trigger('select', {run: button.dataset.run});
});
"""


def build_runs_table() -> gr.HTML:
    """Build the component; its `select` event has the name that was pressed as `run`."""
    return gr.HTML(elem_id="runs", js_on_load=_SCRIPT)


def format_runs(summaries: Sequence[RunSummary], *, shown: str) -> str:
    """Format the runs as a table; the one that is shown is marked."""
    if not summaries:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in HEADERS)
    rows = "".join(_format_row(summary, is_shown=summary.name == shown) for summary in summaries)
    return (
        '<div class="rows texts" tabindex="0" role="region" aria-label="Runs"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _format_row(summary: RunSummary, *, is_shown: bool) -> str:
    name = escape(summary.name)
    button = f'<button type="button" class="run-name" data-run="{name}" aria-pressed="{str(is_shown).lower()}">{name}</button>'
    state = f'<span class="state state-{summary.state}">{STATE_WORDS[summary.state]}</span>'
    accuracy = "–" if summary.best_accuracy is None else f"{summary.best_accuracy:.1%}"
    different = f"{summary.preset}: {summary.differences}" if summary.differences else summary.preset
    cells = (button, state, accuracy, _format_time(summary), escape(different))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _format_time(summary: RunSummary) -> str:
    """Format the time by the minute while a run goes on, so that the table changes rarely."""
    if summary.state != "running" or summary.seconds is None:
        return format_seconds(summary.seconds)
    return (
        "under 1 min" if summary.seconds < 60 else f"{format_seconds(summary.seconds // 60 * 60).removesuffix(' 0 s')}"
    )
