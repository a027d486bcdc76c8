"""Training from the page, watched by people who come, go, reload and press buttons twice."""

import io
import shutil
import zipfile

import pytest

from agnews_core.runs import Run, list_runs
from tests.rows import read_rows
from tests.ui.conftest import choose_tab, configure, count_points, read_toast, run_app, wait_for, wait_for_state

LONG = {"max_steps": 2000, "eval_steps": 10, "per_device_train_batch_size": 4, "early_stopping_patience": 0}


@pytest.fixture
def tiny(tiny_backbone):
    """Settings of a run that takes seconds for what takes others hours."""
    return {"backbone": tiny_backbone, "data": "sample", "max_train_samples": 100, "max_eval_samples": 20, **LONG}


def start(page, **settings):
    configure(page, **settings)
    choose_tab(page, "Train")
    page.get_by_role("button", name="Start training").click()


def test_a_person_trains_watches_reloads_stops_and_keeps_the_model(app, visit, tiny):
    page = visit(app)
    start(page, **tiny)
    wait_for(page, lambda: count_points(page, "loss-plot") > 5 and count_points(page, "quality-plot") > 0, seconds=90)
    assert page.locator("#run-status .pill").inner_text() == "Running"
    seen = count_points(page, "loss-plot")

    page.reload()
    choose_tab(page, "Train")
    wait_for(page, lambda: count_points(page, "loss-plot") >= seen and count_points(page, "quality-plot") > 0)
    assert page.locator("#run-status .pill").inner_text() == "Running"

    page.locator("#stop").click()
    page.get_by_role("button", name="Keep the model so far").click()
    wait_for_state(page, "Stopped")
    assert "was kept." in page.locator("#run-status").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download adapter (zip)").click()
    names = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())).namelist()
    assert any(name.endswith("/adapter_model.safetensors") for name in names)


def test_of_two_visitors_one_trains_and_the_other_is_told_the_place_in_the_queue(app, visit, tiny):
    first, second = visit(app), visit(app)
    start(first, **tiny)
    wait_for_state(first, "Running")
    start(second, **tiny)
    place = "position 2 in the queue (1 run ahead)"
    wait_for(second, lambda: place in second.locator("#run-status").inner_text(), what=place)
    assert second.locator("#run-status .pill").inner_text() == "Queued"
    second.locator("#stop").click()  # of a run without a model, nothing can be kept or discarded
    second.get_by_role("button", name="Remove it from the queue").wait_for()
    assert not second.locator("#stop-discard").is_visible()
    second.get_by_role("button", name="Leave it there").click()

    first.locator("#stop").click()
    first.get_by_role("button", name="Discard it").click()
    wait_for_state(first, "Stopped")
    wait_for_state(second, "Running")
    newest, older = list_runs(app.runs_dir)
    assert not older.adapter_dir.exists()
    second.locator("#stop").click()
    second.get_by_role("button", name="Discard it").click()
    wait_for_state(second, "Stopped")
    assert not newest.adapter_dir.exists()


@pytest.mark.slow
def test_after_kill_9_the_run_reads_interrupted_and_resume_goes_on_from_the_last_checkpoint(tmp_path, visit, tiny):
    runs_dir = tmp_path / "runs"
    settings = {**tiny, "max_steps": 200}
    with run_app(runs_dir) as app:
        page = visit(app)
        start(page, **settings)
        wait_for(page, lambda: count_points(page, "quality-plot") > 2, seconds=90)
        port = app.port
        page.close()
    (run,) = list_runs(runs_dir)
    checkpoints = [int(path.name.rpartition("-")[2]) for path in run.checkpoints_dir.glob("checkpoint-*")]
    with run_app(runs_dir, port) as app:
        page = visit(app, "Train")
        wait_for_state(page, "Interrupted")
        wait_for(page, lambda: count_points(page, "loss-plot") > 10)
        page.get_by_role("button", name="Resume").click()
        wait_for_state(page, "Finished", seconds=240)
    notes = " ".join(run.read_status().notes)
    assert any(f"Resumed from step {step}." in notes for step in checkpoints)
    steps = [row["step"] for row in read_rows(run) if "loss" in row]
    assert steps == list(range(1, 201))


def test_a_mistyped_folder_of_news_is_told_before_there_is_a_run(app, visit, tiny):
    page = visit(app)
    start(page, **{**tiny, "data": "/no/such/folder"})
    assert "There is no news folder /no/such/folder" in read_toast(page)
    assert list_runs(app.runs_dir) == []


def test_a_run_that_fails_says_why_in_words(app, visit, tiny, tmp_path):
    page = visit(app)
    (tmp_path / "train.csv").write_text("text,label\nGood news,5\n")
    start(page, **{**tiny, "data": str(tmp_path)})
    wait_for_state(page, "Failed")
    said = page.locator("#run-status .notice").inner_text()
    assert "row 1: the label '5' is not one of 0-3" in said
    assert "Traceback" not in said


def test_zoom_is_kept_while_points_arrive(app, visit, tiny):
    page = visit(app)
    start(page, **tiny)
    wait_for(page, lambda: count_points(page, "loss-plot") > 5, seconds=90)
    page.evaluate("Plotly.relayout(document.querySelector('#loss-plot .live-plot'), {'xaxis.range': [1, 3]})")
    seen = count_points(page, "loss-plot")
    wait_for(page, lambda: count_points(page, "loss-plot") > seen)
    shown = page.evaluate("document.querySelector('#loss-plot .live-plot').layout.xaxis.range")
    assert shown == [1, 3]


def test_runs_are_compared_in_one_plot_and_deleted_after_a_question(app, visit, trained_run):
    for name, created_at in (("older", "2026-01-01T00:00:00+00:00"), ("newer", "2026-01-02T00:00:00+00:00")):
        Run(shutil.copytree(trained_run.path, app.runs_dir / name)).update_status(created_at=created_at)
    page = visit(app, "Train")
    wait_for_state(page, "Finished")
    page.locator("#compared input").click()
    page.get_by_role("option", name="older").click()
    names = "() => document.querySelector('#quality-plot .live-plot').data?.map((trace) => trace.name) ?? []"
    wait_for(page, lambda: "accuracy · older" in page.evaluate(names))
    page.get_by_role("button", name="Delete run").click()
    page.get_by_role("button", name="Delete it").click()
    wait_for(page, lambda: [run.name for run in list_runs(app.runs_dir)] == ["older"])


def test_of_two_who_watch_one_run_one_leaves_and_the_other_goes_on_watching(app, visit, tiny):
    stays, leaves = visit(app), visit(app)
    start(stays, **tiny)
    choose_tab(leaves, "Train")
    for page in (stays, leaves):
        wait_for(page, lambda page=page: count_points(page, "loss-plot") > 2, seconds=90)
    (run,) = list_runs(app.runs_dir)
    assert leaves.locator("#run-status .status-run").inner_text() == run.name
    leaves.context.close()
    seen = count_points(stays, "loss-plot")
    wait_for(stays, lambda: count_points(stays, "loss-plot") > seen + 2)
    assert stays.locator("#run-status .pill").inner_text() == "Running"
    assert run.read_status().state == "running"
    assert run.read_stop() == ""
