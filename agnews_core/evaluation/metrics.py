"""Trainer's metrics, through `evaluate`.

They are `evaluate.Metric`s of our own over scikit-learn, since `evaluate.load` downloads its scripts.
"""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
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


def compute_metrics(prediction: Any) -> dict[str, float]:
    """Compute accuracy, precision, recall and f1 for Trainer.

    Args:
        prediction: transformers.EvalPrediction with logits (n, 4) and label_ids (n,).
    """
    logits = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
    together = evaluate.combine([Accuracy(keep_in_memory=True), MacroScores(keep_in_memory=True)])
    result: dict[str, float] = together.compute(predictions=logits.argmax(-1), references=prediction.label_ids)
    return result
