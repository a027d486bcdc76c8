"""Reads CSV with any delimiter, TSV, and plain text with a text a line.

Decides on the encoding, the delimiter and whether there is a header; pyarrow does the reading of tables.
"""

import csv
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agnews_core.errors import DataError, quote
from agnews_core.uploads.columns import Budget, Column, Missing, Texts, choose_texts, collect_texts

UNICODE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
DELIMITERS: Final = (",", "\t", ";", "|")
# Stands for "no delimiter": one column, where quotes count all the same.
NO_DELIMITER: Final = "\x1f"
HEAD_LETTERS: Final = 65_536
HEAD_ROWS: Final = 50
MAX_NAME_LETTERS: Final = 60

_TABLE_SUFFIXES: Final = (".csv", ".tsv", ".tab")
# fmt: off
_KNOWN_NAMES: Final = frozenset([
    "text", "texts", "title", "description", "label", "labels", "headline", "headlines", "news", "article", "articles",
    "content", "body", "sentence", "sentences", "summary", "id", "index", "category", "class", "class index",
])
# fmt: on
_NUMBER: Final = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
# AG News as first published: a class from 1 to 4, title, description, and no header.
_AG_NEWS_NAMES: Final = ["label", "title", "description"]


@dataclass(frozen=True)
class Shape:
    """How a table is written: what stands between cells, what its columns are called, whether its first row says so."""

    delimiter: str
    names: Sequence[str]
    has_header: bool


def read_text_file(data: bytes, *, suffix: str, column: str | None, missing: Missing) -> tuple[str, Texts]:
    """Return the kind ("csv", "tsv" or "txt") and the texts of a file of characters.

    Raises:
        DataError: it is a table with rows of different lengths, or its column of texts cannot be told.
    """
    text, notes = decode(data)
    shape = find_shape(text, suffix=suffix, column=column)
    budget = Budget(len(data))
    if shape is None:
        if column is not None:
            raise DataError(
                f"This file is plain text, a text a line, and has no column {quote(column)}; leave the column out."
            )
        return "txt", _read_lines(text, notes, missing, budget)
    found = choose_texts(_read_table(text, shape), column=column, missing=missing, budget=budget)
    kind = "tsv" if shape.delimiter == "\t" else "csv"
    return kind, Texts(found.texts, found.column, (*notes, *found.notes))


def decode(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Return a file's characters, and a sentence where they had to be guessed."""
    try:
        if data.startswith(UNICODE_MARKS):
            return data.decode("utf-16"), ()
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        pass
    try:
        # Where Latin-1 has control characters that no text holds, Windows has its quotes and dashes.
        windows = any(byte in data for byte in range(0x80, 0xA0))
        return data.decode("cp1252" if windows else "latin-1"), (
            f"Read as {'Windows-1252, a kind of ' if windows else ''}Latin-1, since it is not valid UTF-8.",
        )
    except UnicodeDecodeError:
        return data.decode("latin-1"), ("Read as Latin-1, since it is not valid UTF-8.",)


def find_shape(text: str, *, suffix: str, column: str | None) -> Shape | None:
    """Return how a table is written, or None where the file is prose, a text a line."""
    delimiter, rows = _find_delimiter(_head(text), suffix)
    if not rows:
        return None
    first = rows[0]
    named = column in first or any(cell.strip().casefold() in _KNOWN_NAMES for cell in first)
    if named and all(len(cell) <= MAX_NAME_LETTERS for cell in first):
        return Shape(delimiter, first, has_header=True)
    if (
        len(first) == len(_AG_NEWS_NAMES)
        and len(rows) > 1
        and all(row[0].strip() in ("1", "2", "3", "4") for row in rows)
    ):
        return Shape(delimiter, _AG_NEWS_NAMES, has_header=False)
    if suffix not in _TABLE_SUFFIXES:
        return None
    if _is_header(first):
        return Shape(delimiter, first, has_header=True)
    return Shape(delimiter, [str(position) for position in range(len(first))], has_header=False)


def _head(text: str) -> str:
    """Return the start of a file, up to the end of a line."""
    head = text[:HEAD_LETTERS]
    return head if len(head) == len(text) else head[: head.rfind("\n") + 1] or head


def _find_delimiter(head: str, suffix: str) -> tuple[str, list[list[str]]]:
    """Return the delimiter that cuts all rows into equally many cells, most of them; and the first rows."""
    best, best_rows = NO_DELIMITER, _cut(head, NO_DELIMITER)
    for delimiter in DELIMITERS:
        rows = _cut(head, delimiter)
        widths = {len(row) for row in rows}
        if len(widths) == 1 and widths.pop() > len(best_rows[0]):
            best, best_rows = delimiter, rows
    if best == NO_DELIMITER and suffix in _TABLE_SUFFIXES:
        # Rows of different lengths: the header tells what was meant, and the reader names the row that differs.
        for delimiter in DELIMITERS:
            if (rows := _cut(head, delimiter)) and len(rows[0]) > 1:
                return delimiter, rows
    return best, best_rows


def _cut(head: str, delimiter: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
    try:
        return [row for row in itertools.islice(reader, HEAD_ROWS) if row]
    except csv.Error:
        return []


def _is_header(cells: list[str]) -> bool:
    """Say whether a first row names columns: short, each another, none a number; a lone one is a single word."""
    if len(cells) == 1:
        return re.fullmatch(r"[^\W\d]\w{0,40}", cells[0]) is not None
    short = all(len(cell) <= MAX_NAME_LETTERS and not _NUMBER.fullmatch(cell) for cell in cells)
    return short and len(set(cells)) == len(cells) and all(cells[1:])


def _read_lines(text: str, notes: tuple[str, ...], missing: Missing, budget: Budget) -> Texts:
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    blank = sum(not line.strip() for line in lines)
    if blank == len(lines):
        raise DataError("This file holds blank lines only; upload one with a text a line.")
    if blank:
        notes = (*notes, f"{blank:,} of the {len(lines):,} lines are blank; they were kept, so that rows are lines.")
    return Texts(collect_texts(lines, missing=missing, budget=budget), None, notes)


def _read_table(text: str, shape: Shape) -> list[Column]:
    from agnews_core.uploads.arrow_files import read_delimited  # imports pyarrow, which plain text does without

    return read_delimited(text.encode(), delimiter=shape.delimiter, names=shape.names, has_header=shape.has_header)
