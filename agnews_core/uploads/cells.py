"""The cells of a table's columns, as they are written: for who wants more of a file than its texts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Final

from agnews_core.characters import mend
from agnews_core.errors import DataError
from agnews_core.uploads.columns import Budget, Choice, Column, Texts, find_column, is_missing

MAX_COLUMNS: Final = 1_000
OTHER: Final = "(not shown)"  # a list, a record, bytes that are no text


@dataclass(frozen=True)
class CellChoice(Choice):
    """Which columns of a table are meant, and how many rows.

    Attributes:
        columns: their names, in the order wanted; none are all.
        at_most: how many rows, from the first on; None are all.
    """

    columns: Sequence[str] = ()
    at_most: int | None = None

    @property
    def names(self) -> tuple[str | None, ...]:
        """All that a person named."""
        return *super().names, *self.columns

    def refuse_list(self) -> None:
        """Refuse a file without columns.

        Raises:
            DataError: always.
        """
        raise DataError(
            "This file holds texts alone; save a table that has a column of texts and, beside it, one of their classes."
        )

    def choose(self, columns: Sequence[Column], budget: Budget) -> Texts:
        """Return the rows of the columns that are meant, each a list of cells.

        Raises:
            DataError: a column is not there, or there are too many.
        """
        chosen = [find_column(columns, name) for name in self.columns] or columns
        if len(chosen) > MAX_COLUMNS:
            raise DataError(
                f"This table has {len(chosen):,} columns, and at most {MAX_COLUMNS:,} are read; leave some out."
            )
        cells = [map(write_cell, budget.metered(column.rows())) for column in chosen]
        rows = islice(_join(cells), self.at_most)
        return Texts(rows, None, columns=tuple((column.name, column.holds) for column in chosen))


def _join(columns: Sequence[Iterable[str | None]]) -> Iterator[list[str | None]]:
    beyond = object()
    for row in zip_longest(*columns, fillvalue=beyond):
        if beyond in row:
            raise DataError("The columns of this table have not equally many rows; save it again.")
        yield list(row)  # type: ignore[arg-type]


def write_cell(cell: object) -> str | None:
    """Return a cell as a text, None where there is nothing in it.

    >>> write_cell("x"), write_cell(3), write_cell(2.0), write_cell(float("nan")), write_cell([1])
    ('x', '3', '2.0', None, '(not shown)')
    """
    if isinstance(cell, str):
        return mend(cell)
    if is_missing(cell):
        return None
    if isinstance(cell, bytes | memoryview):
        try:
            return str(cell, "utf-8")
        except UnicodeDecodeError:
            return OTHER
    return str(cell) if isinstance(cell, int | float) else OTHER
