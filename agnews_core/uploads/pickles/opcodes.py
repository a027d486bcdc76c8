"""Reads the opcodes of a pickle one by one, with every length checked against the file before it is used.

Knows how each opcode stores its argument (taken from `pickletools`, the standard library's own description), and
nothing of what an opcode does: see `machine`.
"""

import codecs
import pickletools
import struct
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from agnews_core.errors import DataError

MAX_OPCODES: Final = 20_000_000
# The longest number that is still a number somebody meant: numpy and pandas write none above 16 bytes.
MAX_NUMBER_BYTES: Final = 64

# value, position after it
Argument: TypeAlias = tuple[object, int]


def damaged(what: str) -> DataError:
    """Make the error for a file that is not what a pickle writer writes."""
    return DataError(f"This pickle is damaged or was tampered with ({what}); save it again, or save the texts as CSV.")


def read_opcodes(data: bytes) -> Iterator[tuple[str, object]]:
    """Yield (opcode name, argument) up to and including STOP.

    Bytes arguments are views into `data`, not copies.

    Raises:
        DataError: the pickle is cut short, lies about a length, has an unknown opcode, or goes on after its end.
    """
    view = memoryview(data)
    at = 0
    for _ in range(MAX_OPCODES):
        if at >= len(data):
            raise damaged("it ends too early")
        known = _OPCODES[data[at]]
        if known is None:
            raise damaged(f"byte {at} is not an opcode")
        name, read_argument = known
        argument, at = read_argument(view, at + 1) if read_argument else (None, at + 1)
        yield name, argument
        if name == "STOP":
            if at != len(data):
                raise damaged(f"its end is not the end of the file, but {len(data) - at:,} bytes before it")
            return
    raise damaged(f"it has more than {MAX_OPCODES:,} opcodes")


def _take(view: memoryview, at: int, length: int) -> tuple[memoryview, int]:
    if length < 0 or length > len(view) - at:
        raise damaged(f"byte {at} announces {length:,} bytes where {len(view) - at:,} are left")
    return view[at : at + length], at + length


def _fixed(layout: str) -> Callable[[memoryview, int], Argument]:
    size = struct.calcsize(layout)

    def read(view: memoryview, at: int) -> Argument:
        chunk, after = _take(view, at, size)
        return struct.unpack(layout, chunk)[0], after

    return read


def _counted(layout: str, convert: Callable[[memoryview], object]) -> Callable[[memoryview, int], Argument]:
    size = struct.calcsize(layout)

    def read(view: memoryview, at: int) -> Argument:
        count, at = _take(view, at, size)
        chunk, after = _take(view, at, struct.unpack(layout, count)[0])
        return convert(chunk), after

    return read


def _line(convert: Callable[[bytes], object]) -> Callable[[memoryview, int], Argument]:
    def read(view: memoryview, at: int) -> Argument:
        line, after = _take_line(view, at)
        return convert(line), after

    return read


def _take_line(view: memoryview, at: int) -> tuple[bytes, int]:
    whole = view.obj
    assert isinstance(whole, bytes)
    end = whole.find(b"\n", at)
    if end < 0:
        raise damaged(f"the line at byte {at} has no end")
    return whole[at:end], end + 1


def _two_lines(view: memoryview, at: int) -> Argument:
    first, at = _take_line(view, at)
    second, at = _take_line(view, at)
    return (_to_name(first), _to_name(second)), at


def _to_name(line: bytes) -> str:
    return _to_text(memoryview(line))


def _to_text(chunk: memoryview) -> str:
    try:
        return str(chunk, "utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise damaged("a text is not valid UTF-8") from error


def _to_ascii_or_bytes(chunk: memoryview) -> str | memoryview:
    """Read what Python 2 called str: text where it is ASCII, bytes otherwise."""
    return str(chunk, "ascii") if chunk.tobytes().isascii() else chunk


def _to_quoted(line: bytes) -> str | memoryview:
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in (b"'", b'"'):
        raise damaged("a quoted string has no quotes")
    try:
        return _to_ascii_or_bytes(memoryview(codecs.escape_decode(line[1:-1])[0]))
    except ValueError as error:
        raise damaged("a quoted string has a broken escape") from error


def _to_raw_unicode(line: bytes) -> str:
    try:
        return str(line, "raw-unicode-escape")
    except UnicodeDecodeError as error:
        raise damaged("a text has a broken escape") from error


def _to_decimal(line: bytes) -> int | bool:
    if line in (b"00", b"01"):  # how protocol 0 and 1 write False and True
        return line == b"01"
    if len(line) > 2 * MAX_NUMBER_BYTES:
        raise damaged(f"a number has {len(line):,} digits")
    try:
        return int(line.removesuffix(b"L"))
    except ValueError as error:
        raise damaged("a number is not one") from error


def _to_float(line: bytes) -> float:
    try:
        return float(line)
    except ValueError as error:
        raise damaged("a number is not one") from error


def _to_int(chunk: memoryview) -> int:
    if len(chunk) > MAX_NUMBER_BYTES:
        raise damaged(f"a number has {len(chunk):,} bytes")
    return int.from_bytes(chunk, "little", signed=True)


def _as_is(chunk: memoryview) -> memoryview:
    return chunk


_READERS: Final[dict[str, Callable[[memoryview, int], Argument]]] = {
    "uint1": _fixed("<B"),
    "uint2": _fixed("<H"),
    "int4": _fixed("<i"),
    "uint4": _fixed("<I"),
    "uint8": _fixed("<Q"),
    "float8": _fixed(">d"),
    "long1": _counted("<B", _to_int),
    "long4": _counted("<i", _to_int),
    "string1": _counted("<B", _to_ascii_or_bytes),
    "string4": _counted("<i", _to_ascii_or_bytes),
    "bytes1": _counted("<B", _as_is),
    "bytes4": _counted("<I", _as_is),
    "bytes8": _counted("<Q", _as_is),
    "bytearray8": _counted("<Q", _as_is),
    "unicodestring1": _counted("<B", _to_text),
    "unicodestring4": _counted("<I", _to_text),
    "unicodestring8": _counted("<Q", _to_text),
    "stringnl": _line(_to_quoted),
    "stringnl_noescape": _line(_to_name),
    "stringnl_noescape_pair": _two_lines,
    "unicodestringnl": _line(_to_raw_unicode),
    "decimalnl_short": _line(_to_decimal),
    "decimalnl_long": _line(_to_decimal),
    "floatnl": _line(_to_float),
}

# byte -> (name, how its argument is read), or None where the byte is no opcode
_OPCODES: Final = [
    (known.name, _READERS[known.arg.name] if known.arg else None) if known else None
    for known in map({ord(opcode.code): opcode for opcode in pickletools.opcodes}.get, range(256))
]
