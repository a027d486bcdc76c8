"""Tuning from the page: a study is begun, watched, stopped and gone on with, and its winner's settings are used."""

import shutil

import pytest

from agnews_core.errors import RunError
from agnews_core.jobs.queue import JobQueue
from agnews_core.jobs.visitors import HOST, Visitor
from agnews_core.runs import create_run
from agnews_core.runs.overview import Overview
from agnews_core.tuning.studies import Studies
from agnews_core.tuning.study import STUDIES, list_studies
from agnews_core.ui.study_plots import build_lines_figure, build_trials_figure
from agnews_core.ui.study_status import find_winner, format_study, format_trials
from agnews_core.ui.tune_page import TunePage, read_page
from tests.ui.conftest import choose_tab, configure, count_points, run_app, wait_for, wait_for_state
from tests.ui.studies import PRESET, build_study, build_trial, build_verdict, write_study

STATE = "#study-status .pill"


@pytest.fixture
def tune_app(app):
    yield app
    shutil.rmtree(app.runs_dir / STUDIES, ignore_errors=True)


def open_tuning(page) -> None:
    choose_tab(page, "Train")
    page.locator("#tune").click()
    page.locator("#tune-buys p").wait_for()


def wait_for_study(page, state: str, *, seconds: float = 120) -> None:
    chip = page.locator(STATE)
    wait_for(page, lambda: chip.count() and chip.inner_text() == state, seconds=seconds, what=state)


@pytest.mark.slow
def test_a_person_tunes_follows_a_trial_stops_and_goes_on_after_kill_9(tmp_path, visit, tiny_settings):
    runs_dir = tmp_path / "runs"
    with run_app(runs_dir) as app:
        page = visit(app)
        configure(page, **{name: value for name, value in tiny_settings.items() if name != "max_steps"})
        open_tuning(page)
        page.locator("#tune-start").click()
        wait_for(page, lambda: page.locator("#trials tbody tr").count() > 1, seconds=180, what="two trials")
        wait_for(page, lambda: count_points(page, "trials-plot") > 0)
        page.locator("#trials tr", has_text="the preset").locator(".run-name").click()
        wait_for_state(page, "Finished")
        assert page.locator("#run-status .status-run").inner_text().endswith("-01")
        page.reload()
        open_tuning(page)
        wait_for_study(page, "Running")
        port = app.port
    with run_app(runs_dir, port) as app:
        page.goto(app.url)
        open_tuning(page)
        wait_for_study(page, "Interrupted")
        page.locator("#resume-study").click()
        wait_for_study(page, "Running")
        page.locator("#stop-study").click()
        wait_for_study(page, "Stopped")
        assert "what there is was kept" in page.locator("#study-status").inner_text()
        page.locator("#delete-study").click()
        page.locator("#really-delete-study").click()
        page.get_by_text("No study yet.").wait_for()
    assert list_studies(runs_dir) == []


def test_a_budget_that_is_too_small_is_refused_in_words_before_anything_starts(tune_app, visit):
    page = visit(tune_app)
    open_tuning(page)
    assert "30 minutes buy about " in page.locator("#tune-buys").inner_text()
    page.locator("#tune-minutes input").fill("0.05")
    page.locator("#tune-minutes input").blur()
    wait_for(page, lambda: "0.05 minutes are too few to tune" in page.locator("#tune-buys").inner_text())
    page.locator("#tune-start").click()
    page.get_by_test_id("toast-body").first.wait_for()
    assert list_studies(tune_app.runs_dir) == []


def test_a_study_s_verdict_is_shown_and_its_winner_s_settings_fill_configure(tune_app, visit):
    found = ("Trained layers mattered most.",)
    write_study(tune_app.runs_dir, build_study("finished", verdict=build_verdict(is_better=True), findings=found))
    page = visit(tune_app)
    open_tuning(page)
    page.locator("#verdict").wait_for()
    assert page.locator("#verdict b").inner_text() == "Trial 2 is better than the preset seed."
    assert "Trained layers mattered most." in page.locator("#findings").inner_text()
    wait_for(page, lambda: count_points(page, "lines-plot") == 7)
    page.locator("#use-settings").click()
    rate = page.locator("#setting-learning_rate input")
    wait_for(page, lambda: rate.is_visible() and rate.input_value() == "0.000337")


def test_a_study_that_found_nothing_better_says_so_and_offers_no_settings(tune_app, visit):
    write_study(tune_app.runs_dir, build_study("finished", verdict=build_verdict(is_better=False)))
    page = visit(tune_app)
    open_tuning(page)
    page.locator("#verdict").wait_for()
    assert page.locator("#verdict").inner_text().startswith("No better than the preset seed")
    assert page.locator("#use-settings").is_disabled()


def test_only_who_started_a_study_or_the_host_may_stop_resume_or_delete_it(tmp_path):
    study = write_study(tmp_path, build_study("stopped", n_trials=2, owner="anna"))
    create_run(tmp_path, study.read().config, name="tune-01", owner="anna", study="tune").update_status(
        state="finished"
    )
    studies = Studies(JobQueue(tmp_path))
    for action in (studies.stop, studies.resume, studies.delete):
        with pytest.raises(RunError, match="was not started in this browser; only who started it can"):
            action("tune", by=Visitor("ben"))
    with study.own(), pytest.raises(RunError, match="is being carried out; stop it first"):
        studies.delete("tune", by=HOST)
    with study.own(), pytest.raises(RunError, match="Your study tune is still carried out"):
        studies.start(study.read().config, minutes=30, by=Visitor("anna"))
    studies.stop("tune", by=Visitor("anna"))
    assert study.read_stop() == "keep"
    studies.delete("tune", by=Visitor("anna"))
    assert [path.name for path in tmp_path.iterdir()] == [STUDIES]


def test_a_study_says_what_it_does_and_why_it_ended(tmp_path):
    study = write_study(tmp_path, build_study())
    one, none = build_study(n_trials=1), Overview(())
    waiting = one.replace_trial(build_trial(2, "search", PRESET, score=None).model_copy(update={"state": "waiting"}))
    for status, said in (
        (build_study(n_trials=0), "about to begin"),
        (one, "comparing the best with the preset"),
        (waiting, "trial 2: next in the queue, about to start"),
        (build_study("failed", reason="The disk is <full>."), 'notice-bad"'),
        (build_study("interrupted", reason="The program ended."), 'The program ended. Press "Resume"'),
    ):
        shown = str(format_study(study, status, none)).replace("&#34;", '"')
        assert said in shown
        assert "<full>" not in shown
    study.request_stop()
    assert "stopping after this step; what there is is kept" in format_study(study, waiting, none)


def test_trials_stand_from_the_best_down_with_the_reason_of_those_that_came_to_no_end():
    table = format_trials(build_study(n_trials=6))
    assert table.index("tune-02") < table.index("tune-01") < table.index("tune-05")
    assert "After 40 % of its steps it was among the worse half of the trials." in table
    assert "<b>90.9%</b>" in table


def test_the_best_so_far_never_falls_and_lines_are_drawn_from_eight_trials_on():
    status = build_study(n_trials=12, n_subset=1000)
    best = next(trace for trace in build_trials_figure(status, across="time").data if trace.name == "best so far")
    assert list(best.y) == sorted(best.y)
    assert "best so far" not in [trace.name for trace in build_trials_figure(status, across="learning rate").data]
    assert build_lines_figure(build_study(n_trials=8)) is None  # of which one was given up
    drawn = build_lines_figure(build_study(n_trials=9))
    assert len(drawn.data) == 8
    assert drawn.data[-1].name == "best"


def test_the_preset_is_no_winner_to_use():
    assert find_winner(build_study(n_trials=1)) is None
    assert find_winner(build_study(verdict=build_verdict(is_better=True))).number == 2
    assert find_winner(build_study(verdict=build_verdict(is_better=False))) is None


@pytest.mark.parametrize("sent", [(5, 5, 5), ("a", "depth", {}), ([], "time", {"status": 7})])
def test_what_no_page_of_ours_sends_shows_the_newest_study(sent):
    assert read_page(*sent) == TunePage()
