import json
import os

import numpy as np
import pytest

from agnews_core.evaluation.compute import compute_report
from agnews_core.evaluation.files import Evaluated, read_assessment, read_evaluated, read_report, write_evaluated
from agnews_core.inference.tables import build_table

LABELS_ = np.array([0, 1, 2, 3])
SHARES = np.eye(4, dtype=np.float32) * 0.6 + 0.1


def _evaluate(split="validation"):
    texts = ["Talks", "A goal", "Shares", "A probe"]
    report = compute_report(
        texts, LABELS_, SHARES, split=split, data_source="sample", data_counts={}, backbone="tiny", seed=1
    )
    return Evaluated(report, build_table(SHARES, texts=texts, labels=LABELS_))


def test_an_evaluation_is_read_back_with_its_table(tmp_path):
    written = _evaluate()
    write_evaluated(tmp_path, written)
    found = read_evaluated(tmp_path, "validation")
    assert found.report == read_report(tmp_path, "validation") == written.report
    assert found.table["text"].tolist() == written.table["text"].tolist()
    assert found.table["label"].tolist() == [0, 1, 2, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["predictions-validation.parquet"]


def test_splits_are_kept_apart(tmp_path):
    write_evaluated(tmp_path, _evaluate("test"))
    assert read_evaluated(tmp_path, "validation") is None
    assert read_evaluated(tmp_path, "test").report.split == "test"


def test_a_report_alone_is_read_without_a_table(tmp_path):
    report = _evaluate().report
    (tmp_path / "report.json").write_text(report.model_dump_json())
    assert read_report(tmp_path, "validation") == report
    assert read_evaluated(tmp_path, "validation") is None
    assert read_report(tmp_path, "test") is None


def test_a_report_is_read_without_the_texts_it_was_made_of(tmp_path, monkeypatch):
    write_evaluated(tmp_path, _evaluate())
    monkeypatch.setattr("pyarrow.parquet.read_table", lambda path: pytest.fail("the texts were not needed"))
    assert read_assessment(tmp_path, "validation").report.n == 4


def test_a_report_without_a_number_is_of_the_first_version_and_a_later_one_is_not_read(tmp_path):
    report = json.loads(_evaluate().report.model_dump_json())
    assert report.pop("schema_version") == 1
    for version, is_read in (({}, True), ({"schema_version": 2}, False)):
        (tmp_path / "report.json").write_text(json.dumps({**report, **version}))
        assert (read_report(tmp_path, "validation") is not None) == is_read


@pytest.mark.parametrize("content", [b"", b"PAR1 torn", b"not a parquet file at all"])
def test_a_damaged_file_reads_as_not_evaluated(tmp_path, content):
    (tmp_path / "predictions-validation.parquet").write_bytes(content)
    assert read_evaluated(tmp_path, "validation") is None
    assert read_report(tmp_path, "validation") is None


@pytest.mark.parametrize("name", ["report.json", "baseline-validation.json", "predictions-validation.parquet"])
def test_a_pipe_in_a_files_place_reads_as_not_evaluated_and_nobody_waits_for_it(tmp_path, name):
    os.mkfifo(tmp_path / name)
    assert read_assessment(tmp_path, "validation") is None


def test_a_finished_run_keeps_what_its_model_said_of_every_validation_text(trained_run):
    found = read_evaluated(trained_run.path, "validation")
    assert len(found.table) == found.report.n == 16
    assert (found.table["predicted"] == found.table["label"]).mean() == pytest.approx(found.report.accuracy)
    assert found.report.uncalibrated_error is not None
