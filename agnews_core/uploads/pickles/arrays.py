"""Reads numpy arrays out of a pickle's records: texts in any of numpy's ways, and the integers that order them.

Shapes, types and sizes come from the file and are checked against the bytes that are there before they are used.
"""

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeGuard

from agnews_core.uploads.pickles.opcodes import damaged
from agnews_core.uploads.pickles.records import Made
from agnews_core.uploads.pickles.values import (
    INT_LAYOUTS,
    as_bytes,
    as_int,
    as_list,
    as_row,
    is_made,
    is_name,
    read_dtype,
    read_number,
    read_text_bytes,
)

MAX_DIMENSIONS: Final = 32
_DTYPE: Final = re.compile(r"([biufcmMOSUV])(\d{1,9})")


@dataclass(frozen=True)
class NumpyArray:
    """An array as it lies in the file.

    Attributes:
        shape: sizes by axis.
        dtype: letter and size in bytes, "U" in letters, such as "i8", "U5" or "O8".
        big_endian: whether numbers and letters have their high byte first.
        columns_first: whether the first index runs fastest (Fortran order).
        data: the elements of an object array in C order; the raw bytes of any other.
    """

    shape: tuple[int, ...]
    dtype: str
    big_endian: bool
    columns_first: bool
    data: list[object] | tuple[object, ...] | memoryview

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def holds(self) -> str:
        """What `text_columns.Column.holds` says of it."""
        if not self.size:
            return "objects"  # pandas makes numbers of a list of no texts
        known = {"U": "text", "T": "objects", "S": "bytes", "O": "objects"}
        return known.get(self.dtype[:1], f"numbers ({self.dtype})")


def is_array(record: object) -> TypeGuard[Made]:
    """Return whether a record is a numpy array."""
    return is_made(record, "numpy._reconstruct", "numpy._frombuffer")


def read_array(record: object) -> NumpyArray:
    """Check a numpy array's record, and return what it holds.

    Raises:
        DataError: its parts do not fit each other.
    """
    if not is_array(record):
        raise damaged("an array is missing")
    if record.kind == "numpy._frombuffer":
        if len(record.arguments) != 4:
            raise damaged("an array lacks parts")
        raw, dtype, shape, order = record.arguments
        columns_first: object = isinstance(order, str) and order == "F"
    else:
        if not record.arguments or not is_name(record.arguments[0], "numpy.ndarray"):
            raise damaged("an array is of an unknown kind")
        if not isinstance(record.state, tuple) or len(record.state) != 5:
            raise damaged("an array lacks parts")
        _, shape, dtype, columns_first, raw = record.state
    sizes = tuple(as_int(size, "the size of an array") for size in as_list(shape, "the shape of an array"))
    if len(sizes) > MAX_DIMENSIONS:
        raise damaged(f"an array has {len(sizes)} dimensions")
    letter, big_endian = read_dtype(dtype)
    return _checked(NumpyArray(sizes, letter, big_endian, bool(columns_first), _read_data(raw, letter)))


def read_elements(array: NumpyArray) -> Iterator[object]:
    """Yield the elements of a one-dimensional array, as `text_columns.Column.rows` has them."""
    if len(array.shape) != 1:
        raise damaged(f"an array has {len(array.shape)} dimensions where one was expected")
    return _read_positions(array, range(array.size))


def read_column(array: NumpyArray, column: int) -> Iterator[object]:
    """Yield one column of a two-dimensional array, (n_rows, n_columns)."""
    n_rows, n_columns = array.shape
    if _is_columns_first(array):
        return _read_positions(array, range(column * n_rows, (column + 1) * n_rows))
    return _read_positions(array, range(column, array.size, n_columns))


def read_row(array: NumpyArray, row: int) -> Iterator[object]:
    """Yield one row of a two-dimensional array, (n_rows, n_columns)."""
    n_rows, n_columns = array.shape
    if _is_columns_first(array):
        return _read_positions(array, range(row, array.size, n_rows))
    return _read_positions(array, range(row * n_columns, (row + 1) * n_columns))


def read_integers(array: NumpyArray) -> list[int]:
    """Return the elements of a one-dimensional array of integers."""
    layout = INT_LAYOUTS.get(array.dtype)
    if layout is None or len(array.shape) != 1 or not isinstance(array.data, memoryview):
        raise damaged("a list of row numbers holds something else")
    return list(struct.unpack(f"{'>' if array.big_endian else '<'}{array.size}{layout}", array.data))


def _is_columns_first(array: NumpyArray) -> bool:
    # numpy writes raw bytes as they lie in memory, but the objects of an object array always row by row.
    return array.columns_first and isinstance(array.data, memoryview)


def _read_positions(array: NumpyArray, positions: range) -> Iterator[object]:
    if not isinstance(array.data, memoryview):
        elements = array.data
        return (as_row(elements[at]) for at in positions)
    raw, width, big_endian = array.data, _item_bytes(array.dtype), array.big_endian
    pieces = (raw[at * width : (at + 1) * width] for at in positions)
    if array.dtype.startswith("U"):
        return (read_text_bytes(piece, big_endian=big_endian) for piece in pieces)
    if array.dtype.startswith("S"):
        return (memoryview(piece.tobytes().rstrip(b"\0")) for piece in pieces)
    return (read_number(piece, array.dtype, big_endian=big_endian) for piece in pieces)


def _read_data(raw: object, dtype: str) -> list[object] | tuple[object, ...] | memoryview:
    return as_list(raw, "an array of objects") if dtype[:1] in "OT" else as_bytes(raw, "an array")


def _item_bytes(dtype: str) -> int:
    match = _DTYPE.fullmatch(dtype)
    if match is None:
        raise damaged("an array is of an unknown type")
    return int(match[2]) * (4 if match[1] == "U" else 1)


def _checked(array: NumpyArray) -> NumpyArray:
    expected = array.size * (_item_bytes(array.dtype) if isinstance(array.data, memoryview) else 1)
    if len(array.data) != expected or (array.size and not expected):
        raise damaged(f"an array announces {expected:,} bytes or objects and holds {len(array.data):,}")
    return array
