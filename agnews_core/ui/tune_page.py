"""What a page that shows Tuning has, and what has changed since."""

from functools import lru_cache
from typing import Literal

import gradio as gr
from pydantic import BaseModel, ConfigDict, ValidationError

from agnews_core.errors import RunError
from agnews_core.runs.overview import Overview
from agnews_core.tuning.study import RESUMABLE, Study, StudyStatus
from agnews_core.ui.components import build_notice
from agnews_core.ui.stamped import Part, Updates, make_stamp, send
from agnews_core.ui.study_plots import Across, build_lines_figure, build_trials_figure
from agnews_core.ui.study_status import NOTHING, find_winner, format_study, format_trials
from agnews_core.ui.tune_view import TuneView
from agnews_core.ui.visitor import find_current_visitor


class TunePage(BaseModel):
    """What a visitor's page shows: a study, and its trials across time or learning rate; `has` are the stamps of its parts."""

    model_config = ConfigDict(frozen=True)

    study: str | None = None
    across: Across = "time"
    has: dict[str, str] = {}


def read_page(study: object, across: object, has: object) -> TunePage:
    """Return what a page sent; one that is not ours is shown everything from the start."""
    try:
        return TunePage.model_validate({"study": study, "across": across, "has": has or {}})
    except ValidationError:
        return TunePage()


def refresh(
    overview: Overview, view: TuneView, page: TunePage, studies: list[Study], *, show: str | None = None
) -> Updates:
    """Return what a page lacks.

    Args:
        overview: All runs as they are.
        view: The components.
        page: What the page has.
        studies: All studies, newest first.
        show: The study to show from now on; otherwise the one that it shows, else the newest.
    """
    names = [study.name for study in studies]
    shown = next((study for study in studies if study.name == (show or page.study)), next(iter(studies), None))
    if shown is None:
        return send({"nothing": Part("", lambda: _empty(view))}, view.has, page.has)
    chosen = Part(make_stamp(*names, shown.name), lambda: {view.study: _choose(names, shown.name, page)})
    try:
        status = shown.read()
    except RunError as error:
        damage = {view.status: build_notice(str(error), kind="bad"), view.results: _hide()}
        parts = {"damage": Part(shown.name, lambda: damage)}
    else:
        parts = _list_parts(view, page, shown, status, overview)
    return send({"choice": chosen, **parts}, view.has, page.has)


def _empty(view: TuneView) -> Updates:
    return {view.study: gr.Dropdown([], value=None, visible=False), view.status: NOTHING, view.results: _hide()}


def _hide() -> gr.Column:
    return gr.Column(visible=False)


def _choose(names: list[str], shown: str, page: TunePage) -> gr.Dropdown:
    # A visitor's choice is left alone: it may have changed since this refresh set out.
    value = {} if page.study == shown else {"value": shown}
    return gr.Dropdown(names, visible=len(names) > 1, **value)


def _list_parts(
    view: TuneView, page: TunePage, study: Study, status: StudyStatus, overview: Overview
) -> dict[str, Part]:
    said, table = format_study(study, status, overview), format_trials(status)
    figures = make_stamp(study.name, page.across, *(trial.model_dump_json() for trial in status.trials))
    return {
        "status": Part(make_stamp(said), lambda: {view.status: said, view.results: gr.Column(visible=True)}),
        "buttons": _build_buttons(view, status),
        "figures": Part(figures, lambda: _draw(view, status, page.across)),
        "trials": Part(make_stamp(table), lambda: {view.trials: table}),
    }


def _build_buttons(view: TuneView, status: StudyStatus) -> Part:
    is_own, goes_on = find_current_visitor().owns(status), status.state == "running"
    has_winner = not goes_on and find_winner(status) is not None
    is_filled = bool(status.verdict and status.verdict.is_better)
    pressable = {
        view.stop: is_own and goes_on,
        view.resume: is_own and status.state in RESUMABLE,
        view.delete: is_own and not goes_on,
    }

    def build() -> Updates:
        look: Literal["primary", "secondary"] = "primary" if is_filled else "secondary"
        use = gr.Button(interactive=has_winner, variant=look)
        return {view.use: use, **{button: gr.Button(interactive=on) for button, on in pressable.items()}}

    return Part(make_stamp(has_winner, is_filled, *pressable.values()), build)


def _draw(view: TuneView, status: StudyStatus, across: Across) -> Updates:
    points, lines = _draw_json(status.model_dump_json(), across)
    return {view.points: points, view.lines: gr.HTML(value=lines, visible=bool(lines))}


@lru_cache(maxsize=16)  # those who look at the same study share its figures
def _draw_json(status_json: str, across: Across) -> tuple[str, str]:
    status = StudyStatus.model_validate_json(status_json)
    lines = build_lines_figure(status)
    points = build_trials_figure(status, across=across)
    return points.to_json() if points.data else "", lines.to_json() if lines else ""
