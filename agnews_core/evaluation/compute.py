"""How good a model is: Trainer's metrics through `evaluate`, and the report shown to people. It computes; it predicts nothing.

The metrics are `evaluate.Metric`s of our own over scikit-learn, since `evaluate.load` downloads its scripts.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from agnews_core.errors import DataError
from agnews_core.evaluation.calibration import compute_calibration_error, compute_reliability
from agnews_core.evaluation.metrics import CLASSES, MacroScores
from agnews_core.evaluation.report import ClassScores, EvaluationReport, Mistake
from agnews_core.labels import LABELS
from agnews_core.libraries import read_versions
from agnews_core.runs import now

N_MISTAKES = 25
Z_95 = 1.959963984540054


def compute_report(
    texts: Sequence[str], labels: NDArray[np.int64], probabilities: NDArray[np.float32], **source: Any
) -> EvaluationReport:
    """Compute the report.

    Args:
        texts: n texts.
        labels: (n,) true classes, 0-3.
        probabilities: (n, 4), rows sum to 1.
        **source: `split`, `data_source`, `data_counts`, `backbone`, `seed`, `temperature`, `uncalibrated_error`: where the
            texts and the model come from.

    Raises:
        DataError: There are no texts.
    """
    if not len(labels):
        raise DataError("There are no texts to evaluate on.")
    predicted = probabilities.argmax(-1)
    accuracy = float(accuracy_score(labels, predicted))
    low, high = compute_wilson_interval(accuracy, len(labels))
    macro = MacroScores(keep_in_memory=True).compute(predictions=predicted, references=labels)
    return EvaluationReport(
        n=len(labels),
        accuracy=accuracy,
        accuracy_low=low,
        accuracy_high=high,
        f1_macro=macro["f1"],
        precision_macro=macro["precision"],
        recall_macro=macro["recall"],
        per_class=_compute_class_scores(labels, predicted),
        confusion_matrix=confusion_matrix(labels, predicted, labels=CLASSES).tolist(),
        expected_calibration_error=compute_calibration_error(labels, probabilities),
        reliability=compute_reliability(labels, probabilities),
        mistakes=_find_mistakes(texts, labels, probabilities),
        versions=read_versions(),
        created_at=now(),
        **source,
    )


def compute_wilson_interval(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share of n trials (Wilson 1927).

    >>> [round(end, 3) for end in compute_wilson_interval(0.9, 100)]
    [0.826, 0.945]
    """
    z2 = Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # The interval holds the share itself, which rounding could put just outside where all or none are right.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


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
