"""Classifying from the page and through its API."""

import shutil
import subprocess
import sys

import pytest
from gradio_client import Client

from agnews_core.labels import LABELS
from tests.ui.conftest import ROOT, choose_model, read_toast

TEXT = "A goal in the last <b>minute</b> sent the ${1+1} home side to the {{7*7}} final"


def ask(page, text):
    box = page.get_by_label("News text")
    box.fill(text)
    box.press("Enter")


def test_a_text_is_classified_by_enter_and_shown_as_it_was_typed(trained_app, visit):
    page = visit(trained_app)
    ask(page, TEXT)
    answer = page.locator(".answer")
    answer.wait_for()
    assert answer.locator(".hero").inner_text().splitlines()[0] in LABELS
    assert answer.locator(".bar-name").all_inner_texts() == list(LABELS)
    shares = [float(share.rstrip("%")) for share in answer.locator(".bar-share").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert "Answered by: Bundled model" in answer.inner_text()
    page.locator("#model-status", has_text="Ready: Bundled model").wait_for()
    assert page.locator("#model-status").inner_text().endswith("computed with PyTorch in fp32.")


def test_an_example_is_classified_when_it_is_clicked(trained_app, visit):
    page = visit(trained_app)
    page.get_by_text("Shares in the airline fell").first.click()
    page.locator(".answer").wait_for()
    assert page.get_by_label("News text").input_value().startswith("Shares in the airline fell")


def test_the_words_that_decided_are_shown_on_request_and_go_with_the_next_answer(app, visit):
    page = visit(app)
    ask(page, "Shares in the <b>airline</b> fell nine percent after it warned of its profit.")
    page.locator(".answer").wait_for()
    page.get_by_role("button", name="Show the words that decided").click()
    page.locator(".word-list li").first.wait_for()
    assert "airline" in page.locator("#words").inner_text()
    assert page.locator("#words b").count() == 0
    assert "arXiv:1612.08220" in page.locator("body").inner_text()
    ask(page, "Another text")
    page.locator("#words").wait_for(state="hidden")


def test_without_a_text_there_is_a_toast_of_one_sentence(trained_app, visit):
    page = visit(trained_app)
    page.locator("#classify-button").click()
    assert "There is no text to classify; type or paste some news first." in read_toast(page)


def test_before_any_training_the_bundled_model_answers(app, visit):
    page = visit(app)
    page.get_by_text("Ready: Bundled model (all-MiniLM-L6-v2").wait_for(timeout=60_000)
    ask(page, TEXT)
    page.get_by_text("Answered by: Bundled model (all-MiniLM-L6-v2").wait_for()


def test_a_run_that_finished_after_the_page_was_opened_is_on_offer_and_answers_once_it_is_chosen(
    app, visit, trained_run
):
    page = visit(app)
    page.get_by_label("News text").wait_for()
    shutil.copytree(trained_run.path, app.runs_dir / "first")
    ask(page, TEXT)
    page.get_by_text("Answered by: Bundled model").wait_for(timeout=60_000)
    choose_model(page, "Run first")
    ask(page, "Another text")
    page.get_by_text("Answered by: Run first").wait_for()


def test_programs_get_what_the_command_line_gives(trained_app):
    client = Client(trained_app.url, verbose=False)
    endpoint = client.view_api(return_format="dict")["named_endpoints"]["/classify"]
    assert [parameter["parameter_name"] for parameter in endpoint["parameters"]] == ["text", "model"]
    assert all(len(parameter["label"]) > 20 for parameter in endpoint["parameters"])
    found = client.predict(text="Shares fell on Monday", api_name="/classify")
    told = subprocess.run(
        [sys.executable, "-m", "agnews_core", "classify", "Shares fell on Monday", "--json", "--runs-dir", trained_app.runs_dir],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f'"label_name": "{found["label_name"]}"' in told.stdout
    assert set(found["probabilities"]) == set(LABELS)
    with pytest.raises(Exception, match="There is no text to classify"):
        client.predict(text=" ", api_name="/classify")
