"""Results as HTML, in the classes' colours. Pure functions; whatever a visitor wrote is escaped."""

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from agnews_core.evaluation.bars import THIS_MODEL, find_scale, list_bars
from agnews_core.evaluation.published import WHERE
from agnews_core.evaluation.sentences import describe_accuracy, describe_baseline, describe_calibration
from agnews_core.inference.attribution import NOTEWORTHY
from agnews_core.inference.predictions import UNSURE
from agnews_core.labels import LABELS
from agnews_core.ui.theme import css_name

if TYPE_CHECKING:
    from agnews_core.evaluation.bars import Bar
    from agnews_core.evaluation.files import Assessment
    from agnews_core.evaluation.report import EvaluationReport
    from agnews_core.inference.attribution import Attribution
    from agnews_core.inference.predictions import Prediction

N_WORDS = 8
_NUMBER = re.compile(r"-?[\d.,]+( ± [\d.]+)?%?")


def build_line(text: str, *, busy: bool = False) -> str:
    """Build a quiet line of status that screen readers announce."""
    dots = '<span class="busy" aria-hidden="true"></span>' if busy else ""
    return f'<p class="status-line" role="status">{dots}{escape(text)}</p>'


def build_problem(text: str) -> str:
    """Build the sentence that says what went wrong, where it stays to be read."""
    return f'<p class="callout callout-bad" role="alert">{escape(text)}</p>'


def build_progress(what: str, n_done: int, n_total: int, *, unit: str) -> str:
    """Build a bar with what is done in words.

    >>> "Predicting: 512 of 2,000 texts" in build_progress("Predicting", 512, 2000, unit="texts")
    True
    """
    said = f"{what}: {n_done:,} of {n_total:,} {unit}"
    return f'<p class="status-line">{said}</p>{build_bar(n_done / n_total, label=what)}'


def build_bar(share: float, *, label: str, moving: bool = False) -> str:
    """Build a bar of progress that is `share` full, 0-1, or that moves to and fro while that is not known."""
    percent = round(100 * share)
    return (
        f'<div class="bar{" indeterminate" if moving else ""}" role="progressbar" aria-label="{label}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent}"><div style="width: {percent}%"></div></div>'
    )


def build_prediction(prediction: "Prediction", model_title: str) -> str:
    """Build the answer: the class, a note where it is not sure, a bar for each class, and whether all of the text was read."""
    ranked = sorted(range(len(LABELS)), key=lambda label: -prediction.probabilities[label])
    first, second = (LABELS[label] for label in ranked[:2])
    unsure = ""
    if prediction.is_unsure:
        unsure = f'<p class="unsure">Not sure: {UNSURE}. Next comes {second}.</p>'
    is_cut = prediction.cut_at is not None
    cut = "Only the beginning of this text was read; it is longer than the model takes. " if is_cut else ""
    bars = "".join(_build_share(name, share) for name, share in zip(LABELS, prediction.probabilities, strict=True))
    return (
        f'<div class="answer" role="status"><p class="answer-class class-{css_name(first)}">{first}</p>{unsure}'
        f'<div class="bars">{bars}</div><p class="status-line">{cut}Answered by: {escape(model_title)}</p></div>'
    )


def _build_share(name: str, share: float) -> str:
    colour = f"var(--class-{css_name(name)}-plot)"
    return (
        f'<span class="bar-name class-{css_name(name)}">{name}</span>'
        f'<span class="bar-track"><span style="width: {share * 100:.1f}%; background: {colour}"></span></span>'
        f'<span class="bar-share">{share:.1%}</span>'
    )


def build_words(found: "Attribution") -> str:
    """Build the weightiest words with their weights, and a note where the text was not read to its end."""
    rows = "".join(
        f"<li><b>{escape(word.text)}</b> {word.weight:+.2f}</li>".replace("> -", "> −")
        for word in found.rank_words(N_WORDS)
        if word.weight
    )
    if found.largest_weight < NOTEWORTHY:
        none = "No single word decides: leaving out any one of them changes the odds by less than a tenth."
        return f"<p>{none}</p>{_note_cut(found)}"
    return (
        f'<p>Change in the log-odds of <b class="class-{css_name(LABELS[found.label])}">{LABELS[found.label]}</b> '
        f'by each word:</p><ul class="word-list">{rows}</ul>{_note_cut(found)}'
    )


def _note_cut(found: "Attribution") -> str:
    """Return a note that a text was not read to its end, where that is so."""
    last = found.pieces[-1] if found.pieces else None
    cut = any(letter.isalnum() for letter in last.text) if last and last.weight is None else False
    said = "The model reads only the beginning of a text this long; the words after it have no weight."
    return f"<p>{said}</p>" if cut else ""


def build_summary(assessment: "Assessment") -> str:
    """Build the accuracy, the baseline's and published ones on one scale, and what they mean in words."""
    report, baseline = assessment.report, assessment.baseline
    bars = list_bars(assessment)
    low = find_scale(bars)
    measured, published = ([bar for bar in bars if (bar.accuracy is None) == other] for other in (False, True))
    lines = "".join(_build_accuracy(bar, scale_from=low) for bar in measured)
    if published:
        lines += f'<p class="status-line">{escape(f"{WHERE[0].upper()}{WHERE[1:]}:")}</p>'
        lines += "".join(_build_reference(bar, scale_from=low) for bar in published)
    scale = f'<div class="accuracy"><span class="scale"><span>{low:.0%}</span><span>100%</span></span></div>'
    words = f"{describe_accuracy(report)} {describe_baseline(report, baseline)}"
    return (
        f"{lines}{scale}<p>{escape(words)}</p><p>{escape(describe_calibration(report))}</p>"
        f'<p class="status-line">{report.n:,} {escape(report.split)} texts from {escape(report.data_source)}.</p>'
    )


def _build_accuracy(bar: "Bar", *, scale_from: float) -> str:
    low, high, at = (bar.place(share, scale_from) for share in (bar.low, bar.high, bar.accuracy or 0.0))
    colour = f"var(--{'accent' if bar.name == THIS_MODEL else 'muted-line'})"
    return (
        f'<div class="accuracy"><span class="bar-name">{escape(bar.name)}</span>'
        f'<span class="interval"><span style="left: {low}%; width: {high - low:.1f}%; background: {colour}"></span>'
        f'<i style="left: {at}%; background: {colour}"></i></span><span class="bar-share"><b>{bar.figure}</b></span></div>'
    )


def _build_reference(bar: "Bar", *, scale_from: float) -> str:
    low, high = (bar.place(share, scale_from) for share in (bar.low, bar.high))
    return (
        f'<div class="accuracy reference"><span class="bar-name">{escape(bar.name)}</span>'
        f'<span class="interval"><span style="left: {low}%; width: {high - low:.1f}%"></span></span>'
        f'<span class="bar-share">{bar.figure}</span></div>'
    )


def build_confusion(report: "EvaluationReport", *, chosen: tuple[int, int] | None = None) -> str:
    """Build the confusion matrix as a table of buttons; a cell's shade is its share of its true class."""
    head = "".join(f'<th scope="col" class="class-{css_name(name)}">{name}</th>' for name in LABELS)
    body = "".join(_build_confusion_row(label, counts, chosen) for label, counts in enumerate(report.confusion_matrix))
    return (
        '<table class="confusion"><caption>Rows: true class. Columns: predicted class. Choose a cell to read its texts.</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _build_confusion_row(label: int, counts: Sequence[int], chosen: tuple[int, int] | None) -> str:
    name, total = LABELS[label], max(sum(counts), 1)
    cells = ""
    for predicted, count in enumerate(counts):
        shade = f"color-mix(in srgb, var(--class-{css_name(name)}-plot) {_shade(count / total)}%, transparent)"
        texts = "1 text" if count == 1 else f"{count:,} texts"
        cells += (
            f'<td><button type="button" data-cell="{label},{predicted}" style="background: {shade}" '
            f'aria-pressed="{"true" if chosen == (label, predicted) else "false"}" '
            f'aria-label="True class {name}, predicted {LABELS[predicted]}: {texts}">{count:,}</button></td>'
        )
    return f'<tr><th scope="row" class="class-{css_name(name)}">{name}</th>{cells}</tr>'


def _shade(share: float) -> int:
    """Return a shade in percent under which text keeps its contrast; mistakes, which are few, are still seen.

    >>> _shade(0.0), _shade(0.01), _shade(1.0)
    (0, 11, 40)
    """
    return round(8 + 32 * share**0.5) if share else 0


def build_table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, label: str) -> str:
    """Build a table that scrolls within itself, class names in their colours.

    Where the last column is Text, it is as wide as the page allows, and on a phone has a line of its own.
    """
    kind = "rows texts" if headers[-1] == "Text" else "rows"
    head = "".join(f'<th scope="col" class="class-{css_name(name)}">{escape(name)}</th>' for name in headers)
    body = "".join(f"<tr>{''.join(_build_cell(value) for value in row)}</tr>" for row in rows)
    return (
        f'<div class="{kind}" tabindex="0" role="region" aria-label="{escape(label)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _build_cell(value: str) -> str:
    if value in LABELS:
        return f'<td class="class-{css_name(value)}">{value}</td>'
    kind = ' class="number"' if _NUMBER.fullmatch(value) else ""
    return f"<td{kind}>{escape(value)}</td>"
