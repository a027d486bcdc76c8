"""What a page that shows Train has, and what has changed since."""

from functools import lru_cache
from typing import Annotated

import gradio as gr
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agnews_core.inference.catalogue import find_bundled
from agnews_core.runs import ACTIVE
from agnews_core.runs.metrics import Metrics
from agnews_core.runs.overview import Overview
from agnews_core.runs.snapshot import Snapshot, find_log_stamp, read_log_tail
from agnews_core.ui.models import DEFAULT, read_kept
from agnews_core.ui.plots import build_loss_figure, build_quality_figure
from agnews_core.ui.run_offer import CHOSEN, format_offer
from agnews_core.ui.run_status import NOTHING, format_status
from agnews_core.ui.runs_table import format_runs
from agnews_core.ui.stamped import Part, Updates, make_stamp, send
from agnews_core.ui.train_view import MAX_COMPARED, NEWEST_RUNS, TrainView
from agnews_core.ui.visitor import find_current_visitor

ANY_TEXTS = "the validation texts"  # of runs that were evaluated on different ones, or before it was recorded


class TrainPage(BaseModel):
    """What a visitor's page shows: a run, others laid over it, all runs or the newest; `has` are the stamps of its parts.

    `chosen` is the key of the model that answers in this visitor's browser.
    """

    model_config = ConfigDict(frozen=True)

    run: str | None = None
    compared: Annotated[list[str], Field(max_length=MAX_COMPARED)] = []
    all_runs: bool = False
    has: dict[str, str] = {}
    chosen: str = DEFAULT


def read_page(run: object, compared: object, all_runs: object, has: object, kept: object) -> TrainPage:
    """Return what a page sent; one that is not ours is shown everything from the start."""
    values = {
        "run": run,
        "compared": compared or [],
        "all_runs": all_runs or False,
        "has": has or {},
        "chosen": read_kept(kept),
    }
    try:
        return TrainPage.model_validate(values)
    except ValidationError:
        return TrainPage()


def refresh(overview: Overview, view: TrainView, page: TrainPage, *, show: str | None = None) -> Updates:
    """Return what a page lacks.

    Args:
        overview: All runs as they are.
        view: The components.
        page: What the page has.
        show: The run to show from now on; otherwise the one that it shows.
    """
    shown = overview.find_shown(show or page.run)
    parts = _list_parts(overview, view, page, shown) if shown else _list_empty_parts(view)
    return send(parts, view.has, page.has)


def pause(view: TrainView, page: TrainPage) -> Updates:
    """Return what makes a page that nobody looks at ask seldom."""
    if page.has.get("pace") != "fast":
        return {view.has: gr.skip()}
    return {view.has: {**page.has, "pace": "slow"}, view.fast: gr.Timer(active=False)}


def _list_empty_parts(view: TrainView) -> dict[str, Part]:
    def build() -> Updates:
        off: Updates = dict.fromkeys((view.stop, view.resume, view.download, view.delete), gr.Button(interactive=False))
        off[view.offer] = gr.Column(visible=False)
        texts = {view.status: NOTHING, view.loss: "", view.quality: "", view.log: "", view.table: ""}
        no_run = {view.run: gr.Dropdown([], value=None), view.compared: gr.Dropdown([], value=[], multiselect=True)}
        return {**off, **texts, **no_run, view.all_runs: gr.Checkbox(visible=False), view.fast: gr.Timer(active=False)}

    return {"nothing": Part("", build)}


def _list_parts(overview: Overview, view: TrainView, page: TrainPage, shown: Snapshot) -> dict[str, Part]:
    state, run = shown.status.state, shown.run
    status = format_status(shown, ahead=overview.count_ahead(run.name) if state == "queued" else 0)
    pace = "fast" if overview.find_active() else "slow"
    log = f"{run.name}{find_log_stamp(run)}"
    return {
        "status": Part(make_stamp(status), lambda: {view.status: status}),
        "buttons": _build_buttons(view, shown),
        "offer": _build_offer(view, shown, page),
        **_build_figures(overview, view, page, shown),
        "log": Part(log, lambda: {view.log: read_log_tail(run)}),
        **_build_runs(overview, view, page, shown),
        "pace": Part(pace, lambda: {view.fast: gr.Timer(active=pace == "fast")}),
    }


def _build_buttons(view: TrainView, shown: Snapshot) -> Part:
    state, is_own = shown.status.state, find_current_visitor().owns(shown.status)
    pressable = {
        view.stop: is_own and state in ACTIVE,
        view.resume: is_own and shown.run.can_resume(state),
        view.delete: is_own and state not in ACTIVE,
        view.download: is_own and shown.run.has_model(),
    }
    return Part(
        make_stamp(*pressable.values()),
        lambda: {button: gr.Button(interactive=is_pressable) for button, is_pressable in pressable.items()},
    )


def _build_offer(view: TrainView, shown: Snapshot, page: TrainPage) -> Part:
    """Return what a finished run says to the visitor whose run it is."""
    is_ready = shown.status.state == "finished" and shown.run.has_model()
    is_offered = is_ready and find_current_visitor().owns(shown.status)
    is_chosen = page.chosen == f"run/{shown.run.name}"

    def offer() -> Updates:
        text = CHOSEN if is_chosen else format_offer(shown.status.result, find_bundled())
        return {
            view.offer: gr.Column(visible=True),
            view.offer_text: text,
            view.use: gr.Button(visible=not is_chosen),
            view.use_default: gr.Button(visible=is_chosen),
        }

    if is_offered:
        return Part(make_stamp(shown.run.name, is_chosen), offer)
    return Part("", lambda: {view.offer: gr.Column(visible=False)})


def _build_figures(overview: Overview, view: TrainView, page: TrainPage, shown: Snapshot) -> dict[str, Part]:
    """Return the two figures, each sent only for a new point of its own: sent again, they would flicker."""
    others = [one for one in overview.snapshots if one.run.name in page.compared and one is not shown]
    runs = tuple((one.run.name, one.metrics) for one in (shown, *others))
    loss = make_stamp(*((name, metrics.loss.stamp, metrics.eval_loss.stamp) for name, metrics in runs))
    named = {one.evaluations.texts if one.evaluations else ANY_TEXTS for one in (shown, *others)}
    texts = named.pop() if len(named) == 1 else ANY_TEXTS
    quality = make_stamp(texts, *((name, metrics.eval_accuracy.stamp, metrics.eval_f1.stamp) for name, metrics in runs))
    return {
        "loss": Part(loss, lambda: {view.loss: _draw_loss(runs)}),
        "quality": Part(quality, lambda: {view.quality: _draw_quality(runs, texts)}),
    }


@lru_cache(maxsize=16)  # those who look at the same runs share their figures
def _draw_loss(runs: tuple[tuple[str, Metrics], ...]) -> str:
    drawn = any(metrics.loss.n or metrics.eval_loss.n for _, metrics in runs)
    return build_loss_figure(dict(runs)).to_json() if drawn else ""


@lru_cache(maxsize=16)
def _draw_quality(runs: tuple[tuple[str, Metrics], ...], texts: str) -> str:
    drawn = any(metrics.eval_accuracy.n for _, metrics in runs)
    return build_quality_figure(dict(runs), texts=texts).to_json() if drawn else ""


def _build_runs(overview: Overview, view: TrainView, page: TrainPage, shown: Snapshot) -> dict[str, Part]:
    """Return the table and the two choices of a run: all runs, or the newest but for trials, and those that are shown."""
    chosen = {shown.run.name, *page.compared}
    newest = [one.run.name for one in overview.snapshots if not one.status.study][:NEWEST_RUNS]
    in_sight = {*newest, *chosen}
    listed = [one for one in overview.snapshots if page.all_runs or one.run.name in in_sight]
    has_more = any(one.run.name not in in_sight for one in overview.snapshots)
    names = [one.run.name for one in listed]
    table = format_runs([one.summary for one in listed], shown=shown.run.name)
    others = [name for name in names if name != shown.run.name]
    compared = [name for name in page.compared if name in others]

    def choose() -> Updates:
        # A visitor's choice is left alone: it may have changed since this refresh set out.
        return {
            view.run: gr.Dropdown(names, **({} if page.run == shown.run.name else {"value": shown.run.name})),
            view.compared: gr.Dropdown(
                others, multiselect=True, **({} if compared == page.compared else {"value": compared})
            ),
            view.all_runs: gr.Checkbox(visible=has_more),
        }

    return {
        "table": Part(make_stamp(table), lambda: {view.table: table}),
        "choices": Part(make_stamp(*names, shown.run.name, has_more), choose),
    }
