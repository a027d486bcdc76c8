"""How good a model is: Trainer's metrics through `evaluate`, and the report shown to people. It computes; it predicts nothing.

The metrics are `evaluate.Metric`s of our own over scikit-learn, since `evaluate.load` downloads its scripts.
"""

import importlib.metadata
import math
import platform
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from agnews_core.errors import DataError
from agnews_core.evaluation.calibration import ReliabilityBin, compute_calibration_error, compute_reliability
from agnews_core.news.data import LABELS
from agnews_core.runs import now

N_MISTAKES = 25
Z_95 = 1.959963984540054
_CLASSES = list(range(len(LABELS)))


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
            references, predictions, labels=_CLASSES, average="macro", zero_division=0.0
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


class ClassScores(BaseModel):
    """Scores of one class; `support` is how many texts have it."""

    label_name: str
    precision: float
    recall: float
    f1: float
    support: int


class Mistake(BaseModel):
    """A text whose class was not found, and how sure the model was of the wrong one."""

    row: int
    text: str
    label: int
    predicted: int
    probability: float


class EvaluationReport(BaseModel):
    """How good a model is on one split.

    Attributes:
        accuracy_low: Lower end of the 95 % Wilson interval of `accuracy`.
        accuracy_high: Its upper end.
        confusion_matrix: 4 rows (true class) of 4 counts (predicted class).
        expected_calibration_error: Mean distance of confidence from accuracy over 15 bins of equal width, 0-1.
        reliability: How often the model was right by how sure it was; bins without a text are left out.
        mistakes: The most confident ones, most confident first.
        temperature: What the model's logits were divided by.
        uncalibrated_error: The calibration error without that division, where it is known. Where the temperature was fitted on
            these same texts (the validation split), `expected_calibration_error` is a little better than on others.
    """

    model_config = ConfigDict(frozen=True)

    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    f1_macro: float
    precision_macro: float
    recall_macro: float
    per_class: list[ClassScores]
    confusion_matrix: list[list[int]]
    expected_calibration_error: float
    reliability: list[ReliabilityBin] = []
    mistakes: list[Mistake]
    split: str
    data_source: str
    data_counts: dict[str, Any]
    backbone: str
    seed: int
    temperature: float = 1.0
    uncalibrated_error: float | None = None
    versions: dict[str, str]
    created_at: str


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
        confusion_matrix=confusion_matrix(labels, predicted, labels=_CLASSES).tolist(),
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
    columns = precision_recall_fscore_support(labels, predicted, labels=_CLASSES, zero_division=0.0)
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


def read_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide the numbers."""
    packages = ("torch", "transformers", "peft", "datasets", "accelerate", "evaluate", "scikit-learn", "tokenizers")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}}
