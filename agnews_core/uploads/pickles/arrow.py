"""Reads Arrow arrays and tables out of a pickle's records, with every offset checked against its buffer.

Layouts are those of https://arrow.apache.org/docs/format/Columnar.html: a validity bitmap, then offsets and bytes, or
16-byte views, or indices into a dictionary. All numbers are little-endian. pyarrow itself trusts offsets, and hands out
whatever lies in memory where they point.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agnews_core.uploads.columns import Column
from agnews_core.uploads.pickles.opcodes import damaged
from agnews_core.uploads.pickles.records import Made
from agnews_core.uploads.pickles.values import as_bytes, as_int, as_list, is_made

_OFFSETS: Final = {"string": "i", "binary": "i", "large_string": "q", "large_binary": "q"}
_VIEWS: Final = frozenset(["string_view", "binary_view"])
_TEXTS: Final = frozenset(["string", "large_string", "string_view"])
_INDICES: Final = {
    "int8": "b", "int16": "h", "int32": "i", "int64": "q",
    "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
}  # fmt: skip
_VIEW_BYTES: Final = 16
_INLINE_BYTES: Final = 12


@dataclass(frozen=True)
class ArrowArray:
    """An array as it lies in the file: `length` elements after the first `offset`."""

    type: str
    length: int
    offset: int
    buffers: tuple[memoryview | None, ...]
    dictionary: "ArrowArray | None" = None


def is_arrow(record: object) -> bool:
    """Return whether a record is an Arrow array, whole or in chunks."""
    return is_made(record, "pyarrow._restore_array", "pyarrow.chunked_array")


def read_table(record: Made) -> list[Column]:
    """Return the columns of a pyarrow Table or RecordBatch."""
    if len(record.arguments) != 2:
        raise damaged("a table lacks parts")
    arrays, schema = as_list(record.arguments[0], "the columns of a table"), record.arguments[1]
    if not is_made(schema, "pyarrow.schema") or not schema.arguments:
        raise damaged("a table has no schema")
    fields = as_list(schema.arguments[0], "the schema of a table")
    if len(arrays) != len(fields):
        raise damaged(f"a table has {len(fields)} fields and {len(arrays)} columns")
    return [make_column(_read_name(field), array) for field, array in zip(fields, arrays, strict=True)]


def make_column(name: str, record: object) -> Column:
    """Describe an Arrow array, whole or in chunks, as a column; it is read when its rows are asked for."""
    holds = _read_type(_type_of(record))[0]
    if holds in _TEXTS:
        return Column(name, "text", lambda: read_rows(record))
    if holds in _OFFSETS or holds in _VIEWS:
        return Column(name, "bytes", lambda: read_rows(record))
    # A column of no texts, or of none at all, has the type "null".
    return Column(name, "objects" if holds == "null" else holds, lambda: read_rows(record))


def read_rows(record: object) -> Iterator[object]:
    """Yield the rows of an Arrow array of texts or integers, whole or in chunks."""
    for chunk in _chunks(record):
        array = _read_array(chunk)
        yield from map(_row_getter(array), range(array.length))


def _chunks(record: object) -> Iterable[object]:
    if is_made(record, "pyarrow.chunked_array"):
        if not record.arguments:
            raise damaged("an Arrow column lacks parts")
        return as_list(record.arguments[0], "the chunks of an Arrow column")
    return [record]


def _type_of(record: object) -> object:
    if is_made(record, "pyarrow.chunked_array"):
        if len(record.arguments) > 1:
            return record.arguments[1]
        chunks = list(_chunks(record))
        record = chunks[0] if chunks else None
    if not is_made(record, "pyarrow._restore_array") or not record.arguments:
        raise damaged("an Arrow array lacks parts")
    return as_list(record.arguments[0], "an Arrow array")[0]


def _read_type(record: object) -> tuple[str, str]:
    """Return what the elements are, and what the array itself holds: not the same where there is a dictionary."""
    if is_made(record, "pyarrow.dictionary") and len(record.arguments) > 1:
        return _read_type_name(record.arguments[1]), _read_type_name(record.arguments[0])
    name = _read_type_name(record)
    return name, name


def _read_type_name(record: object) -> str:
    if not isinstance(record, Made):
        raise damaged("an Arrow array has no type")
    alias = record.arguments[0] if record.arguments else None
    name = alias if record.kind == "pyarrow.type_for_alias" else record.kind.removeprefix("pyarrow.").rstrip("_")
    if not isinstance(name, str) or not name.isprintable():
        raise damaged("an Arrow array has no type")
    return {"utf8": "string", "large_utf8": "large_string"}.get(name, name)[:40]


def _read_name(field: object) -> str:
    if not is_made(field, "pyarrow.field") or not field.arguments or not isinstance(field.arguments[0], str):
        raise damaged("a column has no name")
    return field.arguments[0]


def _read_array(record: object) -> ArrowArray:
    if not is_made(record, "pyarrow._restore_array") or len(record.arguments) != 1:
        raise damaged("an Arrow array lacks parts")
    parts = _read_parts(record.arguments[0])
    array = _make_array(parts)
    if not is_made(parts[0], "pyarrow.dictionary"):
        return array
    dictionary = _read_parts(parts[6] if len(parts) == 7 else None)
    # Would let a file nest as deep as it likes; Arrow's own writers make none.
    if is_made(dictionary[0], "pyarrow.dictionary"):
        raise damaged("a dictionary lies in a dictionary")
    return replace(array, dictionary=_make_array(dictionary))


def _read_parts(record: object) -> Sequence[object]:
    parts = as_list(record, "an Arrow array")
    # type, length, number of nulls, offset, buffers, children, and a dictionary where there is one
    if len(parts) not in (6, 7):
        raise damaged("an Arrow array lacks parts")
    return parts


def _make_array(parts: Sequence[object]) -> ArrowArray:
    return ArrowArray(
        type=_read_type(parts[0])[1],
        length=as_int(parts[1], "the length of an Arrow array"),
        offset=as_int(parts[3], "the offset of an Arrow array"),
        buffers=tuple(_read_buffer(buffer) for buffer in as_list(parts[4], "the buffers of an Arrow array")),
    )


def _read_buffer(record: object) -> memoryview | None:
    if record is None:
        return None
    if not is_made(record, "pyarrow.py_buffer") or len(record.arguments) != 1:
        raise damaged("an Arrow array has no bytes")
    return as_bytes(record.arguments[0], "an Arrow buffer")


def _row_getter(array: ArrowArray) -> Callable[[int], object]:
    """Return what gives the row at a position below `array.length`, None where it is missing."""
    is_valid, get = _validity_getter(array), _value_getter(array)
    return lambda row: get(row) if is_valid(row) else None


def _validity_getter(array: ArrowArray) -> Callable[[int], bool]:
    bitmap, offset = _buffer(array, 0), array.offset
    if bitmap is None:
        return lambda row: True
    if len(bitmap) * 8 < offset + array.length:
        raise damaged("an Arrow array is longer than its validity bitmap")
    return lambda row: bool(bitmap[(offset + row) >> 3] >> ((offset + row) & 7) & 1)


def _value_getter(array: ArrowArray) -> Callable[[int], object]:
    if array.dictionary is not None:
        return _encoded_getter(array, array.dictionary)
    if array.type in _OFFSETS:
        return _offsets_getter(array)
    if array.type in _VIEWS:
        return _view_getter(array)
    if array.type == "null":
        return lambda row: None
    if array.type in _INDICES:
        return _integer_getter(array, _INDICES)
    raise damaged(f"a column of texts holds {array.type}")


def _encoded_getter(array: ArrowArray, dictionary: ArrowArray) -> Callable[[int], object]:
    index_of, get = _integer_getter(array, _INDICES), _row_getter(dictionary)

    def read(row: int) -> object:
        index = index_of(row)
        if not 0 <= index < dictionary.length:
            raise damaged(f"an Arrow array uses value {index:,} of {dictionary.length:,}")
        return get(index)

    return read


def _offsets_getter(array: ArrowArray) -> Callable[[int], object]:
    if array.length == 0:  # may have no offsets at all
        return lambda row: None
    offset_of, data = _integer_getter(array, _OFFSETS, extra=1), _buffer(array, 2) or memoryview(b"")

    def read(row: int) -> object:
        start, end = offset_of(row), offset_of(row + 1)
        if not 0 <= start <= end <= len(data):
            raise damaged(f"an Arrow array points to bytes {start:,} to {end:,} of {len(data):,}")
        return _decode(array, data[start:end])

    return read


def _view_getter(array: ArrowArray) -> Callable[[int], object]:
    views = _values(array, _VIEW_BYTES)

    def read(row: int) -> object:
        view = views[row * _VIEW_BYTES : (row + 1) * _VIEW_BYTES]
        length, _, index, start = struct.unpack("<iiii", view)
        if 0 <= length <= _INLINE_BYTES:
            return _decode(array, view[4 : 4 + length])
        data = _buffer(array, 2 + index) if index >= 0 else None
        if data is None or length < 0 or start < 0 or start + length > len(data):
            raise damaged(f"an Arrow array points to {length:,} bytes at {start:,}, where there are none")
        return _decode(array, data[start : start + length])

    return read


def _integer_getter(array: ArrowArray, layouts: dict[str, str], extra: int = 0) -> Callable[[int], int]:
    """Return what gives the integer at a position below `array.length + extra`."""
    layout = layouts.get(array.type)
    if layout is None:
        raise damaged(f"an Arrow array of {array.type} stands where integers should")
    one = struct.Struct(f"<{layout}")
    values = _values(array, one.size, extra)
    return lambda row: int(one.unpack_from(values, row * one.size)[0])


def _values(array: ArrowArray, width: int, extra: int = 0) -> memoryview:
    """Return the bytes of the array's elements, and of `extra` more after the last."""
    buffer = _buffer(array, 1) or memoryview(b"")
    start, end = array.offset * width, (array.offset + array.length + extra) * width
    if end > len(buffer):
        raise damaged(f"an Arrow array needs {end:,} bytes and has {len(buffer):,}")
    return buffer[start:end]


def _buffer(array: ArrowArray, index: int) -> memoryview | None:
    return array.buffers[index] if index < len(array.buffers) else None


def _decode(array: ArrowArray, chunk: memoryview) -> str | memoryview:
    if array.type not in _TEXTS:
        return chunk
    try:
        return str(chunk, "utf-8")
    except UnicodeDecodeError as error:
        raise damaged("a text in an Arrow array is not valid UTF-8") from error
