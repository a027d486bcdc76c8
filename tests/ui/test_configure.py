"""Setting a run up from the page."""

from pathlib import Path

import yaml

from agnews_core.jobs.visitors import HOST, Visitor
from agnews_core.models.adapters import read_adapter_info
from agnews_core.ui.models import list_teachers
from tests.ui.conftest import choose_tab, configure, set_text, wait_for


def read_count(page) -> int:
    return int(page.locator("#trainable").inner_text().replace(",", ""))


def test_changing_a_rank_changes_the_parameter_count(app, visit):
    page = visit(app, "Configure")
    page.locator("#trainable").wait_for(timeout=60_000)
    before = read_count(page)
    page.locator("#layer-ranks").get_by_label("Layer 5", exact=True).fill("8")
    page.locator("#layer-ranks").get_by_label("Layer 5", exact=True).blur()
    wait_for(page, lambda: read_count(page) < before)
    # 24 fewer of: query and value (2 x 768), attention.output.dense (768) and output.dense (1536 + 384).
    assert before - read_count(page) == 24 * (2 * 768 + 768 + 1920)


def test_another_backbone_has_its_own_layers_and_a_limit_is_said_where_the_settings_ask_for_one(app, visit):
    page = visit(app)
    configure(page, backbone="roberta-base")
    wait_for(page, lambda: page.locator("#layer-ranks .rank-row").count() == 12)
    wait_for(page, lambda: page.locator("#trainable").count() and read_count(page) == 1_472_260, seconds=60)
    assert "limit" not in page.locator("#plan").inner_text()
    assert page.locator("#layer-ranks").get_by_label("Layer 8", exact=True).input_value() == "16"
    configure(page, max_trainable_parameters=1_500_000)
    wait_for(page, lambda: "27,740 below the 1,500,000-parameter limit" in page.locator("#plan").inner_text())


def test_a_value_out_of_its_range_is_said_beside_the_settings_and_refused_in_one_sentence(app, visit):
    page = visit(app)
    configure(page, learning_rate="7")
    wait_for(
        page, lambda: "Not ready: `learning_rate` must be less than or equal to 1" in page.locator("#plan").inner_text()
    )
    choose_tab(page, "Train")
    page.get_by_role("button", name="Start training").click()
    toast = page.get_by_test_id("toast-body").last
    toast.wait_for()
    assert "`learning_rate` must be less than or equal to 1, got '7" in toast.inner_text()


def test_saved_settings_come_back_when_loaded(app, visit, tmp_path):
    page = visit(app)
    configure(page, num_train_epochs=7, backbone="roberta-base")
    wait_for(page, lambda: page.locator("#layer-ranks .rank-row").count() == 12)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save settings").click()
    path = tmp_path / "settings.yaml"
    download.value.save_as(path)
    assert yaml.safe_load(path.read_text())["num_train_epochs"] == 7

    set_text(page, "num_train_epochs", 1)
    page.locator("#load-settings input[type=file], input[type=file]").first.set_input_files(path)
    wait_for(page, lambda: page.locator("#setting-num_train_epochs input").input_value() == "7")


def test_what_the_settings_come_to_stays_in_sight(app, visit):
    page = visit(app, "Configure")
    page.set_viewport_size({"width": 1280, "height": 1000})  # the plan is as high as that
    page.locator("#trainable").wait_for()
    page.locator("#setting-max_steps input, #setting-max_steps textarea").first.scroll_into_view_if_needed()
    page.evaluate("window.scrollBy(0, 200)")
    box = page.locator("#plan .hero").bounding_box()
    assert page.evaluate("window.scrollY") > 200
    assert 0 <= box["y"] < 300


def test_more_ways_to_learn_are_folded_away_and_each_is_a_setting_of_the_run(app, visit):
    page = visit(app, "Configure")
    page.locator("#trainable").wait_for()
    assert not page.locator("#setting-pooling").is_visible()
    page.get_by_role("button", name="More ways to learn").click()
    page.locator("#setting-vary_texts").get_by_role("checkbox").check()
    set_text(page, "average_last", 0.3)
    shown = page.locator("#more-ways [id^=setting-]").evaluate_all("boxes => boxes.map((box) => box.id)")
    assert {"setting-pooling", "setting-plain_weight", "setting-layer_lr_decay"} <= set(shown)
    choose_tab(page, "Train")
    wait_for(page, lambda: "average_last 0.3" in page.locator("#train-plan").inner_text(), seconds=30)
    assert "vary_texts True" in page.locator("#train-plan").inner_text()


def test_runs_and_bundled_models_are_offered_as_teachers_and_those_in_a_file_stay_though_nobody_knows_them(
    trained_app, visit, tmp_path
):
    page = visit(trained_app, "Configure")
    page.get_by_role("button", name="More ways to learn").click()
    tokens = page.locator("#setting-teachers .token")
    page.locator("#setting-teachers input").click()
    page.get_by_role("option", name="Bundled model").wait_for()
    page.get_by_role("option", name="Run trained").click()
    assert "Run trained (" in tokens.inner_text()
    path = tmp_path / "settings.yaml"
    with page.expect_download() as download:
        page.get_by_role("button", name="Save settings").click()
    download.value.save_as(path)
    assert yaml.safe_load(path.read_text())["teachers"] == ["trained"]

    path.write_text(yaml.safe_dump({"teachers": ["elsewhere", "trained"]}))
    page.locator("#load-settings input[type=file], input[type=file]").first.set_input_files(path)
    wait_for(page, lambda: tokens.count() == 2)
    choose_tab(page, "Train")
    choose_tab(page, "Configure")
    page.locator("#setting-teachers input").click()
    page.get_by_role("option", name="Run trained").wait_for()
    first, second = tokens.all_inner_texts()
    assert (first.strip(), "Run trained (" in second) == ("elsewhere", True)


def test_a_visitors_runs_may_learn_from_runs_alone(trained_run):
    assert [name for _, name in list_teachers(trained_run.path.parent, Visitor("anna"))] == ["trained"]
    run, bundled = list_teachers(trained_run.path.parent, HOST)
    assert run[1] == "trained"
    assert read_adapter_info(Path(bundled[1])).backbone == "all-MiniLM-L6-v2"
