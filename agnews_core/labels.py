"""The four classes of AG News, in the order of their numbers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


LABELS = ("World", "Sports", "Business", "Sci/Tech")
