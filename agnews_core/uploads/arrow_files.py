"""Reads Parquet, Arrow and delimited text with pyarrow, a piece at a time: a table may take more room than its file.

Each piece is validated in full before its rows are looked at. Only the child process of `uploads` imports this module,
and only for files that need it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from agnews_core.errors import DataError
from agnews_core.uploads.columns import Column

ROWS_AT_ONCE: Final = 10_000
BLOCK_BYTES: Final = 4 * 2**20  # of delimited text; no row may be longer
# What pyarrow raises for a file that is not what it claims to be.
_DAMAGE: Final = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError)
# What cells may be instead of texts, in the order of trying.
_OTHER_CELLS: Final = {
    pa.null(): "objects",
    pa.float64(): "numbers",
    pa.timestamp("us"): "dates",
    pa.bool_(): "yes or no",
}


def read_parquet(data: bytes) -> list[Column]:
    """Return the columns of a Parquet file.

    Raises:
        DataError: the file is damaged; so may reading the columns' rows.
    """

    def open_file() -> Any:
        return pa.parquet.ParquetFile(pa.BufferReader(data), pre_buffer=False)

    return _make_typed_columns(
        "Parquet",
        lambda: open_file().schema_arrow,
        lambda: open_file().iter_batches(batch_size=ROWS_AT_ONCE, use_threads=False),
    )


def read_arrow(data: bytes) -> list[Column]:
    """Return the columns of an Arrow file or stream.

    Raises:
        DataError: the file is damaged; so may reading the columns' rows.
    """
    is_file = data.startswith(b"ARROW1")

    def open_file() -> Any:
        open_reader = pa.ipc.open_file if is_file else pa.ipc.open_stream
        return open_reader(pa.BufferReader(data), options=pa.ipc.IpcReadOptions(use_threads=False))

    def read() -> Iterator[Any]:
        reader = open_file()
        return map(reader.get_batch, range(reader.num_record_batches)) if is_file else iter(reader)

    return _make_typed_columns("Arrow", lambda: open_file().schema, read)


def read_delimited(data: bytes, *, delimiter: str, names: Sequence[str], has_header: bool) -> list[Column]:
    """Return the columns of CSV and the like, in UTF-8; a column of numbers or dates says so.

    Raises:
        DataError: a row has more or fewer cells than there are names.
    """
    positions = [str(position) for position in range(len(names))]  # names may repeat

    def read() -> Iterator[Any]:
        return pa.csv.open_csv(  # type: ignore[no-any-return]
            pa.BufferReader(data),
            pa.csv.ReadOptions(
                use_threads=False,
                block_size=BLOCK_BYTES,
                column_names=positions,
                skip_rows_after_names=int(has_header),
            ),
            pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            # A cell with nothing in it is missing, one with "" in it is an empty text.
            pa.csv.ConvertOptions(
                column_types=dict.fromkeys(positions, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        )

    def explain(error: Exception) -> str:
        if "straddling" in str(error):
            return (
                "This table has a row of more than 4 MB, or a quotation mark that is not closed; save it again as CSV."
            )
        reason = "".join(letter for letter in str(error)[:120] if letter.isprintable()).rstrip(". ")
        return f"This table cannot be read ({reason}); save it again as CSV."

    pieces = _Pieces(read, explain)
    return pieces.make_columns(zip(names, _find_cells(pieces, len(names)), strict=True))


class _Pieces:
    """A table that is read anew, a record batch at a time, each time that somebody goes through it."""

    def __init__(self, read: Callable[[], Iterator[Any]], explain: Callable[[Exception], str]) -> None:
        self._read, self._explain = read, explain

    def __iter__(self) -> Iterator[Any]:
        try:
            for batch in self._read():
                batch.validate(full=True)
                yield batch
        except MemoryError:
            raise  # pyarrow's is an ArrowException too
        except _DAMAGE as error:
            raise DataError(self._explain(error)) from error

    def make_columns(self, columns: Iterable[tuple[str, str]]) -> list[Column]:
        """Return the columns, given what each is called and what it holds, in order."""
        return [
            Column(name, holds, partial(self._read_rows, position)) for position, (name, holds) in enumerate(columns)
        ]

    def _read_rows(self, position: int) -> Iterator[object]:
        for batch in self:
            array = batch.column(position)
            for start in range(0, len(array), ROWS_AT_ONCE):  # a few at a time: Python's texts take more room
                yield from array.slice(start, ROWS_AT_ONCE).to_pylist()


def _make_typed_columns(kind: str, read_schema: Callable[[], Any], read: Callable[[], Iterator[Any]]) -> list[Column]:
    message = f"This {kind} file is damaged or of a kind that is not known here; save it again."
    try:
        fields = list(read_schema())
    except MemoryError:
        raise
    except _DAMAGE as error:
        raise DataError(message) from error
    return _Pieces(read, lambda _: message).make_columns((field.name, _find_type(field.type)) for field in fields)


def _find_type(kind: Any) -> str:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return "bytes"
    return "objects" if pa.types.is_null(kind) else str(kind)[:40]


def _find_cells(pieces: Iterable[Any], n_columns: int) -> list[str]:
    """Return what each column of cells, all read as text, holds: the first kind that all its cells can be."""
    possible = [dict(_OTHER_CELLS) for _ in range(n_columns)]
    for batch in pieces:
        for array, kinds in zip(batch.columns, possible, strict=True):
            for kind in [kind for kind in kinds if not _can_be(array, kind)]:
                del kinds[kind]
    return [next(iter(kinds.values()), "text") for kinds in possible]


def _can_be(array: Any, kind: Any) -> bool:
    if pa.types.is_null(kind):
        return bool(array.null_count == len(array))
    try:
        array.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True
