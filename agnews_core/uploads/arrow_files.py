"""Reads Parquet, Arrow and delimited text with pyarrow, every array of the first two validated in full.

Only the child process of `uploads` imports this module, and only for files that need it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from agnews_core.errors import DataError
from agnews_core.uploads.columns import Column

ROWS_AT_ONCE: Final = 10_000
# What pyarrow raises for a file that is not what it claims to be.
_DAMAGE: Final = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError)
# What a cell may be instead of a text, in the order of trying.
_OTHER_CELLS: Final = ((pa.float64(), "numbers"), (pa.timestamp("us"), "dates"), (pa.bool_(), "yes or no"))


def read_parquet(data: bytes) -> list[Column]:
    """Return the columns of a Parquet file.

    Raises:
        DataError: the file is damaged.
    """

    def read() -> Any:
        return pa.parquet.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(use_threads=False)

    return _read_valid("Parquet", read)


def read_arrow(data: bytes) -> list[Column]:
    """Return the columns of an Arrow file or stream.

    Raises:
        DataError: the file is damaged.
    """
    open_reader = pa.ipc.open_file if data.startswith(b"ARROW1") else pa.ipc.open_stream

    def read() -> Any:
        with open_reader(pa.BufferReader(data), options=pa.ipc.IpcReadOptions(use_threads=False)) as reader:
            return reader.read_all()

    return _read_valid("Arrow", read)


def read_delimited(data: bytes, *, delimiter: str, names: Sequence[str], has_header: bool) -> list[Column]:
    """Return the columns of CSV and the like, in UTF-8; a column of numbers or dates says so.

    Raises:
        DataError: a row has more or fewer cells than there are names.
    """
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(data),
            pa.csv.ReadOptions(
                use_threads=False, block_size=len(data) + 1, column_names=names, skip_rows_after_names=int(has_header)
            ),
            pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            # A cell with nothing in it is missing, one with "" in it is an empty text.
            pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        )
    except MemoryError:
        raise  # pyarrow's is an ArrowException too
    except _DAMAGE as error:
        reason = "".join(letter for letter in str(error)[:120] if letter.isprintable()).rstrip(". ")
        raise DataError(f"This table cannot be read ({reason}); save it again as CSV.") from error
    return [_make_column(name, array, _find_cells(array)) for name, array in _columns(table)]


def _read_valid(kind: str, read: Callable[[], Any]) -> list[Column]:
    try:
        table = read()
        table.validate(full=True)
    except MemoryError:
        raise  # pyarrow's is an ArrowException too
    except _DAMAGE as error:
        raise DataError(f"This {kind} file is damaged or of a kind that is not known here; save it again.") from error
    return [_make_column(name, array, _find_type(array.type)) for name, array in _columns(table)]


def _columns(table: Any) -> list[tuple[str, Any]]:
    return list(zip(table.column_names, table.columns, strict=True))


def _make_column(name: str, array: Any, holds: str) -> Column:
    def rows() -> Iterator[object]:
        for start in range(0, len(array), ROWS_AT_ONCE):  # a few at a time: Python's texts take more room
            yield from array.slice(start, ROWS_AT_ONCE).to_pylist()

    return Column(name, holds, rows)


def _find_type(kind: Any) -> str:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return "bytes"
    return "objects" if pa.types.is_null(kind) else str(kind)[:40]


def _find_cells(array: Any) -> str:
    """Say what a column of cells, all read as text, holds."""
    if array.null_count == len(array):
        return "objects"
    for kind, holds in _OTHER_CELLS:
        try:
            array.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
        return holds
    return "text"
