"""Reads rows of cells out of a file's columns, as `parent` reads texts: in the same process with the same limits."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from agnews_core.errors import DataError
from agnews_core.uploads.cells import CellChoice
from agnews_core.uploads.limits import STRANGERS, Limits
from agnews_core.uploads.parent import INTERRUPTED, describe_answer, have_read


@dataclass(frozen=True)
class Table:
    """Columns of a file, as they lie on the disk.

    Attributes:
        columns: the name of each, and what it holds: "text", or something else in a word or two.
        n_rows: how many rows were read.
        kind: what the file turned out to be, such as "csv".
        notes: what was decided along the way, in sentences.
    """

    columns: tuple[tuple[str, str], ...]
    n_rows: int
    kind: str
    notes: tuple[str, ...]
    _answer: IO[bytes]
    _line_sizes: Sequence[int]

    def read_rows(self) -> Iterator[list[str | None]]:
        """Yield the rows, in order: each a cell of every column, None where there is nothing in it.

        Raises:
            DataError: the file holds something else than cells.
        """
        self._answer.seek(0)
        for size in self._line_sizes:
            rows = json.loads(self._answer.read(size))
            if not all(type(row) is list and len(row) == len(self.columns) and all(map(_is_cell, row)) for row in rows):
                raise DataError(INTERRUPTED)
            yield from rows


def _is_cell(cell: object) -> bool:
    return cell is None or type(cell) is str


@contextmanager
def open_table(
    path: str | Path,
    choice: CellChoice,
    *,
    limits: Limits = STRANGERS,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[Table]:
    """Read columns of a file in a process of its own, and yield them as they lie on the disk; see `parent.open_upload`.

    Raises:
        UnsafePickleError: a pickle asks for more than plain data.
        DataError: the file cannot be read, or within the limits, or is no table, or has no such column.
    """
    with have_read(path, choice, limits=limits, on_progress=on_progress) as answer:
        described, sizes = describe_answer(answer, limits)
        try:
            columns = tuple((str(name), str(holds)) for name, holds in described["columns"])
            table = Table(
                columns, int(described["n_texts"]), str(described["kind"]), tuple(described["notes"]), answer, sizes
            )
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(INTERRUPTED) from error
        yield table
