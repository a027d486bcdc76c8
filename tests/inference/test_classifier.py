import time

import numpy as np
import pytest

from agnews_core.evaluation.calibration import apply_temperature
from agnews_core.inference import batches as batching
from agnews_core.inference import classifier as inference
from agnews_core.inference.catalogue import BUNDLED_DIR
from agnews_core.inference.classifier import Classifier
from agnews_core.labels import LABELS

TEXTS = ["Goal.", "Stocks fell " * 60, "A probe reached Saturn on Friday", "Talks on the border resumed", "x"]


@pytest.fixture(scope="module")
def classifier(trained_run):
    return Classifier.load(trained_run.adapter_dir)


def test_predictions_keep_the_order_and_do_not_depend_on_their_neighbours(classifier):
    together = classifier.predict(TEXTS)
    assert [prediction.text for prediction in together] == TEXTS
    for prediction in together:
        (alone,) = classifier.predict([prediction.text])
        assert alone.probabilities == pytest.approx(prediction.probabilities, abs=1e-5)
        assert sum(alone.probabilities) == pytest.approx(1, abs=1e-5)
        assert alone.label == int(np.argmax(alone.probabilities))
        assert alone.label_name == LABELS[alone.label]


def test_every_row_has_its_turn_once_in_batches_of_like_length(classifier, monkeypatch):
    monkeypatch.setattr(inference, "CHUNK_TEXTS", 8)
    monkeypatch.setattr(batching, "BATCH_TOKENS", 64)
    texts = [f"text {'word ' * (number % 5)}{number}" for number in range(19)]
    batches = list(classifier.iterate(texts))
    assert sorted(row for rows, _ in batches for row in rows) == list(range(19))
    assert len(batches) > 3
    assert all(max(rows) // 8 == min(rows) // 8 for rows, _ in batches)
    for rows, logits in batches:
        assert (logits.shape, logits.dtype) == ((len(rows), 4), np.float32)
        assert logits == pytest.approx(classifier.compute_logits([texts[row] for row in rows]), abs=1e-5)


def test_probabilities_are_the_logits_through_the_temperature(classifier):
    wanted = apply_temperature(classifier.compute_logits(TEXTS), classifier.info.temperature)
    assert np.array_equal(classifier.compute_probabilities(TEXTS), wanted)
    assert [prediction.probabilities for prediction in classifier.predict(TEXTS)] == [
        tuple(row) for row in wanted.tolist()
    ]


def test_progress_is_told_after_each_batch(classifier, monkeypatch):
    monkeypatch.setattr(batching, "BATCH_TOKENS", 64)
    told = []
    classifier.compute_logits(TEXTS, lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (5, 5)
    assert len(told) > 1


ENDINGS = (
    "\ufe0f",
    "\u200b",
    "e\u0301",
    "\u00ad",
    "\x00",
)  # which BERT's normaliser drops, or joins with what stands before


@pytest.fixture(scope="module")
def bundled():
    return Classifier.load(BUNDLED_DIR / "all-MiniLM-L6-v2")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_short_text_is_read_to_its_end_whatever_it_ends_with(bundled, ending):
    (prediction,) = bundled.predict([f"A goal in the last minute {ending}"])
    assert prediction.cut_at is None


def test_a_text_that_is_longer_than_the_model_takes_is_cut(bundled):
    short, long = bundled.predict(["A goal.", "Shares fell on Monday. " * 60])
    assert short.cut_at is None
    assert 100 < long.cut_at < len(long.text)
    assert bundled.predict([long.text[: long.cut_at]])[0].cut_at is None


def test_a_text_of_a_megabyte_is_cut_not_choked_on(classifier):
    started = time.monotonic()
    huge = "The market rose again on Monday. " * 32_000
    assert len(huge) > 1_000_000
    (prediction,) = classifier.predict([huge])
    assert prediction.probabilities == pytest.approx(classifier.predict([huge[:5000]])[0].probabilities, abs=1e-5)
    assert time.monotonic() - started < 20


def test_no_texts_give_no_predictions(classifier):
    assert classifier.predict([]) == []
    assert classifier.compute_logits([]).shape == (0, 4)


@pytest.mark.parametrize("text", ["", "   ", "\x00", "🚀" * 10, "ﷺ" * 300])
def test_odd_texts_are_classified_too(classifier, text):
    assert len(classifier.predict([text])) == 1


def test_half_a_character_is_no_reason_to_fail(classifier):
    halved, whole = classifier.compute_logits(["Goal \ud83d scored", "Goal \ufffd scored"])
    assert (halved == whole).all()
