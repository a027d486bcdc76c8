"""Small questions put to the records of a pickle: is this an integer, are these bytes, is this row a text?

The answer is a plain Python value or a `DataError`; a record's own structure is never walked deeper than asked.
"""

import math
import struct
from typing import Final, TypeGuard

from agnews_core.uploads.pickles.opcodes import damaged
from agnews_core.uploads.pickles.records import Made, Name, Pairs

_MISSING_KINDS: Final = frozenset(["pandas.NA", "pandas.NaT", "pandas._nat_unpickle", "pandas.__nat_unpickle"])
INT_LAYOUTS: Final = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}
_LAYOUTS: Final = {**INT_LAYOUTS, "f2": "e", "f4": "f", "f8": "d", "b1": "?"}


def is_made(record: object, *kinds: str) -> TypeGuard[Made]:
    """Return whether a record is a call of one of these."""
    return isinstance(record, Made) and record.kind in kinds


def is_name(record: object, *kinds: str) -> TypeGuard[Name]:
    """Return whether a record names one of these."""
    return isinstance(record, Name) and record.kind in kinds


def as_int(record: object, what: str) -> int:
    """Return an integer of at least 0, or raise."""
    if isinstance(record, bool) or not isinstance(record, int) or record < 0:
        raise damaged(f"{what} is not a count")
    return record


def as_list(record: object, what: str) -> list[object] | tuple[object, ...]:
    """Return a list or tuple, or raise."""
    if is_made(record, "pandas.FrozenList"):
        record = record.items or (record.arguments[0] if record.arguments else [])
    if not isinstance(record, list | tuple):
        raise damaged(f"{what} is not a list")
    return record


def as_state(record: Made) -> dict[str, object]:
    """Return the attributes that a record was filled with, or raise."""
    state = record.state
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], Pairs):
        state = state[0]  # attributes and slots
    if not isinstance(state, Pairs):
        raise damaged(f"{record.kind} has no attributes")
    return state.by_text()


def as_bytes(record: object, what: str) -> memoryview:
    """Return bytes in any of the ways that the protocols write them, or raise."""
    if isinstance(record, memoryview):
        return record
    if isinstance(record, str):  # what Python 2 wrote as str
        return memoryview(_encode_latin_1(record, what))
    if is_made(record, "_codecs.encode") and len(record.arguments) == 2 and isinstance(record.arguments[0], str):
        return memoryview(_encode_latin_1(record.arguments[0], what))
    if is_made(record, "builtins.bytearray", "builtins.bytes") and len(record.arguments) in (0, 1, 2):
        # bytearray(length) never comes here: only bytes, or a text and "latin-1"
        return as_bytes(record.arguments[0], what) if record.arguments else memoryview(b"")
    raise damaged(f"{what} is not bytes")


def as_row(record: object) -> object:
    """Return str, bytes, None where nothing is there, or the record itself where it is something else."""
    if isinstance(record, str | memoryview) or record is None:
        return record
    if isinstance(record, Name):
        return None if record.kind in _MISSING_KINDS else record
    if not isinstance(record, Made):
        return record
    if record.kind in _MISSING_KINDS:
        return None
    if record.kind in ("_codecs.encode", "builtins.bytearray", "builtins.bytes"):
        return as_bytes(record, "a row")
    if record.kind == "numpy.scalar":
        return _as_scalar(record)
    return record


def read_text_bytes(raw: memoryview, *, big_endian: bool) -> str:
    """Decode one element of a numpy U array: UTF-32, padded with NULs."""
    try:
        return str(raw, "utf-32-be" if big_endian else "utf-32-le", "surrogatepass").rstrip("\0")
    except UnicodeDecodeError as error:
        raise damaged("a text is not valid UTF-32") from error


def read_number(raw: memoryview, dtype: str, *, big_endian: bool) -> float | None:
    """Return one element of a numpy array of numbers; None where it is of another kind, such as a date."""
    layout = _LAYOUTS.get(dtype)
    if layout is None or len(raw) != struct.calcsize(layout):
        return None
    number: float = struct.unpack((">" if big_endian else "<") + layout, raw)[0]
    return number


def read_dtype(record: object) -> tuple[str, bool]:
    """Return a numpy dtype as its letter and size ("U5", "i8", "O8", "T"), and whether it is big-endian."""
    if is_made(record, "numpy._convert_to_stringdtype_kwargs"):
        return "T", False
    if not is_made(record, "numpy.dtype") or not record.arguments or not isinstance(record.arguments[0], str):
        raise damaged("an array has no type")
    state = record.state
    big_endian = isinstance(state, tuple) and len(state) > 1 and isinstance(state[1], str) and state[1] == ">"
    return record.arguments[0], big_endian


def _as_scalar(record: Made) -> object:
    if len(record.arguments) != 2:
        raise damaged("a number has no value")
    dtype, big_endian = read_dtype(record.arguments[0])
    if dtype.startswith("O"):
        return record
    raw = as_bytes(record.arguments[1], "a number")
    if dtype.startswith("U"):
        return read_text_bytes(raw, big_endian=big_endian)
    if dtype.startswith("S"):
        return memoryview(raw.tobytes().rstrip(b"\0"))
    number = read_number(raw, dtype, big_endian=big_endian)
    if number is None:
        return record
    return None if math.isnan(number) else number


def _encode_latin_1(text: str, what: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise damaged(f"{what} is not bytes") from error
