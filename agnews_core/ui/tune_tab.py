"""Tuning, beside the runs under Train: start a study, watch it, stop and resume it, and use the settings that it found."""

from typing import Any

import gradio as gr

from agnews_core.errors import AgNewsError, ConfigError, RunError
from agnews_core.runs.overview import SHARED_SECONDS, RunsWatch
from agnews_core.tuning.studies import Studies, list_trial_runs
from agnews_core.tuning.study import find_study, list_studies
from agnews_core.ui.components import build_line, build_notice, show_toast
from agnews_core.ui.events import ACTION, QUIET
from agnews_core.ui.models import find_selects
from agnews_core.ui.setting_controls import SettingControls, Values, list_values, read_config, set_controls
from agnews_core.ui.stamped import Updates
from agnews_core.ui.study_status import find_winner
from agnews_core.ui.tune_page import TunePage, read_page, refresh
from agnews_core.ui.tune_view import TuneView, lay_out
from agnews_core.ui.visitor import find_current_visitor

MOST_MINUTES = 24 * 60
TELL_SIGHT = "(_, ...rest) => [document.querySelector('#study-status')?.offsetParent != null, ...rest]"


def build_tab(studies: Studies, watch: RunsWatch, settings: SettingControls, tabs: gr.Tabs) -> TuneView:
    """Lay out Tuning inside the current gr.Tab and wire its events; `tabs` are those of the page."""
    view = lay_out()
    _wire_refresh(watch, view)
    _wire_start(studies, watch, settings, view)
    _wire_study(studies, watch, view)
    _wire_delete(studies, watch, view)
    _wire_use(watch, settings, view, tabs)
    return view


def show_study(watch: RunsWatch, view: TuneView, page: TunePage, *, show: str | None = None) -> Updates:
    """Return what a page lacks now."""
    return refresh(watch.look(max_age_seconds=SHARED_SECONDS), view, page, list_studies(watch.runs_dir), show=show)


def _wire_refresh(watch: RunsWatch, view: TuneView) -> None:
    def choose(study: str | None, across: str, _: object) -> Updates:
        # All is sent anew: an answer to an earlier question may still be on its way.
        return show_study(watch, view, read_page(study, across, {}))

    def tick(in_sight: bool, *sent: Any) -> Updates:
        return show_study(watch, view, read_page(*sent)) if in_sight else {view.has: gr.skip()}

    for chosen in (view.study.input, view.across.input, *find_selects()):
        chosen(choose, view.inputs, view.outputs, **QUIET)
    view.timer.tick(tick, [view.in_sight, *view.inputs], view.outputs, js=TELL_SIGHT, **QUIET)


def _wire_start(studies: Studies, watch: RunsWatch, settings: SettingControls, view: TuneView) -> None:
    def tell(values: Values) -> str:
        try:
            config = read_config(settings, values)
            minutes = read_minutes(values[view.minutes])
            return build_line(studies.describe(config, minutes=minutes, by=find_current_visitor()))
        except AgNewsError as error:
            return build_notice(str(error), kind="bad")

    def start(values: Values) -> Updates:
        config, minutes = read_config(settings, values), read_minutes(values[view.minutes])
        study = studies.start(config, minutes=minutes, by=find_current_visitor())
        show_toast(f"Study {study.name} begins.", title="Tuning")
        return show_study(watch, view, TunePage(), show=study.name)

    asked = {*settings.inputs, view.minutes}
    gr.on([*find_selects(), view.minutes.change], tell, asked, view.buys, trigger_mode="always_last", **QUIET)
    view.start.click(start, asked, view.outputs, **ACTION)


def read_minutes(value: object) -> float:
    """Return the budget that a page sent.

    Raises:
        ConfigError: It is no number of minutes.
    """
    if isinstance(value, int | float) and 0 < value <= MOST_MINUTES:
        return float(value)
    raise ConfigError(f"A study takes more than 0 and at most {MOST_MINUTES:,} minutes; set how many.")


def _wire_study(studies: Studies, watch: RunsWatch, view: TuneView) -> None:
    def stop(*sent: Any) -> Updates:
        page = read_page(*sent)
        studies.stop(page.study or "", by=find_current_visitor())
        return show_study(watch, view, page)

    def resume(*sent: Any) -> Updates:
        page = read_page(*sent)
        studies.resume(page.study or "", by=find_current_visitor())
        return show_study(watch, view, page)

    view.stop.click(stop, view.inputs, view.outputs, **ACTION)
    view.resume.click(resume, view.inputs, view.outputs, **ACTION)


def _wire_delete(studies: Studies, watch: RunsWatch, view: TuneView) -> None:
    def ask(name: str | None) -> Updates:
        study = find_study(watch.runs_dir, name or "")
        text = f"**Delete study {study.name} and its {len(list_trial_runs(study))} runs?** This cannot be undone."
        return {view.delete_question: gr.Column(visible=True), view.delete_text: text, view.asked: study.name}

    def delete(asked: str, *sent: Any) -> Updates:
        studies.delete(asked, by=find_current_visitor())
        return {view.delete_question: gr.Column(visible=False), **show_study(watch, view, read_page(*sent))}

    view.delete.click(ask, view.study, [view.delete_question, view.delete_text, view.asked], **ACTION)
    view.do_not_delete.click(lambda: gr.Column(visible=False), None, view.delete_question, **ACTION)
    outputs = [view.delete_question, *view.outputs]
    view.really_delete.click(delete, [view.asked, *view.inputs], outputs, **ACTION)


def _wire_use(watch: RunsWatch, settings: SettingControls, view: TuneView, tabs: gr.Tabs) -> None:
    def use(name: str | None) -> Values:
        from agnews_core.tuning.space import apply

        status = find_study(watch.runs_dir, name or "").read()
        trial = find_winner(status)
        if trial is None:
            raise RunError(f"The study {name} has found no settings that are better than those it began with.")
        config = apply(status.config, trial.params).model_copy(update={"holdout_share": 0.0})
        show_toast(f"Configure has the settings of trial {trial.number}.", title="Tuning")
        return {**set_controls(settings, list_values(config)), tabs: gr.Tabs(selected="configure")}

    view.use.click(use, view.study, [*settings.controls.values(), tabs], **ACTION)
