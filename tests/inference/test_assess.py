import shutil

import pytest

from agnews_core.errors import RunError
from agnews_core.inference.assess import load_assessment, read_assessment
from agnews_core.inference.catalogue import ClassifierCache, find_model


@pytest.fixture
def runs_dir(trained_run, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "runs" / "trained")
    return tmp_path / "runs"


class NoClassifiers:
    def load(self, model):
        raise AssertionError("the model was not needed")


def test_the_evaluation_of_the_training_is_shown_at_once_and_completed_without_the_model(runs_dir, tmp_path):
    model = find_model(runs_dir, shipped_dir=tmp_path)
    assert read_assessment(model, "validation").baseline is None
    made = load_assessment(model, "validation", NoClassifiers())
    assert made.baseline.n == made.evaluated.report.n == 16
    assert read_assessment(model, "validation").baseline == made.baseline


def test_a_split_that_was_not_evaluated_is_and_is_kept(runs_dir, tmp_path):
    model, told = find_model(runs_dir, shipped_dir=tmp_path), []
    assert read_assessment(model, "test") is None
    made = load_assessment(model, "test", ClassifierCache(), lambda done, total: told.append((done, total)))
    assert told[-1] == (40, 40)
    assert made.evaluated.report.split == "test"
    assert read_assessment(model, "test").evaluated.report == made.evaluated.report


def test_a_shipped_model_has_its_report_and_no_other(trained_run, tmp_path):
    shutil.copytree(trained_run.adapter_dir, tmp_path / "shipped" / "tiny")
    shutil.copy(trained_run.path / "report.json", tmp_path / "shipped" / "tiny")
    model = find_model(tmp_path, shipped_dir=tmp_path / "shipped")
    assert read_assessment(model, "validation").evaluated.table is None
    with pytest.raises(RunError, match="shipped model is not evaluated here"):
        load_assessment(model, "test", ClassifierCache())
