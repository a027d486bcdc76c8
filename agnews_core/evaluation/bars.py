"""Accuracies to be drawn on one scale: this model's, the baseline's, and what others have published. A schema of a chart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agnews_core.evaluation.published import PUBLISHED
from agnews_core.evaluation.report import Baseline, EvaluationReport

if TYPE_CHECKING:
    from agnews_core.evaluation.files import Assessment

THIS_MODEL = "This model"


@dataclass(frozen=True)
class Bar:
    """An accuracy between two ends, all 0-1. One that was published has no accuracy of its own, only the ends."""

    name: str
    low: float
    high: float
    figure: str
    accuracy: float | None = None

    def place(self, share: float, scale_from: float) -> float:
        """Return where a share stands on a scale up to 1, in percent of its length.

        >>> Bar("x", 0.9, 0.95, "").place(0.95, 0.8)
        75.0
        """
        return round((share - scale_from) / (1 - scale_from) * 100, 1)


def list_bars(assessment: "Assessment") -> list[Bar]:
    """Return what was measured, and where the texts are AG News what was published."""
    report, baseline = assessment.report, assessment.baseline
    measured = [_measure(THIS_MODEL, report)]
    if baseline is not None:
        measured.append(_measure(baseline.name, baseline))
    return [*measured, *(Bar(it.name, it.low, it.high, it.figure) for it in PUBLISHED if report.is_ag_news)]


def _measure(name: str, found: EvaluationReport | Baseline) -> Bar:
    return Bar(name, found.accuracy_low, found.accuracy_high, f"{found.accuracy:.1%}", found.accuracy)


def find_scale(bars: Sequence[Bar]) -> float:
    """Return where a scale up to 1 begins that has room for all bars: at 0.8, or at a lower tenth."""
    return round(min(0.9, *(bar.low for bar in bars)) // 0.1 * 0.1, 1)
