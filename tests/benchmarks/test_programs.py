"""Each program runs to its end on a tiny model and few rows, and prints what it promises. The figures mean nothing here."""

import json

import pytest

from agnews_core.news.plain import KINDS
from tests.benchmarks import (
    accuracy_parity,
    estimate_error,
    four_tests,
    growth,
    prediction_speed,
    share_of_peak,
    start_up,
    training_speed,
)
from tests.benchmarks.material import find_backbone

pytestmark = pytest.mark.slow
ROWS = "320"
CLASSES = ("world", "sports", "business", "sci_tech")


@pytest.fixture
def measure(capfd):
    def run(program, *words) -> dict:
        program.main([*map(str, words), "--json"])
        return json.loads(capfd.readouterr().out)

    return run


def test_training_speed(measure, tiny_backbone):
    found = measure(
        training_speed, "--backbone", tiny_backbone, "--rows", ROWS, "--epochs", 1, "--rounds", 1, "--plain-steps", 6
    )
    assert list(found)[:7] == [
        "ratio",
        "second_run_ratio",
        "plain_samples_per_second",
        "ours_samples_per_second",
        "second_run_samples_per_second",
        "store_seconds",
        "padding_share",
    ]
    assert found["ratio"] == pytest.approx(
        found["ours_samples_per_second"] / found["plain_samples_per_second"], rel=1e-2
    )
    assert found["train_rows"] == 288


@pytest.mark.parametrize("flags", [[], ["--without-bf16"]])
def test_prediction_speed(measure, trained_run, tiny_backbone, flags):
    model = ["--adapter", trained_run.adapter_dir, "--backbone", tiny_backbone]
    found = measure(prediction_speed, *model, "--texts", 150, "--rounds", 1, *flags)
    assert found["agreement"] > 0.9
    assert found["engine"].endswith("fp32") or not flags
    best = max(found["pipeline_texts_per_second"], found["pipeline_batched_texts_per_second"])
    assert found["ratio"] == pytest.approx(found["ours_texts_per_second"] / best, rel=1e-2)


def test_accuracy_parity(measure, tiny_backbone):
    found = measure(accuracy_parity, "--backbone", tiny_backbone, "--rows", ROWS, "--seeds", 2)
    assert len(found["spread"]["points_better"]) == 2
    points = 100 * (found["ours_mean_accuracy"] - found["plain_mean_accuracy"])
    assert found["mean_points_apart"] == pytest.approx(abs(points), abs=0.1)


def test_four_tests(measure, trained_run, tiny_backbone, tiny_news, monkeypatch, capfd):
    models = ["--runs", trained_run.name, "--runs-dir", trained_run.path.parent, "--without-bundled"]
    models += ["--adapters", trained_run.adapter_dir, "--backbone", tiny_backbone]
    without = measure(four_tests, *models)
    assert without["run trained"]["plain"] == without["adapter adapter"]["plain"]
    assert "ag_news" not in without["run trained"]
    monkeypatch.setenv("AGNEWS_DATA_DIR", str(tiny_news))
    found = measure(four_tests, *models)["run trained"]
    assert (found["ag_news_texts"], found["wire_sample_texts"], found["sentences_texts"]) == (16, 120, 6)
    assert found["ag_news"] == pytest.approx(trained_run.read_status().result.eval_accuracy, abs=1e-3)
    assert found["plain_low"] < found["plain"] < found["plain_high"]
    kinds = sum(found[f"plain_{kind}_texts"] for kind in KINDS)
    assert kinds == found["plain_texts"] == sum(found[f"plain_{name}_texts"] for name in CLASSES)
    assert 0 <= found["plain_unsure"] <= 1
    assert 0 <= found["plain_wrong_where_unsure"] <= 1
    monkeypatch.delenv("AGNEWS_DATA_DIR")
    four_tests.main(list(map(str, models[:5])))
    assert "AG News is not measured; set AGNEWS_DATA_DIR" in capfd.readouterr().out


def test_share_of_peak(measure, tiny_backbone):
    found = measure(share_of_peak, "--backbone", tiny_backbone, "--rows", ROWS, "--rounds", 1)
    assert 0 < found["training_share"] < 1
    assert 0 < found["prediction_share"] < 1


def test_growth_and_estimate_error(measure, tiny_backbone, trained_run):
    model = ["--backbone", tiny_backbone, "--adapter", trained_run.adapter_dir]
    found = measure(growth, *model, "--predict", 100, 200, 300, "--train", 200)
    assert found["predict_peak_gb"] < 1.5
    assert {"predict_growth", "predict_300_seconds", "train_peak_of_planned", "train_200_planned_gb"} <= found.keys()
    found = measure(estimate_error, "--backbone", tiny_backbone, "--rows", 200)
    assert found["200_seconds_planned_low"] < found["200_seconds_planned_high"]
    assert found["seconds_inside"] in (0, 1)


def test_start_up(measure):
    found = measure(start_up, "--rounds", 1)
    assert found["page_ratio"] == pytest.approx(found["page_seconds"] / found["bare_page_seconds"], rel=1e-2)
    assert found["first_answer_seconds"] > 0


def test_the_base_model_in_robertas_shape_is_built_once_and_has_its_size(tmp_path, monkeypatch):
    monkeypatch.setenv("AGNEWS_CACHE_DIR", str(tmp_path))
    folder = find_backbone("roberta-base-shape")
    assert find_backbone("roberta-base-shape") == folder
    (weights,) = tmp_path.glob("benchmarks/roberta-base-shape/*.safetensors")
    assert weights.stat().st_size == pytest.approx(4 * 124_645_632, rel=0.01)
