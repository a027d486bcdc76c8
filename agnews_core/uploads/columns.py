"""Which column of a table holds the texts, and what becomes of rows that hold none.

The same for every kind of upload: a reader hands over columns, this module chooses one and makes texts of it. It
knows nothing of file formats.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, Literal, TypeAlias

from agnews_core.characters import mend
from agnews_core.errors import DataError, quote

Missing: TypeAlias = Literal["refuse", "empty"]

MAX_ROWS_SHOWN: Final = 10
MAX_COLUMNS_SHOWN: Final = 20
ROW_COST_BYTES: Final = 16
MAX_EXPANSION: Final = 20


class Budget:
    """What may be made of one file: a few bytes can point to the same long text millions of times."""

    def __init__(self, file_bytes: int, *, always_bytes: int) -> None:
        self.limit_bytes = max(always_bytes, MAX_EXPANSION * file_bytes)
        self.left_bytes = self.limit_bytes

    def spend(self, size_bytes: int) -> None:
        """Take from what is left.

        Raises:
            DataError: nothing is left.
        """
        self.left_bytes -= size_bytes
        if self.left_bytes < 0:
            raise DataError(
                f"The texts in this file come to more than {self.limit_bytes // 2**20:,} MB, far more than the file "
                "itself; save them in smaller parts."
            )

    def metered(self, rows: Iterable[object]) -> Iterator[object]:
        """Pass rows on, each paid for."""
        for row in rows:
            cost = ROW_COST_BYTES
            if isinstance(row, str | bytes):
                cost = sys.getsizeof(row)
            elif isinstance(row, memoryview):
                cost += len(row)
            self.spend(cost)
            yield row


@dataclass(frozen=True)
class Column:
    """One column of an upload.

    Attributes:
        name: what the file calls it.
        holds: "text"; "bytes"; "objects" where only a look at the rows tells; or what it holds instead, such as
        "int64".
        rows: starts reading; gives str, bytes or memoryview, None where a row is missing, or anything else.
    """

    name: str
    holds: str
    rows: Callable[[], Iterator[object]]


@dataclass(frozen=True)
class Choice:
    """Which texts of a file are meant.

    Attributes:
        column: the column to read; by default `text`, else the only one of strings, else `title` and `description`.
        split: which part of a DatasetDict to read.
        missing: whether rows that hold None or NaN are refused, or kept as empty texts.
    """

    column: str | None = None
    split: str | None = None
    missing: Missing = "refuse"

    @property
    def names(self) -> tuple[str | None, ...]:
        """All that a person named."""
        return self.column, self.split

    def refuse_split(self) -> None:
        """Refuse to choose a split from a file that has none.

        Raises:
            DataError: one is asked for.
        """
        if self.split is not None:
            raise DataError(f"This file has no splits, so {quote(self.split)} cannot be chosen; leave the split out.")

    def refuse_list(self) -> None:
        """Refuse a file that is one list of texts, without columns, where more than texts is wanted."""

    def choose(self, columns: "Sequence[Column]", budget: Budget) -> "Texts":
        """Return what is wanted of a table's columns; see `choose_texts`."""
        return _choose_texts(columns, self, budget)


@dataclass(frozen=True)
class Texts:
    """The texts of an upload, in file order, and the column they were in (None where there are no columns).

    The texts may be read as they are gone through, once, and what is wrong with them found only then. Where cells were asked
    for (`cells.CellChoice`), each row of them stands in a text's place, and `columns` are their names and what they hold.
    """

    texts: Iterable[str | list[str | None]]
    column: str | None
    notes: tuple[str, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()


def choose_texts(columns: Sequence[Column], choice: Choice, budget: Budget) -> Texts:
    """Read the texts out of the column that was asked for, or out of the one that must be meant.

    Raises:
        DataError: no column or several could be meant, or rows hold no text.
    """
    return choice.choose(columns, budget)


def _choose_texts(columns: Sequence[Column], choice: Choice, budget: Budget) -> Texts:
    missing = choice.missing
    if choice.column is not None:
        chosen = find_column(columns, choice.column)
        return Texts(read_column(chosen, missing=missing, budget=budget), choice.column)
    named = _named(columns, "text")
    candidates = [named] if named else _find_texts(columns, budget)
    if len(candidates) == 1:
        return Texts(read_column(candidates[0], missing=missing, budget=budget), candidates[0].name)
    if not candidates:
        raise DataError(f"No column of this file holds texts: {_list(columns)}")
    title, description = _named(columns, "title"), _named(columns, "description")
    if title is None or description is None:
        raise DataError(f"Which column holds the texts? Choose one by its name, or name it 'text'; {_list(columns)}")
    return _join(title, description, missing=missing, budget=budget)


def find_column(columns: Sequence[Column], name: str) -> Column:
    """Return the column of this name.

    Raises:
        DataError: there is none, or more than one.
    """
    found = [one for one in columns if one.name == name]
    if len(found) != 1:
        raise DataError(
            f"There is {'more than one' if found else 'no'} column {quote(name)} in this file; {_list(columns)}"
        )
    return found[0]


def read_column(column: Column, *, missing: Missing, budget: Budget) -> Iterator[str]:
    """Pass a column's rows on as str, in order.

    Raises:
        DataError: the column holds something else than text; at the end, some of its rows did, which are named.
    """
    if column.holds not in ("text", "bytes", "objects"):
        subject = f"The column {quote(column.name)}" if column.name else "This file"
        raise DataError(f"{subject} holds {column.holds}, not texts; choose another one.")
    return iterate_texts(column.rows(), missing=missing, budget=budget)


def iterate_texts(rows: Iterable[object], *, missing: Missing, budget: Budget) -> Iterator[str]:
    """Pass rows on as str, in order.

    Raises:
        DataError: at the end, a row was missing and `missing` is "refuse", or held something else than text.
    """
    without: list[int] = []
    wrong: list[int] = []
    for number, row in enumerate(budget.metered(rows)):
        if type(row) is str:
            yield mend(row)
        elif is_missing(row):
            without.append(number)
            yield ""
        elif isinstance(row, bytes | memoryview):
            yield _decode(row, number)
        else:
            wrong.append(number)
    if wrong:
        raise DataError(
            f"{_name_rows(wrong)} something else than a text; keep only texts in this column, or choose another one."
        )
    if without and missing == "refuse":
        raise DataError(f"{_name_rows(without)} no text; remove such rows, or choose to keep them as empty texts.")


def is_missing(row: object) -> bool:
    """Return whether a row is None or NaN."""
    return row is None or (isinstance(row, float) and row != row)


def _decode(row: bytes | memoryview, number: int) -> str:
    try:
        return str(row, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"Row {number} (counting from 0) holds bytes that are not UTF-8 text; save texts instead."
        ) from error


def _named(columns: Sequence[Column], name: str) -> Column | None:
    exact = [column for column in columns if column.name == name]
    alike = exact or [column for column in columns if column.name.strip().casefold() == name]
    return alike[0] if len(alike) == 1 else None


def _find_texts(columns: Sequence[Column], budget: Budget) -> list[Column]:
    """Return the columns that most surely hold texts; none where none can."""
    ranked = [(_rank(column, budget), column) for column in columns]
    best = max((rank for rank, _ in ranked), default=0)
    return [column for rank, column in ranked if rank == best and best]


def _rank(column: Column, budget: Budget) -> int:
    """Return how surely a column holds texts: 3 it does, 2 it holds bytes, 1 it holds nothing at all, 0 it does not."""
    if column.holds == "objects":
        return _rank_rows(budget.metered(column.rows()))
    return {"text": 3, "bytes": 2}.get(column.holds, 0)


def _rank_rows(rows: Iterable[object]) -> int:
    rank = 1
    for row in rows:
        if isinstance(row, str):
            rank = 3
        elif isinstance(row, bytes | memoryview):
            rank = max(rank, 2)
        elif not is_missing(row):
            return 0
    return rank


def _join(title: Column, description: Column, *, missing: Missing, budget: Budget) -> Texts:
    parts = [read_column(column, missing=missing, budget=budget) for column in (title, description)]
    names = [quote(column.name) for column in (title, description)]

    def join() -> Iterator[str]:
        for pair in zip_longest(*parts):
            if None in pair:
                raise DataError(f"{' and '.join(names)} have not equally many rows.")
            yield " ".join(filter(None, pair))

    note = f"Read {' and '.join(names)}, joined by a space."
    return Texts(join(), f"{title.name} + {description.name}", (note,))


def _list(columns: Sequence[Column]) -> str:
    names = [quote(column.name) for column in columns[:MAX_COLUMNS_SHOWN]]
    more = len(columns) - len(names)
    return f"it has {', '.join(names) or 'no columns'}{f' and {more:,} more' if more else ''}."


def _name_rows(rows: list[int]) -> str:
    numbers = [f"{row:,}" for row in rows[:MAX_ROWS_SHOWN]]
    more = len(rows) - len(numbers)
    if len(rows) == 1:
        return f"Row {numbers[0]} (counting from 0) holds"
    last = f"{more:,} more" if more else numbers.pop()
    return f"Rows {', '.join(numbers)} and {last} (counting from 0) hold"
