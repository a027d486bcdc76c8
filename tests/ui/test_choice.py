"""Which model answers: the bundled one, until a person chooses another in their own browser."""

import shutil

import pytest

from agnews_core.inference.catalogue import TrainedModel
from agnews_core.runs import Run, RunResult
from agnews_core.ui.models import GONE, choose, read_kept
from agnews_core.ui.run_offer import format_offer
from tests.ui.conftest import choose_model, choose_tab, run_app, wait_for, wait_for_state

RESULT = RunResult(
    eval_accuracy=0.9312, eval_f1=0.93, n_evaluated=7864, train_runtime_seconds=1, train_samples_per_second=1, stopped_early=False
)  # fmt: skip


def read_model(page) -> str:
    return page.locator(".model input").locator("visible=true").first.input_value()


def test_a_finished_run_offers_itself_and_holds_once_chosen_through_reload_restart_and_its_end(
    trained_run, tmp_path, visit
):
    run = Run(shutil.copytree(trained_run.path, tmp_path / "runs" / "first"))
    with run_app(run.path.parent) as app:
        page = visit(app, "Train")
        wait_for_state(page, "Finished")
        assert "Your run is ready: " in page.locator("#offer").inner_text()
        choose_tab(page, "Classify")
        assert read_model(page).startswith("Bundled model")
        choose_tab(page, "Train")
        page.get_by_role("button", name="Use it here").click()
        page.get_by_text("This run answers in Classify and Predict").wait_for()
        assert not page.locator("#use-run").is_visible()
        for tab in ("Classify", "Predict"):
            choose_tab(page, tab)
            wait_for(page, lambda: read_model(page).startswith("Run first"), what=tab)
        choose_tab(page, "Evaluate")
        assert read_model(page).startswith("Bundled model")
        page.reload()
        wait_for(page, lambda: page.locator("#model-status").inner_text().startswith("Ready: Run first"))
        other = visit(app, "Classify")
        other.get_by_text("Ready: Bundled model").wait_for()
        port = app.port
    with run_app(run.path.parent, port) as app:
        page.goto(app.url)
        wait_for(page, lambda: read_model(page).startswith("Run first"), what="after a restart")
        shutil.rmtree(run.path)
        page.reload()
        page.get_by_text(GONE).first.wait_for()
        assert read_model(page).startswith("Bundled model")
        choose_model(page, "Bundled model")


def test_a_model_chosen_in_classify_is_chosen_in_predict_too_and_can_be_unchosen_beside_the_run(trained_app, visit):
    page = visit(trained_app)
    choose_model(page, "Run trained")
    choose_tab(page, "Predict")
    wait_for(page, lambda: read_model(page).startswith("Run trained"))
    choose_tab(page, "Train")
    page.get_by_role("button", name="Back to the bundled model").click()
    page.get_by_role("button", name="Use it here").wait_for()
    page.reload()
    wait_for(page, lambda: read_model(page).startswith("Bundled model"))


def test_a_run_is_offered_with_the_bundled_model_s_accuracy_beside_its_own(tmp_path):
    bundled = TrainedModel("bundled/a", tmp_path, tmp_path, "a", accuracy=0.936, n_validation=6000)
    said = format_offer(RESULT, bundled)
    assert "93.1% of 7,864 validation texts (the bundled model: 93.6% of its own 6,000)." in said
    assert "93.1% of 7,864 validation texts. Until" in format_offer(RESULT, None)


@pytest.mark.parametrize("kept", [None, [], "run/a", {"model": 5}, {}, 7])
def test_what_this_page_never_kept_is_no_choice(kept):
    assert read_kept(kept) == ""


def test_a_model_that_is_gone_is_said_and_replaced():
    choices = [("Bundled model", ""), ("Run a", "run/a")]
    assert choose(choices, "run/a").value == "run/a"
    gone = choose(choices, "run/b")
    assert (gone.value, gone.info) == (
        "",
        "The model that you chose is gone; this one answers until you choose another.",
    )
