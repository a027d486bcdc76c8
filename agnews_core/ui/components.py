"""The components of the design, from which every tab builds what gradio has no part for; assets/components.css draws them.

Each returns Markup. What they are given as text is escaped, unless it is Markup already.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any, Literal

import gradio as gr
from markupsafe import Markup

from agnews_core.labels import LABELS
from agnews_core.ui.theme import css_name

Kind = Literal["plain", "warn", "bad"]
WIDE = ("Text", "Settings", "Differs from the preset")
_ICONS = {
    "plain": '<circle cx="8" cy="8" r="6.5"/><path d="M8 7.5v3.5M8 5v.1"/>',
    "warn": '<path d="M8 2 14.5 13.5h-13zM8 6.5v3M8 11.5v.1"/>',
    "bad": '<circle cx="8" cy="8" r="6.5"/><path d="M8 4.8v3.7M8 11v.1"/>',
}
_NUMBER_CLASS = Markup(' class="number"')
_NUMBER = re.compile(r"-?[\d.,]+( ± [\d.]+)?%?|–")


def join(parts: Iterable[str]) -> Markup:
    """Join parts into one; those that are text are escaped."""
    return Markup("").join(parts)


def build_card(*parts: str) -> Markup:
    """Build a surface of its own for parts that belong together."""
    return Markup('<section class="card">{}</section>').format(join(parts))


def build_hero(number: str, rest: str = "", *, kind: str = "") -> Markup:
    """Build the one large answer of a tab, and what it counts in a smaller size beside it; `kind` is one more CSS class."""
    small = Markup(" <small>{}</small>").format(rest) if rest else ""
    return Markup('<p class="hero {}"><strong>{}</strong>{}</p>').format(kind, number, small)


def build_pill(text: str, *, kind: str) -> Markup:
    """Build a state in a word or two; `kind` is the state's name in assets/components.css."""
    return Markup('<span class="pill state-{}">{}</span>').format(kind, text)


def build_label(name: str) -> Markup:
    """Build a class's name in its colour, a dot before it."""
    return Markup('<span class="class-label class-{}"><i></i>{}</span>').format(css_name(name), name)


def build_notice(text: str, *, kind: Kind = "plain", title: str = "", elem_id: str = "") -> Markup:
    """Build what a person should not miss: amber to think twice, red for what did not work, which screen readers announce."""
    icon = Markup(f'<svg viewBox="0 0 16 16" aria-hidden="true">{_ICONS[kind]}</svg>')  # ours
    role = Markup(' role="alert"') if kind == "bad" else ""
    named = Markup(' id="{}"').format(elem_id) if elem_id else ""
    said = Markup("<b>{}</b> {}").format(title, text) if title else text
    return Markup('<div class="notice notice-{}"{}{}>{}<div>{}</div></div>').format(kind, named, role, icon, said)


def build_empty(text: str) -> Markup:
    """Build what stands where there is nothing yet: what will be there, and how it comes there."""
    return Markup('<p class="empty">{}</p>').format(text)


def build_line(text: str, *, busy: bool = False) -> Markup:
    """Build a quiet line of status that screen readers announce."""
    dots = Markup('<span class="busy" aria-hidden="true"></span>') if busy else ""
    return Markup('<p class="status-line" role="status">{}{}</p>').format(dots, text)


def build_hints(texts: Iterable[str]) -> Markup:
    """Build a small line for each text."""
    return join(Markup('<p class="hint">{}</p>').format(text) for text in texts)


def build_facts(facts: Iterable[tuple[str, str]]) -> Markup:
    """Build (name, value) pairs side by side, each value under its name."""
    pairs = join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, value) for name, value in facts)
    return Markup('<dl class="facts">{}</dl>').format(pairs)


def build_bar(share: float, *, label: str, moving: bool = False) -> Markup:
    """Build a bar of progress that is `share` full, 0-1, or that moves to and fro while that is not known."""
    percent = round(100 * share)
    return Markup(
        '<div class="bar{}" role="progressbar" aria-label="{}" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{}">'
        '<div style="width: {}%"></div></div>'
    ).format(" indeterminate" if moving else "", label, percent, percent)


def build_progress(what: str, n_done: int, n_total: int, *, unit: str) -> Markup:
    """Build a bar with what is done in words.

    >>> "Predicting: 512 of 2,000 texts" in build_progress("Predicting", 512, 2000, unit="texts")
    True
    """
    said = f"{what}: {n_done:,} of {n_total:,} {unit}"
    return join([Markup('<p class="status-line">{}</p>').format(said), build_bar(n_done / n_total, label=what)])


def build_table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, label: str) -> Markup:
    """Build a table that scrolls within itself: names of classes in their colours, figures to the right.

    Where the last column is wide, as `Text` is, it takes the room there is, and on a phone has a line of its own.
    """
    lines = list(rows)
    are_numbers = [all(_NUMBER.fullmatch(line[column]) for line in lines) for column in range(len(headers))]
    head = join(map(_build_header, headers, are_numbers))
    body = join(Markup("<tr>{}</tr>").format(join(map(_build_cell, line, are_numbers))) for line in lines)
    return Markup(
        '<div class="rows{}" tabindex="0" role="region" aria-label="{}"><table><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(" texts" if headers[-1] in WIDE else "", label, head, body)


def _build_header(name: str, is_number: bool) -> Markup:
    return Markup('<th scope="col"{}>{}</th>').format(_NUMBER_CLASS if is_number else "", _colour(name))


def _build_cell(value: str, is_number: bool) -> Markup:
    return Markup("<td{}>{}</td>").format(_NUMBER_CLASS if is_number else "", _colour(value))


def _colour(text: str) -> str:
    return build_label(text) if text in LABELS else text


def show_toast(text: str, *, title: str, show: Callable[..., Any] = gr.Info) -> None:
    """Show a sentence on what a person just did; gradio shows a toast's text as HTML, hence the escape."""
    show(escape(text, quote=False), title=title)
