"""Trainer's metrics, through `evaluate`.

They are `evaluate.Metric`s of our own over scikit-learn, since `evaluate.load` downloads its scripts.
"""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from agnews_core.labels import LABELS

CLASSES = list(range(len(LABELS)))


class _NewsMetric(evaluate.Metric):
    """Integer labels against integer predictions."""

    def _info(self) -> Any:
        features = datasets.Features({"predictions": datasets.Value("int32"), "references": datasets.Value("int32")})
        return evaluate.MetricInfo(description=self.__doc__ or "", citation="", features=features)

    def _build_data_dir(self) -> str:
        # evaluate makes this folder at once, and fails where home cannot be written; kept in memory, we never use it.
        return str(self._data_dir_root)


class Accuracy(_NewsMetric):
    """Share of texts whose class was found."""

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        return {"accuracy": float(accuracy_score(references, predictions))}


class MacroScores(_NewsMetric):
    """Precision, recall and F1, each the plain mean over the four classes."""

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        precision, recall, f1, _ = precision_recall_fscore_support(
            references, predictions, labels=CLASSES, average="macro", zero_division=0.0
        )
        return {"precision": float(precision), "recall": float(recall), "f1": float(f1)}


def compute_score(accuracy: float, plain_accuracy: float, *, plain_weight: float) -> float:
    """Return what models are chosen by: the weighted mean of the accuracies on news and on plain texts.

    >>> compute_score(0.9, 1.0, plain_weight=0.25)
    0.925
    """
    return (1 - plain_weight) * accuracy + plain_weight * plain_accuracy


def compute_metrics(
    prediction: Any, *, is_plain: NDArray[np.bool_] | None = None, plain_weight: float = 0.0
) -> dict[str, float]:
    """Compute accuracy, precision, recall and f1 for Trainer; where there are plain texts, plain_accuracy and score too.

    Args:
        prediction: transformers.EvalPrediction with logits (n, 4) and label_ids (n,).
        is_plain: (n,), which of the texts are plain ones; all but the last two figures are of the others alone.
        plain_weight: How much they count in the score.
    """
    logits = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
    predicted, labels = logits.argmax(-1), prediction.label_ids
    if is_plain is None or not is_plain.any():
        return _compute_scores(predicted, labels)
    scores = _compute_scores(predicted[~is_plain], labels[~is_plain])
    plain_accuracy = float((predicted == labels)[is_plain].mean())
    score = compute_score(scores["accuracy"], plain_accuracy, plain_weight=plain_weight)
    return scores | {"plain_accuracy": plain_accuracy, "score": score}


def _compute_scores(predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> dict[str, float]:
    together = evaluate.combine([Accuracy(keep_in_memory=True), MacroScores(keep_in_memory=True)])
    result: dict[str, float] = together.compute(predictions=predicted, references=labels)
    return result
