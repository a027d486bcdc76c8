"""Predicting a file from the page and through its API."""

import csv
import pickle
import shutil
import subprocess
import sys

import pytest
from gradio_client import Client, handle_file

from agnews_core.inference.predictions import EXAMPLE_FILE
from tests.ui.conftest import ROOT, choose_model, read_toast, run_app, wait_for


@pytest.fixture(scope="module")
def expected(trained_app, tmp_path_factory):
    """What the command line writes for the example file."""
    path = tmp_path_factory.mktemp("cli") / "predictions.csv"
    subprocess.run(
        [sys.executable, "-m", "agnews_core", "predict", EXAMPLE_FILE, "--runs-dir", trained_app.runs_dir, "--output", path],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    return path.read_text()


def download(page):
    with page.expect_download() as found:
        page.get_by_role("button", name="Download predictions").click()
    return found.value.path().read_text()


def test_the_example_file_is_predicted_as_the_command_line_does_row_by_row(trained_app, visit, expected):
    page = visit(trained_app, "Predict")
    page.get_by_role("button", name="Try the example file").click()
    page.locator("#first-rows tbody tr").first.wait_for()
    assert "read from the column 'text' (pickle)" in page.locator("#predict-status").inner_text()
    page.locator("#predict-button").click()
    page.locator("#preview tbody tr").first.wait_for(timeout=60_000)
    assert not page.locator("#saved-predictions").is_visible()
    assert download(page).splitlines() == expected.splitlines()

    page.get_by_label("Add the classes' names").check()
    wait_for(page, lambda: next(csv.reader(download(page).splitlines())) == ["ID", "Label", "LabelName"])
    n_all = page.locator("#preview tbody tr").count()
    page.get_by_label("Search the texts").fill("no text holds this")
    page.get_by_text(f"Shown: 0 of {n_all} texts.").wait_for()


@pytest.mark.slow
def test_a_long_prediction_tells_how_far_it_is_and_can_be_cancelled_and_begun_again(app, visit, tmp_path):
    path = tmp_path / "long.txt"
    path.write_text("".join(f"Shares fell on day {number} after talks.\n" for number in range(3000)))
    page = visit(app, "Predict")
    page.locator("#upload input[type=file]").set_input_files(path)
    page.locator("#first-rows tbody tr").first.wait_for()
    predict, cancel, progress = (
        page.locator(f"#{name}") for name in ("predict-button", "cancel-button", "predict-progress")
    )
    cancelled = page.get_by_text("Cancelled; press Predict to begin again.").locator("visible=true")
    predict.click()
    progress.get_by_text(" of 3,000 texts").wait_for(timeout=90_000)
    cancel.click()
    cancelled.wait_for()
    cancel.wait_for(state="hidden")
    assert cancelled.count()
    assert not page.locator("#preview tbody tr").count()
    predict.click()
    page.get_by_text("3,000 texts classified by: Bundled model").wait_for(timeout=180_000)
    cancel.wait_for(state="hidden")
    assert predict.is_enabled()
    assert not cancelled.count()
    predict.click()
    progress.get_by_text(" of 3,000 texts").wait_for(timeout=90_000)
    page.get_by_role("button", name="Try the example file").click()  # while the first file is predicted
    page.locator("#predict-status").get_by_text("read from the column 'text' (pickle)").wait_for()
    cancel.wait_for(state="hidden")
    assert page.locator("#first-rows").is_visible()
    assert not progress.is_visible()
    assert not page.locator("#preview tbody tr").locator("visible=true").count()


def test_what_an_ended_prediction_still_says_is_not_seen_beside_another_file(trained_app, visit, tmp_path):
    path = tmp_path / "long.txt"
    path.write_text("".join(f"Shares fell on day {number} after talks.\n" for number in range(4000)))
    page = visit(trained_app, "Predict")
    held = []  # as on a server so busy that the prediction ends before it is cancelled
    page.route("**/cancel", lambda request: held.append(request))
    page.locator("#upload input[type=file]").set_input_files(path)
    page.locator("#first-rows tbody tr").first.wait_for()
    page.locator("#predict-button").click()
    page.locator("#predict-progress").get_by_text(" of 4,000 texts").wait_for(timeout=60_000)
    page.get_by_role("button", name="Try the example file").click()
    status = page.locator("#predict-status").get_by_text("read from the column 'text' (pickle)")
    status.wait_for()
    page.locator("#predict-button:visible").wait_for(timeout=60_000)  # the prediction is over
    for request in held:
        request.continue_()
    assert len(held) == 1
    assert status.is_visible()
    assert page.locator("#first-rows tbody tr").first.is_visible()
    for late in ("#predict-progress", "#predict-results"):
        assert not page.locator(late).is_visible()
    page.locator("#predict-button").click()
    page.get_by_text("60 texts classified by").wait_for(timeout=60_000)
    assert not page.locator("#first-rows").is_visible()


def test_a_file_without_texts_is_refused_and_nothing_is_left_waiting(trained_app, visit, tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("text\n")
    page = visit(trained_app, "Predict")
    page.locator("#upload input[type=file]").set_input_files(path)
    assert "The file holds no texts" in read_toast(page)
    assert page.locator("#predict-button").is_disabled()


def test_what_is_wrong_with_a_file_stays_to_be_read_and_an_earlier_reading_is_not_predicted(trained_app, visit):
    page = visit(trained_app, "Predict")
    page.get_by_role("button", name="Try the example file").click()
    page.locator("#first-rows tbody tr").first.wait_for()
    page.get_by_role("button", name="How the file is read").click()
    page.get_by_label("Column").fill("headline")
    page.get_by_label("Column").press("Enter")
    page.locator("#predict-status .notice", has_text="headline").wait_for()
    assert page.locator("#predict-button").is_disabled()
    page.get_by_label("Column").fill("")
    page.get_by_label("Column").press("Enter")
    page.locator("#first-rows tbody tr").first.wait_for()
    assert page.locator("#predict-button").is_enabled()


def test_a_model_that_is_gone_gives_a_toast_and_no_stuck_spinner(trained_run, visit, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "runs" / "trained")
    with run_app(tmp_path / "runs") as app:
        page = visit(app, "Predict")
        choose_model(page, "Run trained")
        page.get_by_role("button", name="Try the example file").click()
        page.locator("#first-rows tbody tr").first.wait_for()
        (tmp_path / "runs" / "trained" / "adapter" / "adapter_model.safetensors").write_bytes(b"damaged")
        page.locator("#predict-button").click()
        assert "missing or damaged" in read_toast(page)
        page.get_by_text("Nothing was predicted.").wait_for()
        page.locator("#predict-button:visible").wait_for()


def test_a_hostile_pickle_gives_a_toast_and_nothing_else(trained_app, visit, tmp_path):
    class Hostile:
        def __reduce__(self):
            return print, ("run",)

    path = tmp_path / "hostile.pkl"
    path.write_bytes(pickle.dumps([Hostile()]))
    page = visit(trained_app, "Predict")
    page.locator("#upload input[type=file]").set_input_files(path)
    toast = read_toast(page)
    assert "print" in toast
    assert "Traceback" not in toast
    assert page.locator("#predict-button").is_disabled()


def test_programs_upload_a_file_and_get_the_same_csv(trained_app, expected):
    client = Client(trained_app.url, verbose=False)
    endpoint = client.view_api(return_format="dict")["named_endpoints"]["/predict_file"]
    assert [it["parameter_name"] for it in endpoint["parameters"]] == [
        "file", "column", "split", "label_names", "probabilities", "model",
    ]  # fmt: skip
    found = client.predict(file=handle_file(EXAMPLE_FILE), api_name="/predict_file")
    with open(found, encoding="utf-8") as file:  # noqa: PTH123  # the client gives a str
        assert file.read().splitlines() == expected.splitlines()
