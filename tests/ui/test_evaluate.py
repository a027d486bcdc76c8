"""Evaluating from the page."""

import json

from agnews_core.evaluation.files import read_evaluated
from tests.ui.conftest import choose_model


def test_a_person_evaluates_opens_a_cell_and_takes_the_report_along(trained_app, visit):
    page = visit(trained_app, "Evaluate")
    choose_model(page, "Run trained")
    page.locator(".confusion").wait_for()  # of the training's own evaluation, without a press of the button
    page.get_by_role("button", name="Evaluate", exact=True).click()
    page.locator("#summary .bar-name", has_text="TF-IDF and logistic regression").wait_for()

    kept = read_evaluated(trained_app.runs_dir / "trained", "validation")
    row = kept.table.iloc[0]
    names = ["World", "Sports", "Business", "Sci/Tech"]
    true, predicted = names[row["label"]], names[row["predicted"]]
    page.get_by_label(f"True class {true}, predicted {predicted}").click()
    page.locator("#cell-texts tbody tr").first.wait_for()
    texts = page.locator("#cell-texts tbody td:last-child").all_inner_texts()
    same = kept.table[(kept.table["label"] == row["label"]) & (kept.table["predicted"] == row["predicted"])]
    assert sorted(" ".join(text.split()) for text in texts) == sorted(" ".join(text.split()) for text in same["text"])

    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report (JSON)").click()
    report = json.loads(download.value.path().read_text())
    assert report["accuracy"] == kept.report.accuracy
    assert report["baseline"]["n"] == kept.report.n
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report (HTML)").click()
    assert "<h2>Confusion matrix</h2>" in download.value.path().read_text()


def test_a_person_sees_what_the_model_loses_without_each_layer_when_they_ask(trained_app, visit):
    page = visit(trained_app, "Evaluate")
    choose_model(page, "Run trained")
    page.get_by_text("Each layer's LoRA is switched off in turn").wait_for()
    page.get_by_role("button", name="Measure the layers").click()
    page.locator("#layers-table tbody tr").nth(3).wait_for(timeout=60_000)
    page.locator("#layers-plot .js-plotly-plot").wait_for()
    page.locator("#layers-words", has_text="16 validation texts, of which the whole model gets").wait_for()
    assert page.get_by_role("button", name="Measure the layers").is_hidden()


def test_a_cell_is_opened_by_naming_its_classes_and_the_test_split_is_evaluated(trained_app, visit):
    page = visit(trained_app, "Evaluate")
    choose_model(page, "Run trained")
    page.get_by_role("radio", name="Test").check()
    page.get_by_text("Choose a model and a split").wait_for()
    page.get_by_role("button", name="Evaluate", exact=True).click()
    page.get_by_text("evaluated on the test texts").wait_for(timeout=60_000)
    for box, name in (("True class", "World"), ("Predicted class", "Sports")):
        page.get_by_label(box, exact=True).click()
        page.get_by_role("option", name=name).click()
        page.get_by_role("option").first.wait_for(state="detached")  # before the next list opens over this one
    page.get_by_text("True class World, predicted Sports:").wait_for()


def test_a_bundled_models_report_is_shown_with_its_diagram_and_without_its_texts(app, visit):
    page = visit(app, "Evaluate")
    page.get_by_text("this is the report it comes with").wait_for()
    page.locator("#reliability .js-plotly-plot").wait_for()
    assert page.locator("#evaluate-button").is_disabled()
    assert "They are available for your own runs" in page.locator("#mistakes").inner_text()
    page.get_by_label("True class World, predicted Sports").click()
    page.locator("#cell-note", has_text="They are available for your own runs").wait_for()
    page.get_by_role("radio", name="Test").check()
    page.get_by_text("comes with no report on the test split").wait_for()
