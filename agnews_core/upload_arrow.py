"""Reads Parquet and Arrow files, every array of them validated in full. Runs in the child process of `uploads` only."""

import sys
from collections.abc import Iterator

from agnews_core.errors import DataError
from agnews_core.text_columns import Column

ROWS_AT_ONCE = 10_000


def import_site_packages() -> None:
    """Make installed packages importable in a process that was started without them (`-S`)."""
    if "site" not in sys.modules:
        import site

        site.main()


def read_arrow_columns(data: bytes, kind: str) -> list[Column]:
    """Return the columns of a Parquet file (`kind` "parquet") or of an Arrow file or stream ("arrow").

    Raises:
        DataError: the file is damaged.
    """
    import_site_packages()
    import pyarrow as pa

    try:
        table = _read_parquet(data) if kind == "parquet" else _read_ipc(data)
        table.validate(full=True)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"This {kind.capitalize()} file is damaged or of a kind that is not known here; save it again."
        ) from error
    return make_columns(table)


def make_columns(table: "pa.Table") -> list[Column]:  # type: ignore[name-defined]  # noqa: F821
    """Describe a pyarrow Table's columns."""
    return [_make_column(name, table.column(position)) for position, name in enumerate(table.column_names)]


def _make_column(name: str, array: "pa.ChunkedArray") -> Column:  # type: ignore[name-defined]  # noqa: F821
    import pyarrow as pa

    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    holds = str(kind)[:40]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        holds = "text"
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        holds = "bytes"

    def rows() -> Iterator[object]:
        for start in range(0, len(array), ROWS_AT_ONCE):  # a few at a time: Python's texts take more room
            yield from array.slice(start, ROWS_AT_ONCE).to_pylist()

    return Column(name, holds, rows)


def _read_parquet(data: bytes) -> "pa.Table":  # type: ignore[name-defined]  # noqa: F821
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(use_threads=False)


def _read_ipc(data: bytes) -> "pa.Table":  # type: ignore[name-defined]  # noqa: F821
    import pyarrow as pa

    options = pa.ipc.IpcReadOptions(use_threads=False)
    opener = pa.ipc.open_file if data.startswith(b"ARROW1") else pa.ipc.open_stream
    with opener(pa.BufferReader(data), options=options) as reader:
        return reader.read_all()
