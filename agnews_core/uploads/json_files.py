"""Reads JSON and JSON lines: a list of texts or of objects, an object of lists, or an object a line."""

import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from agnews_core.errors import DataError
from agnews_core.uploads.pickles import Pairs, Rows

_SPLIT: Final = frozenset(["columns", "index", "data"])  # pandas' to_json(orient="split")
_TABLE: Final = frozenset(["schema", "data"])  # and orient="table"
_SUFFIXES: Final = (".json", ".jsonl", ".ndjson")
_UTF_8_MARK: Final = b"\xef\xbb\xbf"
_NOT_BLANK: Final = re.compile(rb"\S")


def find_record(data: bytes, suffix: str) -> Any:
    """Return the rows of a JSON or JSON lines file; None where a file is neither.

    It is one if it begins so, and its name, its first line or all of it says so too.

    Raises:
        DataError: it is damaged.
    """
    data = data.removeprefix(_UTF_8_MARK)
    start = data.lstrip()
    if not start.startswith((b"{", b"[", b'"')):
        return None
    if start.startswith(b'"'):  # lines of JSON strings, or the first cell of a CSV file
        lines = start.splitlines()
        return [json.loads(line) for line in lines] if all(map(_is_text_line, lines)) else None
    first_line = start[: start.find(b"\n") + 1]
    if _is_valid(first_line) and _NOT_BLANK.search(start, len(first_line)):
        return Rows(lambda: _parse_lines(data))
    try:
        return _unfold(_parse(start))
    except (ValueError, RecursionError):
        return Rows(lambda: _parse_lines(data)) if suffix in _SUFFIXES else None


def _parse(text: bytes) -> Any:
    return json.loads(text.decode(), object_pairs_hook=_make_pairs)


def _parse_lines(data: bytes) -> Iterator[Any]:
    for number, line in enumerate(io.BytesIO(data), start=1):
        if not line.strip():
            continue
        try:
            yield _parse(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"Line {number:,} of this JSON file is not valid JSON; save it again.") from error


def _make_pairs(pairs: Iterable[tuple[object, object]]) -> Pairs:
    made = Pairs()
    made.pairs.extend(pairs)
    return made


def _unfold(record: Any) -> Any:
    """Return the rows of the ways to write a table that say more than its rows."""
    if not isinstance(record, Pairs):
        return record
    parts = record.by_text()
    data = parts.get("data")
    if parts.keys() == _SPLIT and isinstance(data, list) and isinstance(parts["columns"], list):
        return [_name_cells(parts["columns"], row) for row in data]
    if parts.keys() == _TABLE and isinstance(data, list):
        return data
    if len(parts) == 1 and isinstance(only := next(iter(parts.values())), list) and only and isinstance(only[0], Pairs):
        return only
    if not any(isinstance(value, list | Pairs) for value in parts.values()):
        return [record]  # JSON lines with one line
    return _number_keys(_make_pairs((key, _number_keys(value)) for key, value in record.pairs))


def _name_cells(names: list[Any], row: Any) -> Pairs:
    if not isinstance(row, list) or len(row) != len(names):
        raise DataError("The rows of this JSON file have other lengths than its list of columns; save it again.")
    return _make_pairs([(str(name), cell) for name, cell in zip(names, row, strict=True)])


def _number_keys(value: Any) -> Any:
    """Return an object keyed "0", "1", ... as one keyed by row numbers, as pandas' to_json writes rows and columns."""
    if not isinstance(value, Pairs) or not all(isinstance(key, str) and key.isdecimal() for key, _ in value.pairs):
        return value
    return _make_pairs((position, cell) for position, (_, cell) in enumerate(value.pairs))


def _is_valid(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_text_line(line: bytes) -> bool:
    return line.startswith(b'"') and line.endswith(b'"') and _is_valid(line)
