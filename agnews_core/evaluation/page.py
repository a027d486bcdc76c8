"""An evaluation as a file to keep or send on: JSON, or one readable HTML page that needs nothing else. Pure functions."""

import json
from collections.abc import Iterable, Sequence
from html import escape

from agnews_core.evaluation.report import Baseline, EvaluationReport
from agnews_core.evaluation.sentences import (
    describe_accuracy,
    describe_baseline,
    describe_calibration,
    describe_origin,
)
from agnews_core.labels import LABELS

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.number { font-size: 2rem; font-weight: 600; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .35rem .6rem; text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; } tr { border-bottom: 1px solid #8885; }
.right { background: #0f9d7633; } .note { opacity: .75; }
"""


CLASS_COLUMNS = ("Class", "Precision", "Recall", "F1", "Texts")
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


def build_json(report: EvaluationReport, baseline: Baseline | None) -> str:
    """Build the report with the baseline inside it."""
    values = {**report.model_dump(), "baseline": baseline.model_dump() if baseline else None}
    return json.dumps(values, indent=2, ensure_ascii=False)


def build_html(report: EvaluationReport, baseline: Baseline | None, *, title: str) -> str:
    """Build the page. Texts are escaped: news is written by others."""
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="note">{report.n:,} {escape(report.split)} texts from {escape(report.data_source)}; '
        f"{escape(report.created_at)}</p>",
        f'<p><span class="number">{report.accuracy:.2%}</span> of the texts were classified correctly.</p>',
        f"<p>{escape(describe_accuracy(report))} {escape(describe_baseline(report, baseline))}</p>",
        "<h2>Classes</h2>",
        _build_classes(report),
        "<h2>Confusion matrix</h2><p>Rows: the true class. Columns: the class the model gave.</p>",
        _build_confusion(report),
        "<h2>Calibration</h2>",
        f"<p>{describe_calibration(report)}</p>",
        _build_reliability(report),
        "<h2>Most confident mistakes</h2>",
        _build_mistakes(report),
        f'<h2>Made with</h2><p class="note">{escape(describe_origin(report))}</p>',
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{"".join(parts)}</body></html>'
    )


def _build_classes(report: EvaluationReport) -> str:
    return _build_table(CLASS_COLUMNS, list_classes(report))


def _build_confusion(report: EvaluationReport) -> str:
    rows = [
        (LABELS[label], *(f"{count:,}" for count in counts)) for label, counts in enumerate(report.confusion_matrix)
    ]
    return _build_table(("True class", *LABELS), rows, diagonal=True)


def _build_reliability(report: EvaluationReport) -> str:
    rows = [
        (f"{it.low:.0%} to {it.high:.0%}", f"{it.n:,}", f"{it.confidence:.1%}", f"{it.accuracy:.1%}")
        for it in report.reliability
    ]
    return _build_table(("Probability of the class it gave", "Texts", "On average", "Right"), rows)


def _build_mistakes(report: EvaluationReport) -> str:
    if not report.mistakes:
        return "<p>None.</p>" if report.accuracy == 1 else "<p>Their texts are not part of this report.</p>"
    return _build_table(MISTAKE_COLUMNS, list_mistakes(report))


def _build_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, diagonal: bool = False) -> str:
    def mark(row: int, column: int, value: str) -> str:
        number = "n" if value[:1].isdigit() else ""
        right = " right" if diagonal and column == row + 1 else ""
        return f'<td class="{number}{right}">{escape(value)}</td>'

    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        f"<tr>{''.join(mark(number, column, value) for column, value in enumerate(row))}</tr>"
        for number, row in enumerate(rows)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
