"""A page is sent what it lacks, and nothing else."""

import gradio as gr
import pytest

from agnews_core.config import build_config
from agnews_core.runs import create_run
from agnews_core.runs.overview import RunsWatch
from agnews_core.ui.models import build_kept_choice
from agnews_core.ui.train_page import TrainPage, pause, read_page, refresh
from agnews_core.ui.train_view import NEWEST_RUNS, lay_out


@pytest.fixture(scope="module")
def view():
    with gr.Blocks():
        return lay_out(build_kept_choice())


@pytest.fixture
def run(tmp_path):
    run = create_run(tmp_path, build_config(preset="quick"), name="first")
    run.append_metrics({"step": 1, "time": 1000.0, "loss": 1.4})
    run.append_metrics({"step": 1, "time": 1000.0, "eval_loss": 1.3, "eval_accuracy": 0.5, "eval_f1": 0.4})
    run.update_status(state="finished", step=1, max_steps=1)
    return run


@pytest.fixture
def ask(view, run):
    """Ask as a page does: with the stamps of all that it was sent."""

    def ask(page: TrainPage, **options):
        """Return the names of the components that change, and the page as it is then."""
        updates = refresh(RunsWatch(run.path.parent).look(), view, page, **options)
        has = updates.pop(view.has)
        kept = page.has if has == gr.skip() else has
        names = {name for name, part in vars(view).items() if part in updates}
        return names, page.model_copy(update={"run": options.get("show") or page.run or "first", "has": kept})

    return ask


def test_a_page_that_has_nothing_is_sent_everything_and_then_nothing(ask):
    changed, page = ask(TrainPage())
    assert {"status", "loss", "quality", "log", "table", "run", "compared", "stop", "fast"} <= changed
    assert ask(page) == (set(), page)


def test_a_new_loss_is_sent_without_the_figure_of_accuracy(ask, run):
    _, page = ask(TrainPage())
    run.append_metrics({"step": 2, "time": 1002.0, "loss": 1.2})
    run.update_status(step=2)
    changed, page = ask(page)
    assert "loss" in changed
    assert "quality" not in changed
    run.append_metrics({"step": 2, "time": 1002.0, "eval_accuracy": 0.6})
    run.update_status(step=2)
    changed, _ = ask(page)
    assert "quality" in changed
    assert "loss" not in changed


def test_the_log_is_sent_when_it_has_grown(ask, run):
    _, page = ask(TrainPage())
    (run.path / "log.txt").write_text("training\n")
    assert ask(page)[0] == {"log"}


def test_a_run_that_is_shown_is_followed_by_another_when_it_is_deleted(ask, run):
    create_run(run.path.parent, build_config(), name="second")
    _, page = ask(TrainPage(run="first"))
    run.delete()
    changed, _ = ask(page)
    assert {"run", "status", "loss", "table"} <= changed


def test_the_last_run_s_going_empties_the_page(ask, run, view):
    _, page = ask(TrainPage())
    run.delete()
    changed, page = ask(page)
    assert {"status", "loss", "quality", "log", "table", "run"} <= changed
    assert ask(page)[0] == set()


def test_the_table_has_the_newest_runs_and_the_one_that_is_shown_until_all_are_asked_for(view, run):
    for number in range(NEWEST_RUNS + 5):
        create_run(run.path.parent, build_config(), name=f"later-{number}")
    overview = RunsWatch(run.path.parent).look()
    newest = refresh(overview, view, TrainPage(run="later-54"))[view.table]
    assert newest.count("data-run=") == NEWEST_RUNS
    assert 'data-run="first"' not in newest
    assert 'data-run="first"' in refresh(overview, view, TrainPage(run="first"))[view.table]
    whole = refresh(overview, view, TrainPage(run="first", all_runs=True))
    assert whole[view.table].count("data-run=") == NEWEST_RUNS + 6
    assert whole[view.all_runs].visible


def test_trials_of_a_study_are_listed_when_all_runs_are_asked_for(view, run):
    trial = create_run(run.path.parent, build_config(), name="tune-01", study="tune")
    overview = RunsWatch(run.path.parent).look()
    some = refresh(overview, view, TrainPage(run="first"))
    assert 'data-run="tune-01"' not in some[view.table]
    assert some[view.all_runs].visible
    assert 'data-run="tune-01"' in refresh(overview, view, TrainPage(run="first", all_runs=True))[view.table]
    shown = refresh(overview, view, TrainPage(run=trial.name))
    assert 'data-run="tune-01"' in shown[view.table]
    assert "<dt>Trial of study</dt><dd>tune</dd>" in shown[view.status]


def test_figures_are_drawn_once_for_all_who_look(view, run):
    overview = RunsWatch(run.path.parent).look()
    first, second = (refresh(overview, view, TrainPage())[view.loss] for _ in range(2))
    assert first is second


def test_a_page_that_nobody_looks_at_asks_seldom_and_often_again_when_it_is_looked_at(ask, run, view):
    run.update_status(state="queued")
    _, page = ask(TrainPage())
    slowed = pause(view, page)
    assert slowed[view.fast].active is False
    page = page.model_copy(update={"has": slowed[view.has]})
    assert set(pause(view, page)) == {view.has}
    assert "fast" in ask(page)[0]


@pytest.mark.parametrize(
    "sent", [(5, 5, 5, 5, 5), ("a", "b", True, {}, {}), ("a", [], False, {"status": 7}, None), ("a", 5, None, None, [])]
)
def test_what_no_page_of_ours_sends_is_shown_everything_from_the_start(sent):
    assert read_page(*sent) == TrainPage()
