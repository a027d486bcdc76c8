"""Reads CSV with any delimiter, TSV, and plain text with a text a line.

Decides on the encoding, the delimiter and whether there is a header; pyarrow does the reading of tables.
"""

import codecs
import contextlib
import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agnews_core.errors import DataError, quote
from agnews_core.labels import LABELS, ORIGINAL_COLUMNS, is_original_row
from agnews_core.uploads.columns import Budget, Choice, Column, Missing, Texts, choose_texts, iterate_texts

UNICODE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
DELIMITERS: Final = (",", "\t", ";", "|")
# Stands for "no delimiter": one column, where quotes count all the same.
NO_DELIMITER: Final = "\x1f"
HEAD_BYTES: Final = 65_536
PIECE_BYTES: Final = 2**20
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


@dataclass(frozen=True)
class Shape:
    """How a table is written: what stands between cells, what its columns are called, whether its first row says so."""

    delimiter: str
    names: Sequence[str]
    has_header: bool


def read_text_file(data: bytes, choice: Choice, budget: Budget, *, suffix: str) -> tuple[str, Texts]:
    """Return the kind ("csv", "tsv" or "txt") and the texts of a file of characters.

    Raises:
        DataError: it is a table with rows of different lengths, or its column of texts cannot be told.
    """
    choice.refuse_split()
    data, notes = to_utf_8(data)
    shape = find_shape(_head(data), suffix=suffix, column=choice.column)
    if shape is None:
        choice.refuse_list()
        if choice.column is not None:
            raise DataError(
                f"This file is plain text, a text a line, and has no column {quote(choice.column)}; leave the column out."
            )
        return "txt", _read_lines(data, notes, choice.missing, budget)
    found = choose_texts(_read_table(data, shape), choice, budget)
    kind = "tsv" if shape.delimiter == "\t" else "csv"
    return kind, replace(found, notes=(*notes, *found.notes))


def to_utf_8(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a file's characters in UTF-8, and a sentence where it took a guess to know them."""
    with contextlib.suppress(UnicodeDecodeError):
        if data.startswith(UNICODE_MARKS):
            return _recode(data, "utf-16"), ()
        for _ in _decode(data, "utf-8"):  # only to see that it is
            pass
        return data.removeprefix(codecs.BOM_UTF8), ()
    # Where Latin-1 has control characters that no text holds, Windows has its quotes and dashes.
    if any(byte in data for byte in range(0x80, 0xA0)):
        with contextlib.suppress(UnicodeDecodeError):
            note = "Read as Windows-1252, a kind of Latin-1, since it is not valid UTF-8."
            return _recode(data, "cp1252"), (note,)
    return _recode(data, "latin-1"), ("Read as Latin-1, since it is not valid UTF-8.",)


def _recode(data: bytes, encoding: str) -> bytes:
    return b"".join(piece.encode() for piece in _decode(data, encoding))


def _decode(data: bytes, encoding: str) -> Iterator[str]:
    """Decode piecewise, since the characters of a large file can take four times its room."""
    decoder = codecs.getincrementaldecoder(encoding)()
    for at in range(0, len(data), PIECE_BYTES):
        yield decoder.decode(data[at : at + PIECE_BYTES], final=at + PIECE_BYTES >= len(data))


def find_shape(head: str, *, suffix: str, column: str | None) -> Shape | None:
    """Return how a table that begins with `head` is written, or None where the file is prose, a text a line."""
    delimiter, rows = _find_delimiter(head, suffix)
    if not rows:
        return None
    first = rows[0]
    named = column in first or any(cell.strip().casefold() in _KNOWN_NAMES for cell in first)
    if named and all(len(cell) <= MAX_NAME_LETTERS for cell in first):
        return Shape(delimiter, first, has_header=True)
    if len(rows) > 1 and all(is_original_row(row) and 1 <= int(row[0]) <= len(LABELS) for row in rows):
        return Shape(delimiter, ORIGINAL_COLUMNS, has_header=False)
    if suffix not in _TABLE_SUFFIXES:
        return None
    if _is_header(first):
        return Shape(delimiter, first, has_header=True)
    return Shape(delimiter, [str(position) for position in range(len(first))], has_header=False)


def _head(data: bytes) -> str:
    """Return the start of a file, up to the end of a line."""
    head = data[:HEAD_BYTES]
    if len(head) < len(data):
        head = head[: head.rfind(b"\n") + 1] or head
    return head.decode(errors="ignore")


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
    """Return whether a first row names columns: short, each another, none a number; a lone one is a single word."""
    if len(cells) == 1:
        return re.fullmatch(r"[^\W\d]\w{0,40}", cells[0]) is not None
    short = all(len(cell) <= MAX_NAME_LETTERS and not _NUMBER.fullmatch(cell) for cell in cells)
    return short and len(set(cells)) == len(cells) and all(cells[1:])


def _read_lines(data: bytes, notes: tuple[str, ...], missing: Missing, budget: Budget) -> Texts:
    n_lines = n_blank = seen_blank = 0
    for number, line in enumerate(_iterate_lines(data), start=1):
        seen_blank += not line.strip()
        if line:  # the last one is where the texts end
            n_lines, n_blank = number, seen_blank
    if n_blank == n_lines:
        raise DataError("This file holds blank lines only; choose one with a text a line.")
    if n_blank:
        are = "is" if n_blank == 1 else "are"
        notes = (*notes, f"{n_blank:,} of {n_lines:,} lines {are} blank; kept, so row numbers match lines.")
    lines = itertools.islice(_iterate_lines(data), n_lines)
    return Texts(iterate_texts(lines, missing=missing, budget=budget), None, notes)


def _iterate_lines(data: bytes) -> Iterator[str]:
    return (line.removesuffix(b"\n").removesuffix(b"\r").decode() for line in io.BytesIO(data))


def _read_table(data: bytes, shape: Shape) -> list[Column]:
    from agnews_core.uploads.arrow_files import read_delimited  # imports pyarrow, which plain text does without

    return read_delimited(data, delimiter=shape.delimiter, names=shape.names, has_header=shape.has_header)
