"""Results as HTML: an answer, the words that decided, an evaluation. Pure functions, of components that escape all text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from agnews_core.evaluation.bars import THIS_MODEL, find_scale, list_bars
from agnews_core.evaluation.published import WHERE
from agnews_core.evaluation.sentences import describe_accuracy, describe_baseline, describe_calibration
from agnews_core.inference.attribution import NOTEWORTHY, Role
from agnews_core.inference.predictions import UNSURE
from agnews_core.labels import LABELS
from agnews_core.ui.components import build_card, build_hero, build_label, build_line, build_notice, join
from agnews_core.ui.theme import css_name

if TYPE_CHECKING:
    from agnews_core.evaluation.bars import Bar
    from agnews_core.evaluation.files import Assessment
    from agnews_core.evaluation.report import EvaluationReport
    from agnews_core.inference.attribution import Attribution, Piece
    from agnews_core.inference.predictions import Prediction

N_WORDS = 8
ROLE_NAMES: dict[Role, str] = {"decides": "decides", "helps": "helps", "speaks against it": "against"}  # in the CSS


def build_prediction(prediction: "Prediction", model_title: str) -> Markup:
    """Build the answer: the class, a note where it is not sure, a bar for each class, and whether all of the text was read."""
    ranked = sorted(range(len(LABELS)), key=lambda label: -prediction.probabilities[label])
    first, second = (LABELS[label] for label in ranked[:2])
    hero = build_hero(first, f"{max(prediction.probabilities):.1%}", kind=f"class-{css_name(first)}")
    unsure = (
        build_notice(f"{UNSURE}. Next comes {second}.", title="Not sure:", kind="warn") if prediction.is_unsure else ""
    )
    is_cut = prediction.cut_at is not None
    cut = "Only the beginning of this text was read; it is longer than the model takes. " if is_cut else ""
    bars = join(_build_share(name, share) for name, share in zip(LABELS, prediction.probabilities, strict=True))
    shares = Markup('<div class="bars">{}</div>').format(bars)
    said = Markup('<p class="status-line">{}Answered by: {}</p>').format(cut, model_title)
    return Markup('<div class="answer" role="status">{}</div>').format(build_card(hero, unsure, shares, said))


def _build_share(name: str, share: float) -> Markup:
    return Markup(
        '<span class="bar-name">{}</span><span class="bar-track class-{}"><span style="width: {}%"></span></span>'
        '<span class="bar-share">{}</span>'
    ).format(build_label(name), css_name(name), f"{share * 100:.1f}", f"{share:.1%}")


def build_marked_text(found: "Attribution") -> Markup:
    """Build the text with its words marked by what they do, in the colour of the class, and a legend of the marks."""
    legend = join(Markup("<span>{}</span>").format(_mark(role, role)) for role in ROLE_NAMES)
    text = join(_build_piece(found, piece) for piece in found.pieces)
    return Markup('<div class="class-{}"><p class="legend">{}</p><p class="marked">{}</p></div>').format(
        css_name(LABELS[found.label]), legend, text
    )


def _build_piece(found: "Attribution", piece: "Piece") -> str:
    role = found.find_role(piece)
    return _mark(piece.text, role) if role else piece.text


def _mark(text: str, role: Role) -> Markup:
    return Markup('<mark class="{}">{}</mark>').format(ROLE_NAMES[role], text)


def build_words(found: "Attribution") -> Markup:
    """Build the weightiest words with their weights, and a note where the text was not read to its end."""
    if found.largest_weight < NOTEWORTHY:
        none = "No single word decides: leaving out any one of them changes the odds by less than a tenth."
        return Markup("<p>{}</p>{}").format(none, _note_cut(found))
    rows = join(
        Markup("<li><b>{}</b> {}</li>").format(word.text, f"{word.weight:+.2f}".replace("-", "−"))
        for word in found.rank_words(N_WORDS)
        if word.weight
    )
    return Markup('<p>Change in the log-odds of {} by each word:</p><ul class="word-list">{}</ul>{}').format(
        build_label(LABELS[found.label]), rows, _note_cut(found)
    )


def _note_cut(found: "Attribution") -> Markup:
    """Return a note that a text was not read to its end, where that is so."""
    last = found.pieces[-1] if found.pieces else None
    cut = any(letter.isalnum() for letter in last.text) if last and last.weight is None else False
    said = "The model reads only the beginning of a text this long; the words after it have no weight."
    return Markup("<p>{}</p>").format(said) if cut else Markup()


def build_summary(assessment: "Assessment") -> Markup:
    """Build the accuracy, the baseline's and published ones on one scale, and what they mean in words."""
    report, baseline = assessment.report, assessment.baseline
    bars = list_bars(assessment)
    low = find_scale(bars)
    measured, published = ([bar for bar in bars if (bar.accuracy is None) == other] for other in (False, True))
    lines = [_build_accuracy(bar, scale_from=low) for bar in measured]
    if published:
        lines.append(build_line(f"{WHERE[0].upper()}{WHERE[1:]}:"))
        lines += [_build_reference(bar, scale_from=low) for bar in published]
    scale = Markup('<div class="accuracy"><span class="scale"><span>{}</span><span>100%</span></span></div>').format(
        f"{low:.0%}"
    )
    words = f"{describe_accuracy(report)} {describe_baseline(report, baseline)}"
    said = join(Markup("<p>{}</p>").format(text) for text in (words, describe_calibration(report)))
    source = build_line(f"{report.n:,} {report.split} texts from {report.data_source}.")
    hero = build_hero(f"{report.accuracy:.1%}", f"of {report.n:,} texts classified correctly")
    return build_card(hero, *lines, scale, said, source)


def _build_accuracy(bar: "Bar", *, scale_from: float) -> Markup:
    low, high, at = (bar.place(share, scale_from) for share in (bar.low, bar.high, bar.accuracy or 0.0))
    return Markup(
        '<div class="accuracy{}"><span class="bar-name">{}</span><span class="interval">'
        '<span style="left: {}%; width: {}%"></span><i style="left: {}%"></i></span>'
        '<span class="bar-share"><b>{}</b></span></div>'
    ).format(" own" if bar.name == THIS_MODEL else "", bar.name, low, f"{high - low:.1f}", at, bar.figure)


def _build_reference(bar: "Bar", *, scale_from: float) -> Markup:
    low, high = (bar.place(share, scale_from) for share in (bar.low, bar.high))
    return Markup(
        '<div class="accuracy reference"><span class="bar-name">{}</span>'
        '<span class="interval"><span style="left: {}%; width: {}%"></span></span><span class="bar-share">{}</span></div>'
    ).format(bar.name, low, f"{high - low:.1f}", bar.figure)


def build_confusion(report: "EvaluationReport", *, chosen: tuple[int, int] | None = None) -> Markup:
    """Build the confusion matrix as a table of buttons; a cell's shade is its share of its true class."""
    head = join(Markup('<th scope="col">{}</th>').format(build_label(name)) for name in LABELS)
    body = join(_build_confusion_row(label, counts, chosen) for label, counts in enumerate(report.confusion_matrix))
    return Markup(
        '<table class="confusion"><caption>Rows: true class. Columns: predicted class. Choose a cell to read its texts.</caption>'
        "<thead><tr><td></td>{}</tr></thead><tbody>{}</tbody></table>"
    ).format(head, body)


def _build_confusion_row(label: int, counts: Sequence[int], chosen: tuple[int, int] | None) -> Markup:
    total = max(sum(counts), 1)
    cells = join(
        _build_confusion_cell(label, predicted, count, total, is_chosen=chosen == (label, predicted))
        for predicted, count in enumerate(counts)
    )
    return Markup('<tr class="class-{}"><th scope="row">{}</th>{}</tr>').format(
        css_name(LABELS[label]), build_label(LABELS[label]), cells
    )


def _build_confusion_cell(label: int, predicted: int, count: int, total: int, *, is_chosen: bool) -> Markup:
    texts = "1 text" if count == 1 else f"{count:,} texts"
    return Markup(
        '<td><button type="button" data-cell="{},{}" class="{}" style="--share: {}%" aria-pressed="{}" '
        'aria-label="True class {}, predicted {}: {}">{}</button></td>'
    ).format(
        label, predicted, "hit" if label == predicted else "miss", _shade(count / total), str(is_chosen).lower(),
        LABELS[label], LABELS[predicted], texts, f"{count:,}",
    )  # fmt: skip


def _shade(share: float) -> int:
    """Return a shade in percent under which text keeps its contrast; mistakes, which are few, are still seen.

    >>> _shade(0.0), _shade(0.01), _shade(1.0)
    (0, 11, 40)
    """
    return round(8 + 32 * share**0.5) if share else 0
