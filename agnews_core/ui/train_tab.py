"""The tab Train: start, watch, stop and resume runs, lay their curves over each other, download and delete them.

Each tick of a timer asks what has changed (`train_page`); the runs' directories are read once for all who watch.
"""

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from agnews_core.config import TrainConfig
from agnews_core.errors import RunError
from agnews_core.jobs.queue import JobQueue
from agnews_core.libraries import import_libraries
from agnews_core.publishing.bundle import write_model_zip
from agnews_core.runs import find_run
from agnews_core.runs.overview import SHARED_SECONDS, RunsWatch
from agnews_core.tuning.studies import Studies
from agnews_core.ui import tune_tab
from agnews_core.ui.components import show_toast
from agnews_core.ui.events import ACTION, PRIVATE, QUIET
from agnews_core.ui.models import find_selects
from agnews_core.ui.run_offer import USE_DEFAULT, USE_RUN
from agnews_core.ui.run_status import format_place
from agnews_core.ui.setting_controls import SettingControls, read_config
from agnews_core.ui.stamped import Updates
from agnews_core.ui.train_page import TrainPage, pause, read_page, refresh
from agnews_core.ui.train_view import GO_ON, KEEP, TrainView, lay_out
from agnews_core.ui.visitor import find_current_visitor

QUESTION_RUNNING = "**Stop run {name} after its current step?** Keep the best model so far, or discard it."
QUESTION_WAITING = "**Remove run {name} from the queue?** It has not started yet."
TELL_SIGHT = "(_, ...rest) => [document.querySelector('#run-status')?.offsetParent != null, ...rest]"


def build_tab(studies: Studies, settings: SettingControls, kept: gr.BrowserState, tabs: gr.Tabs) -> None:
    """Lay out the tab inside the current gr.Tab and wire its events.

    Args:
        studies: Starts and stops studies, and has the queue of runs.
        settings: The controls under Configure.
        kept: The model that the visitor chose.
        tabs: The page's.
    """
    queue, watch = studies.queue, RunsWatch(studies.queue.runs_dir)
    settings.sentence.render()
    with gr.Tabs(selected="runs") as parts:
        with gr.Tab("Runs", id="runs"):
            view = lay_out(kept)
            _wire_refresh(watch, view)
            _wire_start(queue, watch, settings, view)
            _wire_stop(queue, watch, view)
            _wire_runs(watch, view)
            _wire_offer(view)
            _wire_delete(queue, watch, view)
        with gr.Tab("Tuning", id="tuning"):
            tuning = tune_tab.build_tab(studies, watch, settings, tabs)
    _wire_tuning(watch, view, tuning.trials, parts)


def _wire_tuning(watch: RunsWatch, view: TrainView, trials: gr.HTML, parts: gr.Tabs) -> None:
    """Lead from the runs to Tuning, and from a trial of it to the run that it is."""

    def show(kept: object, event: gr.EventData) -> Updates:
        page = read_page(None, [], False, {}, kept)
        return {parts: gr.Tabs(selected="runs"), **refresh(watch.look(), view, page, show=str(event.run))}

    view.tune.click(lambda: gr.Tabs(selected="tuning"), None, parts, **QUIET)
    trials.select(show, view.kept, [parts, *view.outputs], **ACTION)


def _wire_refresh(watch: RunsWatch, view: TrainView) -> None:
    def choose(run: str | None, compared: list[str], all_runs: bool, _: object, kept: object) -> Updates:
        # All is sent anew: an answer to an earlier question may still be on its way.
        return refresh(watch.look(), view, read_page(run, compared, all_runs, {}, kept))

    def tick(in_sight: bool, *sent: Any) -> Updates:
        page = read_page(*sent)
        return refresh(watch.look(max_age_seconds=SHARED_SECONDS), view, page) if in_sight else pause(view, page)

    for chosen in (view.run.input, view.compared.input, view.all_runs.input, *find_selects()):
        chosen(choose, view.inputs, view.outputs, **QUIET)
    # Each tick tells whether the tab is in sight: a page that shows another one costs next to nothing, and no answer that
    # comes late can leave a page that shows this one without news.
    for moment in (view.fast.tick, view.slow.tick, view.kept.change):
        moment(tick, [view.in_sight, *view.inputs], view.outputs, js=TELL_SIGHT, **QUIET)


def _check_ready(config: TrainConfig, runs_dir: Path) -> None:
    import_libraries()
    from agnews_core.training.resolve import check_ready

    check_ready(config, runs_dir=runs_dir)


def _wire_start(queue: JobQueue, watch: RunsWatch, settings: SettingControls, view: TrainView) -> None:
    def start(values: dict[Any, Any]) -> Updates:
        config = read_config(settings, values)
        _check_ready(config, queue.runs_dir)
        run = queue.start(config, by=find_current_visitor())
        overview = watch.look()
        ahead = overview.count_ahead(run.name)
        show_toast(f"Run {run.name}: {format_place(ahead)}." if ahead else f"Run {run.name} starts.", title="Training")
        return refresh(overview, view, TrainPage(), show=run.name)

    view.start.click(start, settings.inputs, view.outputs, **ACTION)


def _wire_stop(queue: JobQueue, watch: RunsWatch, view: TrainView) -> None:
    def ask(name: str | None) -> Updates:
        if not name:
            raise RunError("There is no run to stop.")
        waits = find_run(queue.runs_dir, name).read_status().state == "queued"
        return {
            view.stop_question: gr.Column(visible=True),
            view.stop_text: (QUESTION_WAITING if waits else QUESTION_RUNNING).format(name=name),
            view.asked: name,
            view.keep: gr.Button("Remove it from the queue" if waits else KEEP),
            view.discard: gr.Button(visible=not waits),
            view.go_on: gr.Button("Leave it there" if waits else GO_ON),
        }

    def stop(keep: bool, asked: str, *sent: Any) -> Updates:
        queue.stop(asked, by=find_current_visitor(), keep=keep)
        return {view.stop_question: _close(), **refresh(watch.look(), view, read_page(*sent))}

    def resume(*sent: Any) -> Updates:
        page = read_page(*sent)
        queue.resume(page.run or "", by=find_current_visitor())
        return refresh(watch.look(), view, page)

    question = [view.stop_question, view.stop_text, view.asked, view.keep, view.discard, view.go_on]
    view.stop.click(ask, view.run, question, **ACTION)
    view.go_on.click(_close, None, view.stop_question, **ACTION)
    for button, keep in ((view.keep, True), (view.discard, False)):
        outputs = [view.stop_question, *view.outputs]
        button.click(partial(stop, keep), [view.asked, *view.inputs], outputs, **ACTION)
    view.resume.click(resume, view.inputs, view.outputs, **ACTION)


def _wire_runs(watch: RunsWatch, view: TrainView) -> None:
    def choose(all_runs: bool, kept: object, event: gr.EventData) -> Updates:
        return refresh(watch.look(), view, read_page(None, [], all_runs, {}, kept), show=str(event.run))

    def pack(name: str | None) -> gr.DownloadButton:
        return gr.DownloadButton(value=write_model_zip(find_run(watch.runs_dir, name or ""), by=find_current_visitor()))

    view.table.select(choose, [view.all_runs, view.kept], view.outputs, **ACTION)
    packed = view.download.click(pack, view.run, view.saved, **ACTION)
    packed.success(None, js="() => document.querySelector('#saved-zip').click()")


def _wire_offer(view: TrainView) -> None:
    view.use.click(None, view.run, view.kept, js=USE_RUN, **PRIVATE)
    view.use_default.click(None, None, view.kept, js=USE_DEFAULT, **PRIVATE)


def _wire_delete(queue: JobQueue, watch: RunsWatch, view: TrainView) -> None:
    def ask(name: str | None) -> Updates:
        if not name:
            raise RunError("There is no run to delete.")
        text = f"**Delete run {name}** with its model, curves and report? This cannot be undone."
        return {view.delete_question: gr.Column(visible=True), view.delete_text: text, view.asked: name}

    def delete(asked: str, *sent: Any) -> Updates:
        queue.delete(asked, by=find_current_visitor())
        return {view.delete_question: _close(), **refresh(watch.look(), view, read_page(*sent))}

    view.delete.click(ask, view.run, [view.delete_question, view.delete_text, view.asked], **ACTION)
    view.do_not_delete.click(_close, None, view.delete_question, **ACTION)
    outputs = [view.delete_question, *view.outputs]
    view.really_delete.click(delete, [view.asked, *view.inputs], outputs, **ACTION)


def _close() -> gr.Column:
    return gr.Column(visible=False)
