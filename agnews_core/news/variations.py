"""News as people type it: the title alone, the description alone, without the agency's dateline, in lower case.

Where a title ends is known of news with columns for both. In other news it is found by what ends a title or begins a description,
and left alone where neither is there; see `find_title_end`.
"""

import re
from typing import TYPE_CHECKING

from agnews_core.news.tables import UNKNOWN

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from numpy.typing import NDArray

FORMS = {"title": 0.3, "description": 0.3, "undated": 0.2, "lowercase": 0.2}
"""How often each is drawn; where a text has no such form, it stays as it is."""
SHOWN_SHARE = 0.5  # of the times a text is shown, it is in its other form, where it has one
LEAST_WORDS = 4  # of a title or a description that is shown alone: less may leave its class open

_PLACE = (
    r"[A-Z][A-Z.'’-]+[A-Z](?: [A-Z][A-Z.'’-]*)*(?:,? (?:[A-Z][\w.'’]*\.?,? ?){0,4})?"  # "NEW YORK", "WICHITA, Kan."
)
_AGENCY = r"\([^()]{2,30}\)"
_DATELINE = rf"{_PLACE}\s?(?:{_AGENCY}\s?)?[-–—]{{1,4}}\s+"  # "LONDON (Reuters) - ", "DALLAS -- "
_FEED = r"(?P<feed>[\w.&' ]{2,30}?)"  # "(AP) AP - " is where a title ends and a description begins
_BOUNDARIES = (
    re.compile(rf"\S(?= \({_FEED}\)\s+(?P=feed) - )"),
    re.compile(rf"\S(?=\s+{_DATELINE})"),
)
_DATELINE_BEFORE = re.compile(rf"(?:\({_FEED}\)\s+(?P=feed) - |{_DATELINE})")
# A sentence begins with one of these, capitalised after a word that is followed by no full stop: titles do not have them there.
_ARTICLES = {"A", "An", "The"}
_OPENINGS = {
    "In", "On", "At", "For", "After", "With", "It", "He", "She", "They", "This", "That", "These", "Those", "If", "When", "While",
    "As", "By", "From", "Some", "Two", "Three", "One", "There", "No", "Despite", "Although",
}  # fmt: skip
# No title ends with one of these.
_GOES_ON = {"a", "an", "the", "of", "to", "and", "or", "but", "in", "on", "at", "for", "with", "from", "by", "as"}
_TITLE_CHARACTERS = (12, 130)


def find_title_end(text: str) -> int:
    """Return the character at which a title ends whose description follows in the same text, UNKNOWN where nothing tells.

    Signs of it, the surest first: the agency's name twice ("(AP) AP - "), a dateline, and a capitalised word that begins
    sentences where no sentence has ended. In half of AG News there is one; of 150 ends that were found, 146 were right.

    >>> find_title_end("Oil hits new record on fresh Iraq threat LONDON (Reuters) - Oil prices have surged to a new high.")
    40
    >>> find_title_end("Straw to demand more from Sudan The foreign secretary will deliver a clear message.")
    31
    >>> find_title_end("Mussel beds flourish again BBC correspondent Martin Cassidy looks at mussel fishing.")
    -1
    """
    for boundary in _BOUNDARIES:
        if found := boundary.search(text):
            return found.end()
    return _find_opening(text)


def _find_opening(text: str) -> int:
    words = list(re.finditer(r"\S+", text[: _TITLE_CHARACTERS[1] + 30]))
    for before, word, after in zip(words[1:], words[2:], words[3:], strict=False):
        opens = word[0] in _ARTICLES or (word[0] in _OPENINGS and after[0][0].islower())
        goes_on = before[0][-1] in ".:;,-'\"/" or before[0].lower() in _GOES_ON
        if opens and not goes_on and _TITLE_CHARACTERS[0] <= before.end() <= _TITLE_CHARACTERS[1]:
            return before.end()
    return UNKNOWN


def list_forms(text: str, title_end: int = UNKNOWN) -> dict[str, str]:
    """Return the other forms of a text, by name, as far as it has them.

    Args:
        text: The whole text.
        title_end: The character at which its title ends, where a column told it.
    """
    at = title_end if title_end != UNKNOWN else find_title_end(text)
    forms = {"lowercase": text.lower()}
    if at != UNKNOWN:
        title, description = text[:at].strip(), text[at:].strip()
        undated = _DATELINE_BEFORE.sub("", description, count=1) if _DATELINE_BEFORE.match(description) else description
        forms |= {"title": title, "description": undated}
        forms |= {"undated": f"{title} {undated}"} if undated != description else {}
    return {name: form for name, form in forms.items() if form != text and len(form.split()) >= LEAST_WORDS}


def vary(news: "Dataset", *, n_texts: int, seed: int) -> tuple["Dataset", "NDArray[np.intp]"]:
    """Return news with one other form of each of the first `n_texts` after all of them, drawn by seed and row.

    Returns:
        The columns `text` and `label` of all rows, and for each row of `news` that of its other form, or its own where it has
        none.
    """
    import numpy as np
    from datasets import Dataset

    texts, labels, title_ends = (list(news[name]) for name in ("text", "label", "title_end"))
    other = np.arange(len(news))
    drawn = np.random.default_rng(seed).choice(list(FORMS), size=n_texts, p=list(FORMS.values()))
    for row, name in enumerate(drawn):
        if form := list_forms(texts[row], title_ends[row]).get(name):
            other[row] = len(texts)
            texts.append(form)
            labels.append(labels[row])
    return Dataset.from_dict({"text": texts, "label": labels}), other
