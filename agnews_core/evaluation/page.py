"""An evaluation as a file to keep or send on: JSON, or one readable HTML page that needs nothing else. Pure functions."""

import json
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from agnews_core.evaluation.bars import find_scale, list_bars
from agnews_core.evaluation.files import Assessment
from agnews_core.evaluation.layers import LayerEffects
from agnews_core.evaluation.published import describe_published
from agnews_core.evaluation.report import EvaluationReport
from agnews_core.evaluation.sentences import (
    describe_accuracy,
    describe_baseline,
    describe_calibration,
    describe_layers,
    describe_origin,
)
from agnews_core.labels import LABELS

TEMPLATE = Path(__file__).parents[2] / "assets" / "report.html.jinja"
CLASS_COLUMNS = ("Class", "Precision", "Recall", "F1", "Texts")
LAYER_COLUMNS = ("Layer", "Rank", "Parameters", "Points lost without it")
MISTAKE_COLUMNS = ("True class", "Predicted", "Probability", "Text")


def list_classes(report: EvaluationReport) -> list[tuple[str, ...]]:
    """Return the rows of CLASS_COLUMNS."""
    return [
        (it.label_name, f"{it.precision:.3f}", f"{it.recall:.3f}", f"{it.f1:.3f}", f"{it.support:,}")
        for it in report.per_class
    ]


def list_mistakes(report: EvaluationReport) -> list[tuple[str, ...]]:
    """Return the rows of MISTAKE_COLUMNS."""
    return [(LABELS[it.label], LABELS[it.predicted], f"{it.probability:.1%}", it.text) for it in report.mistakes]


def list_layers(effects: LayerEffects) -> list[tuple[str, ...]]:
    """Return the rows of LAYER_COLUMNS."""
    return [(str(it.layer), str(it.r), f"{it.parameters:,}", it.points) for it in effects.layers]


def build_json(assessment: Assessment) -> str:
    """Build the report with its other parts inside it."""
    parts = {"baseline": assessment.baseline, "layers": assessment.layers}
    values = {
        **assessment.report.model_dump(),
        **{name: part.model_dump() if part else None for name, part in parts.items()},
    }
    return json.dumps(values, indent=2, ensure_ascii=False)


def build_html(assessment: Assessment, *, title: str) -> str:
    """Build the page, from assets/report.html.jinja."""
    report, layers, bars = assessment.report, assessment.layers, list_bars(assessment)
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        title=title,
        report=report,
        accuracy=describe_accuracy(report),
        baseline=describe_baseline(report, assessment.baseline),
        calibration=describe_calibration(report),
        origin=describe_origin(report),
        classes=(CLASS_COLUMNS, list_classes(report)),
        confusion=(("True class", *LABELS), _list_confusion(report)),
        reliability=(("Probability of the class it gave", "Texts", "On average", "Right"), _list_reliability(report)),
        mistakes=(MISTAKE_COLUMNS, list_mistakes(report)),
        bars=bars,
        scale_from=find_scale(bars),
        published=describe_published() if report.is_ag_news else "",
        layers=layers and (describe_layers(layers), (LAYER_COLUMNS, list_layers(layers))),
    )


def _list_confusion(report: EvaluationReport) -> list[tuple[str, ...]]:
    return [(LABELS[label], *(f"{count:,}" for count in row)) for label, row in enumerate(report.confusion_matrix)]


def _list_reliability(report: EvaluationReport) -> list[tuple[str, ...]]:
    return [
        (f"{it.low:.0%} to {it.high:.0%}", f"{it.n:,}", f"{it.confidence:.1%}", f"{it.accuracy:.1%}")
        for it in report.reliability
    ]
