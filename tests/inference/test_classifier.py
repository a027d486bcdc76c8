import time

import numpy as np
import pytest

from agnews_core.config import build_config
from agnews_core.errors import DataError
from agnews_core.inference import classifier as inference
from agnews_core.inference.assess import evaluate
from agnews_core.inference.classifier import Classifier
from agnews_core.labels import LABELS

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


def test_evaluating_the_validation_split_gives_the_report_of_training_again(classifier, trained_run):
    import json

    trained = json.loads((trained_run.path / "report.json").read_text())
    report = evaluate(classifier, trained_run.read_resolved_config(), split="validation").report
    # Training measures in its own precision (bf16 where the CPU has it), so that a text on the border may turn over.
    assert report.n == trained["n"]
    assert abs(report.accuracy - trained["accuracy"]) <= 1 / report.n


def test_the_test_split_is_the_test_file(classifier, trained_run):
    report = evaluate(classifier, trained_run.read_resolved_config(), split="test").report
    assert (report.n, report.split) == (40, "test")


def test_a_missing_test_file_is_a_sentence(classifier, tiny_news, tmp_path):
    (tmp_path / "train.jsonl").write_bytes((tiny_news / "train.jsonl").read_bytes())
    with pytest.raises(
        DataError, match=r"There is no test file in folder .*; evaluate on the validation split, or give news"
    ):
        evaluate(classifier, build_config({"data": str(tmp_path)}), split="test")


def test_half_a_character_is_no_reason_to_fail(classifier):
    halved, whole = classifier.compute_logits(["Goal \ud83d scored", "Goal \ufffd scored"])
    assert (halved == whole).all()
