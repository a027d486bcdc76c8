"""Finds the texts in the record of a pickle: decides what kind of thing it is, and has its columns read.

What a single library's records look like is left to the modules of their names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from agnews_core.errors import DataError, quote
from agnews_core.uploads.columns import Budget, Choice, Column, Texts, choose_texts, read_column
from agnews_core.uploads.pickles.arrays import NumpyArray, is_array, read_array
from agnews_core.uploads.pickles.arrays import read_column as read_array_column
from agnews_core.uploads.pickles.arrow import read_table
from agnews_core.uploads.pickles.datasets import STREAMED, read_dataset
from agnews_core.uploads.pickles.datasets import read_column as read_dataset_column
from agnews_core.uploads.pickles.frames import read_frame
from agnews_core.uploads.pickles.machine import WAY_OUT, Followed
from agnews_core.uploads.pickles.opcodes import damaged
from agnews_core.uploads.pickles.records import Made, Pairs, Rows
from agnews_core.uploads.pickles.series import is_series, read_series
from agnews_core.uploads.pickles.values import as_row, as_state, is_made

MAX_SPLITS_SHOWN: Final = 10

_DICTS: Final = ("collections.OrderedDict", "collections.defaultdict", "builtins.dict")
_TABLES: Final = ("pyarrow._reconstruct_table", "pyarrow._reconstruct_record_batch")
_STREAMS: Final = ("datasets.IterableDataset", "datasets.IterableDatasetDict", "datasets.IterableColumn")


def read_pickle(followed: Followed, choice: Choice, budget: Budget) -> Texts:
    """Return the texts that a pickle holds, in the order that its maker saw them.

    Read are lists, tuples, arrays, Series and Arrow arrays of str; lists of dicts, dicts of lists, DataFrames, Arrow
    tables, `datasets.Dataset` and `DatasetDict`; each in any pickle protocol.

    Raises:
        UnsafePickleError: the pickle asks for more than plain data.
        DataError: it is damaged, or holds no texts, or leaves open which ones are meant.
    """
    if followed.error:
        raise followed.error
    try:
        found = choose_from_record(followed.record, choice, budget)
        return replace(found, texts=list(found.texts))
    except (OverflowError, RecursionError) as error:  # numbers beyond 64 bits where positions belong
        raise damaged("a number in it is out of bounds") from error


def choose_from_record(record: object, choice: Choice, budget: Budget) -> Texts:
    """Return the texts of a record: what a pickle held, or plain lists and `Pairs` of the same shape."""
    record = _choose_split(record, choice)
    single = _read_single(record, budget)
    if single is None:
        return choose_texts(_read_columns(record, choice.column, budget), choice, budget)
    choice.refuse_list()
    if choice.column is not None and choice.column != single.name:
        raise DataError(
            f"This file holds one list of texts and no column {quote(choice.column)}; leave the column out."
        )
    return Texts(read_column(single, missing=choice.missing, budget=budget), single.name or None)


def _choose_split(record: object, choice: Choice) -> object:
    """Return the part that is asked for of a DatasetDict, or of a dict of tables; anything else as it is."""
    pairs = _pairs_of(record)
    is_split = is_made(record, "datasets.DatasetDict") or (
        bool(pairs) and all(is_made(value, "datasets.Dataset", "pandas.DataFrame") for _, value in pairs or ())
    )
    if not is_split or pairs is None:
        choice.refuse_split()
        return record
    split = choice.split
    splits = {_to_name(key): value for key, value in pairs}
    names = ", ".join(quote(name) for name in list(splits)[:MAX_SPLITS_SHOWN])
    if split is None and len(splits) != 1:
        raise DataError(
            f"This file has {len(splits)} splits; choose one of {names}." if splits else "This file has no rows."
        )
    if split is not None and split not in splits:
        raise DataError(f"This file has no split {split!r}; choose one of {names}.")
    return splits[split] if split is not None else next(iter(splits.values()))


def _read_single(record: object, budget: Budget) -> Column | None:
    """Describe a record that is one list of texts; None where it has columns."""
    if is_made(record, "datasets.Column"):
        return read_dataset_column(record, budget)
    if is_series(record):
        return None if _is_grid(record) else read_series(record)
    rows = _rows_of(record)
    if rows is None or any(_is_row_of_columns(row) for row in islice(rows, 1)):
        return None
    return Column("", "objects", lambda: map(as_row, rows))


def _read_columns(record: object, column: str | None, budget: Budget) -> list[Column]:
    if is_made(record, "datasets.Dataset"):
        return read_dataset(record, budget)
    if is_made(record, "pandas.DataFrame"):
        return _with_levels(*read_frame(record), column)
    if is_made(record, *_TABLES):
        return read_table(record)
    if is_array(record):
        array = read_array(record)
        return [_read_grid_column(array, position) for position in range(array.shape[1])]
    if is_made(record, *_STREAMS):
        raise DataError(STREAMED)
    pairs, rows = _pairs_of(record), _rows_of(record)
    if rows is not None:
        return _read_records(rows)
    if pairs is not None:
        return [_read_member(_to_name(key), value, budget) for key, value in pairs]
    raise DataError(f"This pickle holds {_describe(record)}, not a list or table of texts; {WAY_OUT}.")


def _with_levels(columns: list[Column], levels: list[Column], column: str | None) -> list[Column]:
    """Add the levels of a frame's index where the texts may be in one."""
    wanted = column or "text"
    if any(one.name == wanted for one in columns):
        return columns
    return [*columns, *(level for level in levels if level.name == wanted)]


def _is_grid(record: object) -> bool:
    if not is_array(record):
        return False
    shape = read_array(record).shape
    return len(shape) == 2 and shape[1] != 1


def _read_grid_column(array: NumpyArray, position: int) -> Column:
    return Column(str(position), array.holds, lambda: read_array_column(array, position))


def _read_member(name: str, value: object, budget: Budget) -> Column:
    """Describe one value of a dict of columns."""
    single = _read_single(value, budget)
    if single is None:
        return Column(name, _describe(value), lambda: iter(()))
    return Column(name, single.holds, single.rows)


def _read_records(rows: Sequence[object] | Rows) -> list[Column]:
    """Describe a list of dicts, or of lists of one length, as columns."""
    records: Iterable[Any] = (
        [_pairs_by_name(row) for row in rows] if isinstance(rows, Sequence) else rows.map(_pairs_by_name)
    )
    names = dict.fromkeys(name for record in records for name in record)

    def make(name: str) -> Column:
        return Column(name, "objects", lambda: (as_row(record.get(name)) for record in records))

    return [make(name) for name in names]


def _pairs_by_name(row: object) -> dict[str, object]:
    if isinstance(row, Pairs) and len(row.by_text()) == len(row.pairs):
        return row.by_text()  # made once where a file repeats a row
    pairs = _pairs_of(row)
    if pairs is not None:
        return {_to_name(key): value for key, value in pairs}
    if isinstance(row, list | tuple):
        return {str(position): value for position, value in enumerate(row)}
    raise DataError(
        f"Some rows of this file are dicts or lists, and others are {_describe(row)}; save rows of one kind."
    )


def _is_row_of_columns(row: object) -> bool:
    return isinstance(row, list | tuple) or _pairs_of(row) is not None


def _pairs_of(record: object) -> list[tuple[object, object]] | None:
    """Return the pairs of anything that is a dict."""
    if isinstance(record, Pairs):
        return record.pairs
    return record.pairs.pairs if is_made(record, *_DICTS, "datasets.DatasetDict") else None


def _rows_of(record: object) -> Sequence[object] | Rows | None:
    """Return the rows of anything that is a list, or a dict from row numbers to rows, in file order."""
    if isinstance(record, list | tuple | Rows):
        return record
    pairs = _pairs_of(record)
    if pairs and all(isinstance(key, int) for key, _ in pairs):
        return [value for _, value in pairs]
    return record.items if is_made(record, "collections.deque") else None


def _to_name(key: object) -> str:
    """Return the name of a column or split; NamedSplit is how datasets writes a split's name."""
    if is_made(key, "datasets.NamedSplit"):
        key = as_state(key).get("_name") if key.state is not None else next(iter(key.arguments), None)
    return str(key) if isinstance(key, str | int | float) else "(no name)"


def _describe(record: object) -> str:
    if isinstance(record, Made):
        return "a set, whose rows have no order" if record.kind == "builtins.set" else f"a {record.kind}"
    kinds = {str: "a single text", Pairs: "a dict", bool: "a yes or no", int: "a number", float: "a number"}
    return kinds.get(type(record), f"a {type(record).__name__}")
