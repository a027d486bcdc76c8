import csv
import errno
import time

import numpy as np
import pytest

from agnews_core import inference
from agnews_core.config import build_config
from agnews_core.data import LABELS
from agnews_core.errors import DataError
from agnews_core.inference import Classifier, Prediction, evaluate, write_predictions

TEXTS = ["Goal.", "Stocks fell " * 60, "A probe reached Saturn on Friday", "Talks on the border resumed", "x"]


@pytest.fixture(scope="module")
def classifier(trained_run):
    return Classifier.load(trained_run.adapter_dir)


def test_predictions_keep_the_order_and_do_not_depend_on_their_neighbours(classifier):
    together = list(classifier.predict(TEXTS))
    assert [prediction.text for prediction in together] == TEXTS
    for prediction in together:
        alone = next(iter(classifier.predict([prediction.text])))
        assert alone.probabilities == pytest.approx(prediction.probabilities, abs=1e-5)
        assert sum(alone.probabilities) == pytest.approx(1, abs=1e-5)
        assert alone.label == int(np.argmax(alone.probabilities))
        assert alone.label_name == LABELS[alone.label]


def test_many_texts_pass_in_chunks_without_being_held_together(classifier, monkeypatch):
    monkeypatch.setattr(inference, "CHUNK_TEXTS", 4)
    monkeypatch.setattr(inference, "BATCH_TOKENS", 64)
    taken = []

    def texts():
        for number in range(11):
            taken.append(number)
            yield f"text {'word ' * (number % 5)}{number}"

    predictions = classifier.predict(texts())
    next(predictions)
    assert len(taken) == 4
    assert [prediction.text.split()[-1] for prediction in predictions] == [str(number) for number in range(1, 11)]


def test_a_text_of_a_megabyte_is_cut_not_choked_on(classifier):
    started = time.monotonic()
    huge = "The market rose again on Monday. " * 32_000
    assert len(huge) > 1_000_000
    (prediction,) = classifier.predict([huge])
    assert prediction.probabilities == pytest.approx(next(classifier.predict([huge[:5000]])).probabilities, abs=1e-5)
    assert time.monotonic() - started < 20


def test_no_texts_give_no_predictions(classifier):
    assert list(classifier.predict([])) == []


@pytest.mark.parametrize("text", ["", "   ", "\x00", "🚀" * 10, "ﷺ" * 300])
def test_odd_texts_are_classified_too(classifier, text):
    assert len(list(classifier.predict([text]))) == 1


def _predictions(n):
    return (Prediction(f"text {i}", i % 4, tuple(0.7 if j == i % 4 else 0.1 for j in range(4))) for i in range(n))


def test_the_csv_is_what_the_competition_wants(tmp_path):
    path = tmp_path / "predictions.csv"
    assert write_predictions(path, _predictions(5)) == 5
    assert path.read_text() == "ID,Label\n0,0\n1,1\n2,2\n3,3\n4,0\n"


def test_label_names_and_probabilities_come_when_asked_for(tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, _predictions(2), label_names=True, probabilities=True)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert rows[1] == {
        "ID": "1", "Label": "1", "LabelName": "Sports",
        "World": "0.100000", "Sports": "0.700000", "Business": "0.100000", "Sci/Tech": "0.100000",
    }  # fmt: skip


def test_a_failure_half_way_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("old")

    def fail():
        yield from _predictions(3)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        DataError, match=r"cannot be written to .*predictions.csv: No space left on device; choose another"
    ):
        write_predictions(path, fail())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"cannot be written to .*nowhere"):
        write_predictions(tmp_path / "nowhere" / "out.csv", _predictions(1))


def test_evaluating_the_validation_split_gives_the_report_of_training_again(classifier, trained_run):
    import json

    trained = json.loads((trained_run.path / "report.json").read_text())
    report = evaluate(classifier, trained_run.read_resolved_config(), split="validation")
    # Training measures in its own precision (bf16 where the CPU has it), so that a text on the border may turn over.
    assert report.n == trained["n"]
    assert abs(report.accuracy - trained["accuracy"]) <= 1 / report.n


def test_the_test_split_is_the_test_file(classifier, trained_run):
    report = evaluate(classifier, trained_run.read_resolved_config(), split="test")
    assert (report.n, report.split) == (40, "test")


def test_a_missing_test_file_is_a_sentence(classifier, tiny_news, tmp_path):
    (tmp_path / "train.jsonl").write_bytes((tiny_news / "train.jsonl").read_bytes())
    with pytest.raises(DataError, match=r"There is no test file in folder .*; use --split validation"):
        evaluate(classifier, build_config({"data": str(tmp_path)}), split="test")
