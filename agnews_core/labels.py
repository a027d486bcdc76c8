"""The four classes of AG News, in the order of their numbers, and how its first files counted them."""

from collections.abc import Sequence

LABELS = ("World", "Sports", "Business", "Sci/Tech")
# AG News as first published: no header, and classes from 1 to 4.
ORIGINAL_COLUMNS = ("class index", "title", "description")


def is_original_row(cells: Sequence[str]) -> bool:
    """Return whether these may be the cells of a row of the original files, be its class a wrong one.

    >>> is_original_row(["3", "Fears for T N pension", "Unions representing workers..."])
    True
    """
    return len(cells) == len(ORIGINAL_COLUMNS) and cells[0].strip().isdecimal()
