import json
import shutil

import numpy as np
import pytest

from agnews_core.config import build_config
from agnews_core.errors import DataError, RunError
from agnews_core.evaluation.calibration import apply_temperature, fit_temperature
from agnews_core.evaluation.files import read_assessment, read_evaluated
from agnews_core.evaluation.sentences import describe_origin
from agnews_core.inference.assess import calibrate, evaluate, load_assessment, load_texts
from agnews_core.inference.catalogue import ClassifierCache, find_model
from agnews_core.inference.classifier import Classifier
from agnews_core.models.adapters import read_adapter_info, write_adapter_info


@pytest.fixture
def runs_dir(trained_run, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "runs" / "trained")
    return tmp_path / "runs"


class NoClassifiers:
    def load(self, model):
        raise AssertionError("the model was not needed")


def test_the_evaluation_of_the_training_is_shown_at_once_and_completed_without_the_model(runs_dir, tmp_path):
    model = find_model(runs_dir, bundled_dir=tmp_path)
    assert read_assessment(model.folder, "validation").baseline is None
    made = load_assessment(model, "validation", NoClassifiers())
    assert made.baseline.n == made.report.n == 16
    assert read_assessment(model.folder, "validation").baseline == made.baseline


def test_a_split_that_was_not_evaluated_is_and_is_kept(runs_dir, tmp_path):
    model, told = find_model(runs_dir, bundled_dir=tmp_path), []
    assert read_assessment(model.folder, "test") is None
    made = load_assessment(model, "test", ClassifierCache(), lambda done, total: told.append((done, total)))
    assert told[-1] == (40, 40)
    assert made.report.split == "test"
    assert read_assessment(model.folder, "test").report == made.report


def test_a_bundled_model_has_its_report_and_no_other(trained_run, tmp_path):
    shutil.copytree(trained_run.adapter_dir, tmp_path / "bundled" / "tiny")
    shutil.copy(trained_run.path / "report.json", tmp_path / "bundled" / "tiny")
    model = find_model(tmp_path, bundled_dir=tmp_path / "bundled")
    assert read_assessment(model.folder, "validation").report.n == 16
    assert read_evaluated(model.folder, "validation") is None
    with pytest.raises(RunError, match="bundled model is not evaluated here"):
        load_assessment(model, "test", ClassifierCache())


@pytest.fixture(scope="module")
def classifier(trained_run):
    return Classifier.load(trained_run.adapter_dir)


def test_evaluating_the_validation_split_gives_the_report_of_training_again(classifier, trained_run):
    trained = json.loads((trained_run.path / "report.json").read_text())
    report = evaluate(classifier, load_texts(trained_run.read_resolved_config(), split="validation")).report
    # Training measures in its own precision (bf16 where the CPU has it), so that a text on the border may turn over.
    assert report.n == trained["n"]
    assert abs(report.accuracy - trained["accuracy"]) <= 1 / report.n


def test_a_report_names_the_engine_that_its_logits_come_from(monkeypatch, trained_run):
    monkeypatch.setenv("AGNEWS_ENGINE", "openvino")
    classifier = Classifier.load(trained_run.adapter_dir)
    report = calibrate(classifier, load_texts(trained_run.read_resolved_config(), split="validation")).report
    assert report.engine == classifier.engine.title
    assert report.engine.startswith("OpenVINO in ")
    assert f"computed with {report.engine}; " in describe_origin(report)


def test_the_texts_of_ones_own_run_are_said_to_be_what_the_model_was_chosen_on(classifier, trained_run):
    config = trained_run.read_resolved_config()
    own = evaluate(classifier, load_texts(config, split="validation", is_own=True)).report
    assert (own.is_of_chosen_on, own.is_cross_fitted) == (True, True)
    other = evaluate(classifier, load_texts(config, split="validation")).report
    assert (other.is_of_chosen_on, other.is_cross_fitted) == (False, False)
    assert not evaluate(classifier, load_texts(config, split="test", is_own=True)).report.is_of_chosen_on


def test_calibrating_reports_the_temperature_that_it_fitted(classifier, trained_run):
    texts = load_texts(trained_run.read_resolved_config(), split="validation", is_own=True)
    found = calibrate(classifier, texts)
    logits = classifier.compute_logits(texts.texts)
    assert found.report.temperature == fit_temperature(logits, texts.labels)
    assert np.allclose(found.table["confidence"], apply_temperature(logits, found.report.temperature).max(-1))


def test_a_limit_on_validation_texts_leaves_the_test_file_whole(trained_run):
    config = trained_run.read_resolved_config().model_copy(update={"max_eval_samples": 8})
    assert len(load_texts(config, split="test").texts) == 40
    assert len(load_texts(config, split="validation").texts) == 8


def test_a_sample_of_a_split_keeps_the_classes_shares(trained_run):
    config = build_config({"data": "sample"})
    every, some = load_texts(config, split="test"), load_texts(config, split="test", at_most=40)
    shares = [np.bincount(texts.labels, minlength=4) / len(texts.labels) for texts in (every, some)]
    assert np.abs(shares[0] - shares[1]).max() <= 1 / 40


def test_a_missing_test_file_is_a_sentence(tiny_news, tmp_path):
    (tmp_path / "train.jsonl").write_bytes((tiny_news / "train.jsonl").read_bytes())
    with pytest.raises(
        DataError, match=r"There is no test file in folder .*; evaluate on the validation split, or give news"
    ):
        load_texts(build_config({"data": str(tmp_path)}), split="test")


def test_an_evaluation_of_a_model_that_became_another_one_meanwhile_is_not_kept(runs_dir, tmp_path):
    model = find_model(runs_dir, bundled_dir=tmp_path)

    def train_on(done, total):
        write_adapter_info(read_adapter_info(model.adapter_dir), model.adapter_dir)

    with pytest.raises(
        RunError, match=r"Run trained \(.*\) was trained on meanwhile; evaluate it again when it has ended\."
    ):
        load_assessment(model, "test", ClassifierCache(), train_on)
    assert read_assessment(model.folder, "test") is None
