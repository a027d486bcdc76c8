"""Numbers about a model, held against sums done by hand and against scikit-learn."""

import json
import socket

import numpy as np
import pytest
from sklearn import metrics
from transformers import EvalPrediction

from agnews_core.errors import DataError
from agnews_core.evaluation.calibration import (
    apply_temperature,
    compute_calibration_error,
    cross_fit,
    fit_temperature,
)
from agnews_core.evaluation.compute import N_MISTAKES, compute_interval, compute_report
from agnews_core.evaluation.metrics import compute_metrics
from agnews_core.evaluation.report import EvaluationReport
from agnews_core.labels import LABELS
from agnews_core.libraries import read_versions

SOURCE = {"split": "validation", "data_source": "sample", "data_counts": {"n_read": 9}, "backbone": "tiny", "seed": 1}


def make_logits(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 4) logits that are right about half the time, and (n,) labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, n)
    logits = random.normal(size=(n, 4)).astype(np.float32)
    logits[np.arange(n), labels] += 1
    return logits, labels


def make_probabilities(rows: list[tuple[int, float]]) -> np.ndarray:
    """Return rows that give `confidence` to `predicted` and share the rest out."""
    found = np.empty((len(rows), 4))
    for row, (predicted, confidence) in enumerate(rows):
        found[row] = (1 - confidence) / 3
        found[row, predicted] = confidence
    return found


def report(rows: list[tuple[int, float]], labels: list[int]) -> EvaluationReport:
    texts = [f"text {number}" for number in range(len(labels))]
    return compute_report(texts, np.array(labels), make_probabilities(rows), **SOURCE)


def test_trainers_metrics_are_scikit_learns():
    logits, labels = make_logits(500)
    predicted = logits.argmax(-1)
    scores = compute_metrics(EvalPrediction(logits, labels))
    assert scores == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(labels, predicted),
            "f1": metrics.f1_score(labels, predicted, average="macro"),
            "precision": metrics.precision_score(labels, predicted, average="macro"),
            "recall": metrics.recall_score(labels, predicted, average="macro"),
        }
    )


def test_trainers_metrics_take_logits_that_come_with_other_outputs():
    logits, labels = make_logits(50)
    assert compute_metrics(EvalPrediction((logits, None), labels)) == compute_metrics(EvalPrediction(logits, labels))


def test_a_class_that_never_occurs_counts_as_zero_without_a_warning():
    logits = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]]
    scores = compute_metrics(EvalPrediction(logits, np.array([0, 0, 1, 1])))
    assert scores == {"accuracy": 1.0, "precision": 0.5, "recall": 0.5, "f1": 0.5}


def test_metrics_ask_the_network_for_nothing(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(socket.socket, "connect", lambda *args: pytest.fail("asked the network"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: pytest.fail("asked the network"))
    compute_metrics(EvalPrediction(*make_logits(8)))


def test_metrics_leave_no_file_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path / "cache"))
    compute_metrics(EvalPrediction(*make_logits(8)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("n_right", "n", "low", "high"),
    [
        # By hand for 9 of 10: z2 = 3.8415; middle = (0.9 + 0.19207) / 1.38415 = 0.78898;
        # half = 1.95996 / 1.38415 * sqrt(0.009 + 0.0096036) = 0.19314.
        (9, 10, 0.59585, 0.98212),
        # 0 of 10: middle = half = 0.19207 / 1.38415.
        (0, 10, 0.0, 0.27753),
        (10, 10, 0.72247, 1.0),
        (1, 2, 0.09453, 0.90547),
        # Newcombe 1998, table I: 81 of 263 and 15 of 148.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
    ],
)
def test_the_wilson_interval_is_as_computed_by_hand(n_right, n, low, high):
    assert compute_interval(n_right, n) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_stays_between_zero_and_one():
    for n in (1, 2, 10, 10_000):
        for right in {0, 1, n - 1, n}:
            low, high = compute_interval(right, n)
            assert 0 <= low <= right / n <= high <= 1


def test_the_report_agrees_with_scikit_learn():
    logits, labels = make_logits(300)
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    found = compute_report(["text"] * 300, labels, probabilities, **SOURCE)
    predicted = probabilities.argmax(-1)
    each = metrics.classification_report(labels, predicted, output_dict=True, target_names=LABELS)
    assert found.n == 300
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert found.confusion_matrix == metrics.confusion_matrix(labels, predicted).tolist()
    assert found.f1_macro == pytest.approx(each["macro avg"]["f1-score"])
    assert found.precision_macro == pytest.approx(each["macro avg"]["precision"])
    assert found.recall_macro == pytest.approx(each["macro avg"]["recall"])
    for scores in found.per_class:
        expected = each[scores.label_name]
        assert (scores.precision, scores.recall, scores.f1, scores.support) == pytest.approx(
            (expected["precision"], expected["recall"], expected["f1-score"], expected["support"])
        )


def test_accuracy_is_the_same_in_the_report_and_in_trainers_metrics():
    logits, labels = make_logits(200)
    found = compute_report(["text"] * 200, labels, np.exp(logits), **SOURCE)
    trainers = compute_metrics(EvalPrediction(logits, labels))
    assert (found.accuracy, found.f1_macro) == (trainers["accuracy"], trainers["f1"])


def test_rows_of_the_confusion_matrix_are_the_true_classes():
    assert report([(1, 0.9)], [0]).confusion_matrix == [[0, 1, 0, 0], [0] * 4, [0] * 4, [0] * 4]


def test_classes_that_do_not_occur_have_rows_and_scores_of_zero():
    found = report([(0, 0.9), (0, 0.9)], [0, 0])
    assert [scores.label_name for scores in found.per_class] == list(LABELS)
    assert [scores.support for scores in found.per_class] == [2, 0, 0, 0]
    assert found.f1_macro == 0.25


def test_the_most_confident_mistakes_come_first():
    found = report([(1, 0.5), (0, 0.99), (2, 0.9), (1, 0.9)], [0, 0, 0, 0])
    assert [(mistake.row, mistake.text, mistake.label, mistake.predicted) for mistake in found.mistakes] == [
        (2, "text 2", 0, 2), (3, "text 3", 0, 1), (0, "text 0", 0, 1),
    ]  # fmt: skip
    assert found.mistakes[0].probability == pytest.approx(0.9)


def test_no_more_mistakes_are_kept_than_a_person_reads():
    assert len(report([(1, 0.9)] * (N_MISTAKES + 5), [0] * (N_MISTAKES + 5)).mistakes) == N_MISTAKES


def test_a_report_without_texts_is_refused():
    with pytest.raises(DataError, match=r"^There are no texts to evaluate on\.$"):
        compute_report([], np.array([], dtype=int), np.empty((0, 4)), **SOURCE)


def test_a_report_says_where_its_numbers_come_from():
    found = report([(0, 0.9)], [0])
    assert {name: getattr(found, name) for name in SOURCE} == SOURCE
    assert found.created_at.endswith("+00:00")
    assert set(found.versions) >= {"python", "torch", "transformers", "peft", "datasets"}


def test_a_report_survives_json():
    found = report([(0, 0.9), (1, 0.8)], [0, 2])
    assert EvaluationReport.model_validate(json.loads(found.model_dump_json())) == found


def test_the_versions_are_those_that_are_installed():
    import torch

    assert read_versions()["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_of_the_texts_that_a_temperature_was_fitted_on_the_error_is_measured_on_the_other_half():
    logits, labels = make_logits(400)
    temperature = fit_temperature(logits, labels)
    shares = apply_temperature(logits, temperature)
    own = compute_report(["text"] * 400, labels, shares, own_logits=logits, temperature=temperature, **SOURCE)
    assert own.expected_calibration_error == compute_calibration_error(labels, cross_fit(logits, labels))
    assert own.expected_calibration_error != compute_calibration_error(labels, shares)
    assert own.uncalibrated_error == compute_calibration_error(labels, apply_temperature(logits, 1.0))
    assert (
        sum(it.n * abs(it.accuracy - it.confidence) for it in own.reliability) / 400 == own.expected_calibration_error
    )
