"""How the labels of a person's own file map to the four classes: by name, or by number from 0 or from 1.

It reads no file. What is decided from all labels together is said in a sentence; what cannot be decided is left to the person.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from agnews_core.errors import DataError, quote
from agnews_core.labels import LABELS

MOST_LABELS = 100  # more are no classes
MOST_SHOWN = 10
NONE = "none"  # in place of a class: leave these rows out
_NAMES = {
    "world": 0, "world news": 0, "international": 0,
    "sports": 1, "sport": 1, "sports news": 1,
    "business": 2, "business news": 2,
    "sci tech": 3, "scitech": 3, "science": 3, "technology": 3, "tech": 3, "science and technology": 3, "science technology": 3,
    "science tech": 3, "sci and tech": 3, "technology and science": 3,
}  # fmt: skip


@dataclass(frozen=True)
class LabelMapping:
    """Which class each label is.

    Attributes:
        classes: For each label of the file its class, 0-3, or None where it is left out.
        unknown: The labels of which neither is known, with how often each is there, the most frequent first.
        notes: What was decided from all labels together, in sentences.
    """

    classes: dict[str, int | None]
    unknown: dict[str, int]
    notes: tuple[str, ...] = ()

    def describe_unknown(self, column: str) -> str:
        """Return a sentence about the labels that must be mapped or left out, or ""."""
        if not self.unknown:
            return ""
        shown = [f"{quote(label)} ({count:,})" for label, count in list(self.unknown.items())[:MOST_SHOWN]]
        more = len(self.unknown) - len(shown)
        listed = ", ".join(shown) + (f" and {more:,} more" if more else "")
        n = len(self.unknown)
        subject = f"{n:,} label{'' if n == 1 else 's'} of the column {quote(column)} {'is' if n == 1 else 'are'}"
        each = "it" if n == 1 else "each of them"
        return f"{subject} none of the classes ({', '.join(LABELS)}): {listed}. Map {each} to a class, or leave it out."


def find_class(name: str) -> int | None:
    """Return the class that a name stands for, whatever its case and punctuation, else None.

    >>> find_class("Sci/Tech"), find_class("SCIENCE & Technology"), find_class("sport"), find_class("weather")
    (3, 3, 1, None)
    """
    return _NAMES.get(" ".join(re.findall(r"\w+", name.casefold().replace("&", " and ").replace("_", " "))))


def map_labels(counts: Mapping[str, int], given: Mapping[str, int | None], *, leaves_out_unknown: bool) -> LabelMapping:
    """Map labels to classes: as given, else by name, else by number where all numbers together tell how they are counted.

    Args:
        counts: How often each label is in the file.
        given: What a person said: the class of a label, or None to leave it out.
        leaves_out_unknown: Whether what is not known is left out.

    Raises:
        DataError: A label that was given a class is not in the file.
    """
    for label in given:
        if label not in counts:
            listed = ", ".join(quote(one) for one in list(counts)[:MOST_SHOWN])
            raise DataError(f"There is no label {quote(label)} in this file; there are {listed}.")
    first, notes = _find_first(counts, given)
    classes: dict[str, int | None] = {}
    unknown: dict[str, int] = {}
    for label, count in sorted(counts.items(), key=lambda one: -one[1]):
        number = _as_number(label)
        found = find_class(label) if number is None else number - first if first is not None else None
        if label in given or found is not None or leaves_out_unknown:
            classes[label] = given.get(label, found)
        else:
            unknown[label] = count
    return LabelMapping(classes, unknown, notes)


def _find_first(counts: Mapping[str, int], given: Mapping[str, int | None]) -> tuple[int | None, tuple[str, ...]]:
    """Return from which number the classes are counted, None where that cannot be told; and a sentence about it."""
    numbers = {number for label in counts if label not in given and (number := _as_number(label)) is not None}
    if not numbers:
        return None, ()
    for first, telling in ((0, 0), (1, len(LABELS))):
        if numbers <= set(range(first, first + len(LABELS))) and telling in numbers:
            names = ", ".join(f"{number + first} {name}" for number, name in enumerate(LABELS))
            return first, (f"Its numbers are read as {names}, since {telling} is among them.",)
    return None, ()


def _as_number(label: str) -> int | None:
    """Return a whole number, which a column with gaps may hold as 2.0; None for anything else."""
    written = re.fullmatch(r"\s*([+-]?\d{1,9})(\.0*)?\s*", label)
    return int(written[1]) if written else None


def parse_mapping(text: str) -> dict[str, int | None]:
    """Turn "sport=Sports, politics=World, misc=none" into classes by label; a label may have a comma in it.

    Raises:
        DataError: A part is not label=class, or its class is not one.

    >>> parse_mapping("a, b=World,misc=none,tech=3")
    {'a, b': 0, 'misc': None, 'tech': 3}
    """
    parts = re.findall(r"(.+?)=([^,=]*)(?:,|$)", text)
    if not parts or sum(len(label) + len(name) + 2 for label, name in parts) < len(text):
        raise DataError(f"{quote(text)} maps no labels; write LABEL=CLASS, for example sport=Sports,misc={NONE}.")
    return {label.strip(): _parse_class(name.strip()) for label, name in parts}


def _parse_class(name: str) -> int | None:
    if name.casefold() == NONE:
        return None
    found = int(name) if name.isascii() and name.isdecimal() and len(name) == 1 else find_class(name)
    if found is None or found >= len(LABELS):
        raise DataError(f"{quote(name)} is no class; give {', '.join(LABELS)}, a number from 0 to 3, or {NONE}.")
    return found
