"""The tab Train: start, watch, stop and resume runs, lay their curves over each other, download and delete them.

Nothing about a run is kept here or in a visitor's session but which one is looked at: each tick of a timer reads the runs'
directories anew, so that a page that was closed, reloaded or asleep shows what there is.
"""

from functools import partial
from typing import Any

import gradio as gr

from agnews_core.errors import RunError
from agnews_core.jobs.queue import JobQueue
from agnews_core.publishing.bundle import write_model_zip
from agnews_core.runs import ACTIVE, find_run, list_runs
from agnews_core.runs.overview import find_active, find_place, find_shown_run, summarize_runs
from agnews_core.runs.presets import describe_settings
from agnews_core.runs.snapshot import Snapshot, compute_progress, read_log_tail, take_snapshot
from agnews_core.ui.configure_tab import SettingControls, read_config
from agnews_core.ui.errors import find_problem, toasts
from agnews_core.ui.events import ACTION, QUIET
from agnews_core.ui.plots import build_loss_figure, build_quality_figure
from agnews_core.ui.run_status import NOTHING, format_place, format_status
from agnews_core.ui.runs_table import format_runs
from agnews_core.ui.train_view import TrainView, lay_out
from agnews_core.ui.visitor import find_current_visitor

QUESTION_RUNNING = "**Stop run {name} after its current step?** Keep the best model so far, or discard it."
QUESTION_WAITING = "**Take run {name} out of the line?** It has not begun, so there is no model yet to keep or discard."
TELL_SIGHT = "(_, ...rest) => [document.querySelector('#run-status')?.offsetParent != null, ...rest]"
Updates = dict[Any, Any]


def build_tab(queue: JobQueue, settings: SettingControls) -> TrainView:
    """Lay out the tab inside the current gr.Tab and wire its events."""
    view = lay_out()
    _wire_refresh(queue, view)
    _wire_start(queue, settings, view)
    _wire_stop(queue, view)
    _wire_runs(queue, view)
    _wire_delete(queue, view)
    return view


def _wire_refresh(queue: JobQueue, view: TrainView) -> None:
    refresh = partial(refresh_view, queue, view)
    for chosen in (view.run.input, view.compared.input):
        chosen(toasts(refresh), view.inputs, view.outputs, **QUIET)

    def watch(in_sight: bool, name: str | None, compared: list[str], seen: Updates) -> Updates:
        return refresh(name, compared, seen) if in_sight else {view.fast: gr.Timer(active=False)}

    # Each tick tells whether the tab is in sight: a page that shows another one costs next to nothing, and no answer that
    # comes late can leave a page that shows this one without news.
    for timer in (view.fast, view.slow):
        timer.tick(toasts(watch), [view.in_sight, *view.inputs], view.outputs, js=TELL_SIGHT, **QUIET)

    def attach() -> Updates:
        return {**refresh_view(queue, view, None, [], {}), view.fast: gr.Timer(active=False)}

    context = gr.context.Context.root_block
    context.load(toasts(attach), None, view.outputs, **QUIET)


def wire_visits(queue: JobQueue, view: TrainView, tab: gr.Tab) -> None:
    """Show the news as soon as the tab is opened."""
    tab.select(toasts(partial(refresh_view, queue, view)), view.inputs, view.outputs, **QUIET)


def refresh_view(
    queue: JobQueue, view: TrainView, name: str | None, compared: list[str] | None, seen: Updates
) -> Updates:
    """Return what has changed since a page last looked; `seen` remembers what that was."""
    run = find_shown_run(queue.runs_dir, name)
    if run is None:
        return _show_nothing(view)
    snapshot = take_snapshot(run)
    seen = dict(seen or {})
    updates: Updates = {view.seen: seen, view.fast: gr.Timer(active=find_active(queue.runs_dir) is not None)}
    updates |= _show_status(queue, view, snapshot)
    updates |= _show_curves(queue, view, snapshot, compared=compared or [], seen=seen)
    updates |= _show_runs(queue, view, (name, run.name), compared=compared or [], seen=seen)
    log = read_log_tail(run)
    if seen.get("log") != hash(log):
        seen["log"] = hash(log)
        updates[view.log] = log
    return updates


def _point_at(queue: JobQueue, view: TrainView, name: str) -> Updates:
    """Look at another run than the one that was chosen."""
    names = [run.name for run in list_runs(queue.runs_dir)]
    return {**refresh_view(queue, view, name, [], {}), view.run: gr.Dropdown(names, value=name)}


def _show_nothing(view: TrainView) -> Updates:
    off = gr.Button(interactive=False)
    empty: Updates = {view.status: NOTHING, view.loss: "", view.quality: "", view.log: "", view.table: ""}
    buttons = dict.fromkeys((view.stop, view.resume, view.download, view.delete), off)
    no_run = {view.run: gr.Dropdown([], value=None), view.compared: gr.Dropdown([], value=[])}
    return {**empty, **buttons, **no_run, view.seen: {}, view.fast: gr.Timer(active=False)}


def _show_status(queue: JobQueue, view: TrainView, snapshot: Snapshot) -> Updates:
    state, name = snapshot.status.state, snapshot.run.name
    ahead = find_place(queue.runs_dir, name) if state == "queued" else 0
    return {
        view.status: format_status(snapshot, compute_progress(snapshot), ahead=ahead),
        view.stop: gr.Button(interactive=state in ACTIVE),
        view.resume: gr.Button(interactive=snapshot.run.can_resume(state)),
        view.delete: gr.Button(interactive=state not in ACTIVE),
        view.download: gr.Button(interactive=snapshot.run.has_model()),
    }


def _show_curves(
    queue: JobQueue, view: TrainView, snapshot: Snapshot, *, compared: list[str], seen: Updates
) -> Updates:
    """Return new figures only when there is a new point: sent again, they would flicker."""
    # Others may have been deleted by somebody else.
    others = [take_snapshot(run) for run in list_runs(queue.runs_dir) if run.name in compared and run != snapshot.run]
    stamp = "|".join(one.curve_stamp for one in (snapshot, *others))
    if seen.get("curves") == stamp:
        return {}
    seen["curves"] = stamp
    runs = {one.run.name: one.rows for one in (snapshot, *others)}
    if not any(runs.values()):
        return {view.loss: "", view.quality: ""}
    is_evaluated = any("eval_accuracy" in row for rows in runs.values() for row in rows)
    quality = build_quality_figure(runs).to_json() if is_evaluated else ""
    return {view.loss: build_loss_figure(runs).to_json(), view.quality: quality}


def _show_runs(
    queue: JobQueue, view: TrainView, given_and_shown: tuple[str | None, str], *, compared: list[str], seen: Updates
) -> Updates:
    given, name = given_and_shown
    summaries = summarize_runs(queue.runs_dir)
    names, table = [summary.name for summary in summaries], format_runs(summaries, shown=name)
    updates: Updates = {}
    if seen.get("table") != hash(table):
        seen["table"] = hash(table)
        updates[view.table] = table
    if seen.get("names") != [names, name]:
        seen["names"] = [names, name]
        # A visitor's choice is left alone: it may have changed since this refresh set out.
        updates[view.run] = gr.Dropdown(names) if given == name else gr.Dropdown(names, value=name)
        others = [other for other in names if other != name]
        updates[view.compared] = gr.Dropdown(others, value=[other for other in compared if other in others])
    return updates


def _wire_start(queue: JobQueue, settings: SettingControls, view: TrainView) -> None:
    def start(values: dict[Any, Any]) -> Updates:
        config = read_config(settings, values)
        run = queue.start(config, by=find_current_visitor())
        ahead = find_place(queue.runs_dir, run.name)
        gr.Info(f"Run {run.name} is {format_place(ahead)}." if ahead else f"Run {run.name} starts.", title="Training")
        return _point_at(queue, view, run.name)

    def describe(values: dict[Any, Any]) -> str:
        config, problem = find_problem(lambda: read_config(settings, values))
        told = f"Trains with {describe_settings(config)}." if config else f"Not ready: {problem}"
        return f"{told} Change that under **Configure**."

    view.start.click(toasts(start), settings.inputs, view.outputs, **ACTION)
    settings.on_change(toasts(describe), view.plan)


def _wire_stop(queue: JobQueue, view: TrainView) -> None:
    def ask(name: str | None) -> Updates:
        if not name:
            raise RunError("There is no run to stop.")
        waits = find_run(queue.runs_dir, name).read_status().state == "queued"
        text = QUESTION_WAITING.format(name=name) if waits else QUESTION_RUNNING.format(name=name)
        return {view.stop_question: gr.Column(visible=True), view.stop_text: text, view.asked: name}

    def close() -> gr.Column:
        return gr.Column(visible=False)

    def stop(keep: bool, asked: str, name: str | None, compared: list[str], seen: Updates) -> Updates:
        queue.stop(asked, by=find_current_visitor(), keep=keep)
        return {view.stop_question: close(), **refresh_view(queue, view, name, compared, seen)}

    def resume(name: str | None, compared: list[str], seen: Updates) -> Updates:
        run = queue.resume(name or "", by=find_current_visitor())
        return refresh_view(queue, view, run.name, compared, seen)

    view.stop.click(toasts(ask), view.run, [view.stop_question, view.stop_text, view.asked], **ACTION)
    view.go_on.click(close, None, view.stop_question, **ACTION)
    for button, keep in ((view.keep, True), (view.discard, False)):
        outputs = [view.stop_question, *view.outputs]
        button.click(toasts(partial(stop, keep)), [view.asked, *view.inputs], outputs, **ACTION)
    view.resume.click(toasts(resume), view.inputs, view.outputs, **ACTION)


def _wire_runs(queue: JobQueue, view: TrainView) -> None:
    def choose(event: gr.EventData) -> Updates:
        return _point_at(queue, view, str(event.run))

    def pack(name: str | None) -> gr.DownloadButton:
        return gr.DownloadButton(value=write_model_zip(find_run(queue.runs_dir, name or ""), by=find_current_visitor()))

    view.table.select(toasts(choose), None, view.outputs, **ACTION)
    packed = view.download.click(toasts(pack), view.run, view.saved, **ACTION)
    packed.success(None, js="() => document.querySelector('#saved-zip').click()")


def _wire_delete(queue: JobQueue, view: TrainView) -> None:
    def ask(name: str | None) -> Updates:
        if not name:
            raise RunError("There is no run to delete.")
        text = f"**Delete run {name}** with its model, curves and report? This cannot be undone."
        return {view.delete_question: gr.Column(visible=True), view.delete_text: text, view.asked: name}

    def close() -> gr.Column:
        return gr.Column(visible=False)

    def delete(asked: str, name: str | None, compared: list[str], seen: Updates) -> Updates:
        queue.delete(asked, by=find_current_visitor())
        return {view.delete_question: close(), **refresh_view(queue, view, name, compared, seen)}

    view.delete.click(toasts(ask), view.run, [view.delete_question, view.delete_text, view.asked], **ACTION)
    view.do_not_delete.click(close, None, view.delete_question, **ACTION)
    outputs = [view.delete_question, *view.outputs]
    view.really_delete.click(toasts(delete), [view.asked, *view.inputs], outputs, **ACTION)
