import shutil
import time

import numpy as np
import pytest
from transformers.models.roberta.modeling_roberta import RobertaIntermediate

from agnews_core.config import build_config
from agnews_core.errors import CheckpointError
from agnews_core.evaluation.calibration import apply_temperature
from agnews_core.inference import batches as batching
from agnews_core.inference import classifier as inference
from agnews_core.inference.attribution import explain
from agnews_core.inference.catalogue import BUNDLED_DIR
from agnews_core.inference.classifier import Classifier
from agnews_core.inference.engines import build_engine
from agnews_core.labels import LABELS
from agnews_core.models.adapters import ADAPTER_WEIGHTS, compute_model_key, read_adapter_info
from agnews_core.models.backbones import load_tokenizer
from agnews_core.models.weights import copy_adapter, load_model
from agnews_core.runs import create_run
from agnews_core.training.recipe import train

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


def _compare_with_whole(adapter_dir, engine) -> tuple[Classifier, Classifier]:
    """Return a model as it answers, and one of which every token is computed in every layer, by the same engine."""
    loaded = load_model(adapter_dir)
    whole = build_engine(inference._LogitsOnly(loaded.model).eval(), name=engine)
    return Classifier.load(adapter_dir), Classifier(loaded.info, load_tokenizer(loaded.backbone), whole)


@pytest.mark.parametrize(("engine", "tolerance"), [("torch", 1e-5), ("torch-bf16", 0.05), ("openvino", 0.05)])
def test_of_the_top_layer_the_first_token_alone_is_computed_and_logits_are_the_whole_models(
    trained_run, monkeypatch, tmp_path, engine, tolerance
):
    monkeypatch.setenv("AGNEWS_ENGINE", engine)
    monkeypatch.setenv("AGNEWS_CACHE_DIR", str(tmp_path))
    shapes, compute = [], RobertaIntermediate.forward
    monkeypatch.setattr(
        RobertaIntermediate, "forward", lambda layer, states: shapes.append(states.shape[1]) or compute(layer, states)
    )
    own, whole = _compare_with_whole(trained_run.adapter_dir, engine)
    shapes.clear()
    assert own.compute_logits(TEXTS) == pytest.approx(whole.compute_logits(TEXTS), abs=tolerance)
    if engine != "openvino":  # which is no module by then
        assert shapes[11] == 1 < shapes[10] == shapes[0]
    again = Classifier.load(trained_run.adapter_dir)
    assert (again.engine.name, again.engine.reason) == (engine, "")
    assert again.compute_logits(TEXTS) == pytest.approx(own.compute_logits(TEXTS), abs=1e-5)


def test_the_words_of_the_bundled_model_weigh_what_they_do_in_the_whole_one():
    text = "Shares of the chip maker rose after the cup final."
    found = [
        explain(model, model.predict([text])[0])
        for model in _compare_with_whole(BUNDLED_DIR / "all-MiniLM-L6-v2", "torch")
    ]
    own, whole = ([piece.weight or 0.0 for piece in it.pieces] for it in found)
    assert own == pytest.approx(whole, abs=1e-3)
    assert found[0].largest_weight > 0.5


def test_the_mean_of_all_tokens_needs_all_of_the_top_layer(tiny_settings, tmp_path):
    run = create_run(tmp_path, build_config({**tiny_settings, "max_steps": 1, "pooling": "mean"}), name="mean")
    train(run)
    own, whole = _compare_with_whole(run.adapter_dir, "torch")
    assert own.compute_logits(TEXTS) == pytest.approx(whole.compute_logits(TEXTS), abs=1e-5)


def test_a_model_that_became_another_one_is_not_built_in_place_of_the_first(trained_run, tmp_path):
    folder = shutil.copytree(trained_run.adapter_dir, tmp_path / "adapter")
    key = compute_model_key(read_adapter_info(folder), folder)
    inference._build_module(folder, None, model_key=key)
    copy_adapter(trained_run.adapter_dir, tmp_path / "other", dtype="fp16")
    shutil.copy(tmp_path / "other" / ADAPTER_WEIGHTS, folder)
    with pytest.raises(
        CheckpointError, match=f"The model in {folder} has become another one meanwhile; load it again."
    ):
        inference._build_module(folder, None, model_key=key)
