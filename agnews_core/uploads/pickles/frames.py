"""Reads pandas frames out of a pickle's records, pandas 1.0 to 3.1.

A frame's rows lie in blocks: each holds some of the columns, and says which ones (its placement).
"""

from collections.abc import Callable, Sequence
from typing import Final

from agnews_core.uploads.columns import Column
from agnews_core.uploads.pickles.arrays import NumpyArray, is_array, read_array, read_elements, read_integers, read_row
from agnews_core.uploads.pickles.blocks import read_blocks
from agnews_core.uploads.pickles.opcodes import damaged
from agnews_core.uploads.pickles.records import Made
from agnews_core.uploads.pickles.series import index_parts, read_categories, read_series
from agnews_core.uploads.pickles.values import as_list, is_made

MAX_COLUMNS: Final = 100_000


def read_frame(record: Made) -> tuple[list[Column], list[Column]]:
    """Return a DataFrame's columns in order, and the levels of its index.

    Raises:
        DataError: its blocks overlap, leave gaps or do not fit its columns.
    """
    axes, blocks = read_blocks(record)
    if len(axes) != 2:
        raise damaged(f"a table has {len(axes)} axes")
    names, n_rows = _read_labels(axes[0]), _count_rows(axes[1])
    placed: dict[int, Column] = {}
    for values, placement in blocks:
        positions = _read_placement(placement, len(names))
        for position, make in zip(positions, _split_block(values, len(positions), n_rows), strict=True):
            if position in placed:
                raise damaged(f"two blocks of a table hold column {position}")
            placed[position] = make(names[position])
    if len(placed) != len(names):
        raise damaged(f"a table has {len(names)} columns and values for {len(placed)}")
    return [placed[position] for position in range(len(names))], _read_index_levels(axes[1])


def _read_placement(record: object, n_columns: int) -> Sequence[int]:
    if is_made(record, "pandas.BlockPlacement") and len(record.arguments) == 1:
        record = record.arguments[0]
    if is_array(record):
        positions: Sequence[int] = read_integers(read_array(record))
    elif is_made(record, "builtins.slice") and len(record.arguments) == 3:
        start, stop, step = (part if isinstance(part, int) else None for part in record.arguments)
        if step == 0:
            raise damaged("a block is placed nowhere")
        positions = range(*slice(start, stop, step).indices(n_columns))
    else:
        raise damaged("a block is placed nowhere")
    if any(not 0 <= position < n_columns for position in positions):
        raise damaged("a block is placed outside its table")
    return positions


def _split_block(values: object, n_columns: int, n_rows: int | None) -> list[Callable[[str], Column]]:
    """Return, for each column of a block, what describes it once its name is known."""
    if not is_array(values):
        if n_columns != 1:
            raise damaged(f"a block of one column is placed at {n_columns}")
        return [lambda name: read_series(values, name)]
    array = read_array(values)
    if len(array.shape) == 1 and n_columns == 1:
        return [lambda name: Column(name, array.holds, lambda: read_elements(array))]
    if len(array.shape) != 2 or array.shape[0] != n_columns or n_rows not in (None, array.shape[1]):
        raise damaged(f"a block of shape {array.shape} is placed at {n_columns} columns of {n_rows} rows")
    return [_row_maker(array, row) for row in range(n_columns)]


def _row_maker(array: NumpyArray, row: int) -> Callable[[str], Column]:
    return lambda name: Column(name, array.holds, lambda: read_row(array, row))


def _read_labels(record: object) -> list[str]:
    kind, parts = index_parts(record)
    if kind == "pandas.RangeIndex":
        labels: Sequence[object] = _read_range(parts)
    elif kind == "pandas.MultiIndex":
        levels = [list(column.rows()) for column in _read_levels(parts)]
        labels = [".".join(_to_label(part) for part in label) for label in zip(*levels, strict=True)]
    elif is_array(parts.get("data")) and read_array(parts["data"]).holds.startswith("numbers (i"):
        labels = read_integers(read_array(parts["data"]))
    else:
        labels = list(read_series(record).rows())
    if len(labels) > MAX_COLUMNS:
        raise damaged(f"a table has {len(labels):,} columns")
    return [_to_label(label) for label in labels]


def _to_label(label: object) -> str:
    return str(label) if isinstance(label, str | int | float) else "(no name)"


def _read_range(parts: dict[str, object]) -> range:
    start, stop, step = (parts.get(key) for key in ("start", "stop", "step"))
    if not isinstance(start, int) or not isinstance(stop, int) or not isinstance(step, int) or not step:
        raise damaged("an index counts by something else than numbers")
    return range(start, stop, step)


def _count_rows(record: object) -> int | None:
    """Return how many rows a frame's index counts; None where it lists them, as nothing follows from that list."""
    kind, parts = index_parts(record)
    return len(_read_range(parts)) if kind == "pandas.RangeIndex" else None


def _read_index_levels(record: object) -> list[Column]:
    kind, parts = index_parts(record)
    if kind == "pandas.RangeIndex":
        return []
    return _read_levels(parts) if kind == "pandas.MultiIndex" else [read_series(record)]


def _read_levels(parts: dict[str, object]) -> list[Column]:
    levels = as_list(parts.get("levels"), "the levels of an index")
    codes = as_list(parts.get("codes", parts.get("labels")), "the codes of an index")
    names = as_list(parts.get("names"), "the names of an index")
    if not len(levels) == len(codes) == len(names):
        raise damaged("an index lacks parts")
    return [
        read_categories(name if isinstance(name, str) else "", level, code)
        for level, code, name in zip(levels, codes, names, strict=True)
    ]
