"""How good a model is: the report shown to people. It computes; it predicts nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from agnews_core.errors import DataError
from agnews_core.evaluation.calibration import (
    apply_temperature,
    compute_calibration_error,
    compute_reliability,
    cross_fit,
)
from agnews_core.evaluation.metrics import CLASSES, MacroScores
from agnews_core.evaluation.published import is_ag_news
from agnews_core.evaluation.report import ClassScores, EvaluationReport, Mistake, Share
from agnews_core.labels import LABELS
from agnews_core.libraries import read_versions
from agnews_core.runs import now

N_MISTAKES = 25


def compute_report(
    texts: Sequence[str],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    *,
    own_logits: NDArray[np.float32] | None = None,
    **source: Any,
) -> EvaluationReport:
    """Compute the report.

    Args:
        texts: n texts.
        labels: (n,) true classes, 0-3.
        probabilities: (n, 4), rows sum to 1.
        own_logits: (n, 4), where the texts are those that the model's temperature was fitted on: how calibrated it is, is then
            measured by `cross_fit`.
        **source: `split`, `data_source`, `data_counts`, `backbone`, `seed`, `temperature`, `engine`: where the texts, the
            model and its logits come from; and `plain`, its share of plain texts.

    Raises:
        DataError: There are no texts.
    """
    if not len(labels):
        raise DataError("There are no texts to evaluate on.")
    predicted = probabilities.argmax(-1)
    low, high = compute_interval(int((predicted == labels).sum()), len(labels))
    macro = MacroScores(keep_in_memory=True).compute(predictions=predicted, references=labels)
    judged = probabilities
    if own_logits is not None:
        judged = cross_fit(own_logits, labels)
        source["uncalibrated_error"] = compute_calibration_error(labels, apply_temperature(own_logits, 1.0))
    return EvaluationReport(
        n=len(labels),
        accuracy=float(accuracy_score(labels, predicted)),
        accuracy_low=low,
        accuracy_high=high,
        f1_macro=macro["f1"],
        precision_macro=macro["precision"],
        recall_macro=macro["recall"],
        per_class=_compute_class_scores(labels, predicted),
        confusion_matrix=confusion_matrix(labels, predicted, labels=CLASSES).tolist(),
        expected_calibration_error=compute_calibration_error(labels, judged),
        reliability=compute_reliability(labels, judged),
        is_cross_fitted=own_logits is not None,
        mistakes=_find_mistakes(texts, labels, probabilities),
        is_ag_news=is_ag_news(texts),
        versions=read_versions(),
        created_at=now(),
        **source,
    )


def compute_interval(n_right: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share of n (Wilson 1927).

    >>> [round(end, 3) for end in compute_interval(90, 100)]
    [0.826, 0.945]
    """
    found = binomtest(n_right, n).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def compute_share(right: NDArray[np.bool_]) -> Share:
    """Return how many of n (at least one) texts were classified correctly, and how sure the share is."""
    low, high = compute_interval(int(right.sum()), len(right))
    return Share(n=len(right), accuracy=float(right.mean()), accuracy_low=low, accuracy_high=high)


def _compute_class_scores(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> list[ClassScores]:
    columns = precision_recall_fscore_support(labels, predicted, labels=CLASSES, zero_division=0.0)
    return [
        ClassScores(label_name=name, precision=precision, recall=recall, f1=f1, support=support)
        for name, precision, recall, f1, support in zip(LABELS, *columns, strict=True)
    ]


def _find_mistakes(
    texts: Sequence[str], labels: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> list[Mistake]:
    predicted, confidence = probabilities.argmax(-1), probabilities.max(-1)
    wrong = np.flatnonzero(predicted != labels)
    most_confident = wrong[np.argsort(-confidence[wrong], kind="stable")][:N_MISTAKES]
    return [
        Mistake(
            row=int(row),
            text=texts[row],
            label=int(labels[row]),
            predicted=int(predicted[row]),
            probability=float(confidence[row]),
        )
        for row in most_confident
    ]
