"""The table of runs: a line for each, newest first, whose name is a button that shows the run."""

from collections.abc import Iterable, Sequence
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


def build_runs_table(elem_id: str) -> gr.HTML:
    """Build the component; its `select` event has the name that was pressed as `run`."""
    return gr.HTML(elem_id=elem_id, elem_classes="runs", js_on_load=_SCRIPT)


def format_runs(summaries: Sequence[RunSummary], *, shown: str) -> str:
    """Format the runs as a table; the one that is shown is marked."""
    if not summaries:
        return ""
    return build_rows(HEADERS, (_list_cells(one, is_shown=one.name == shown) for one in summaries), label="Runs")


def build_rows(headers: Sequence[str], rows: Iterable[Sequence[str]], *, label: str) -> str:
    """Build a table of cells that are HTML already; the last one is as wide as the page allows."""
    head = "".join(f'<th scope="col">{name}</th>' for name in headers)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for cells in rows)
    return (
        f'<div class="rows texts" tabindex="0" role="region" aria-label="{label}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def build_run_button(name: str, *, is_shown: bool) -> str:
    """Build a run's name as a button that shows the run."""
    pressed = str(is_shown).lower()
    return f'<button type="button" class="run-name" data-run="{escape(name)}" aria-pressed="{pressed}">{escape(name)}</button>'


def _list_cells(summary: RunSummary, *, is_shown: bool) -> tuple[str, ...]:
    state = f'<span class="state state-{summary.state}">{STATE_WORDS[summary.state]}</span>'
    accuracy = "–" if summary.best_accuracy is None else f"{summary.best_accuracy:.1%}"
    different = f"{summary.preset}: {summary.differences}" if summary.differences else summary.preset
    return build_run_button(summary.name, is_shown=is_shown), state, accuracy, _format_time(summary), escape(different)


def _format_time(summary: RunSummary) -> str:
    """Format the time by the minute while a run goes on, so that the table changes rarely."""
    if summary.state != "running" or summary.seconds is None:
        return format_seconds(summary.seconds)
    return (
        "under 1 min" if summary.seconds < 60 else f"{format_seconds(summary.seconds // 60 * 60).removesuffix(' 0 s')}"
    )
