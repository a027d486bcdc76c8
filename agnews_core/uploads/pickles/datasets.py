"""Reads Hugging Face Datasets out of a pickle's records, datasets 1.18 to 5.2.

A Dataset holds its rows in a table and, once it was shuffled, selected or filtered, the row numbers in the order that
the user sees ("_indices"). A table that was loaded from files holds only their paths, so its rows are not in the
pickle.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from agnews_core.errors import DataError
from agnews_core.uploads.columns import ROW_COST_BYTES, Budget, Column
from agnews_core.uploads.pickles.arrow import read_table
from agnews_core.uploads.pickles.opcodes import damaged
from agnews_core.uploads.pickles.records import Made
from agnews_core.uploads.pickles.values import as_list, as_state, is_made

ON_DISK: Final = (
    "This pickled Dataset only points to files on the computer it was made on; save one that holds its rows, with "
    "these two lines of Python:\n"
    "dataset = datasets.Dataset.from_dict(dataset.to_dict())\n"
    "pandas.to_pickle(dataset, 'texts.pkl')"
)
STREAMED: Final = "This pickle holds a streamed dataset, which has no rows yet; save a Dataset, or the texts as a list."


def read_dataset(record: Made, budget: Budget) -> list[Column]:
    """Return the columns of a Dataset, with the rows in the order that its user saw.

    Raises:
        DataError: its rows are not in the file, or its row numbers point beyond them.
    """
    state = as_state(record)
    columns = _read_any_table(state.get("_data"), budget)
    if state.get("_indices") is None:
        return columns
    order = _read_any_table(state["_indices"], budget)
    if len(order) != 1:
        raise damaged("the order of a dataset has more than one column")
    return [_reorder(column, order[0], budget) for column in columns]


def read_column(record: Made, budget: Budget) -> Column:
    """Return what `dataset["text"]` gives since datasets 4: a Dataset and the name of one of its columns."""
    state = as_state(record)
    source, name = state.get("source"), state.get("column_name")
    if not is_made(source, "datasets.Dataset"):
        raise DataError("This pickle holds a part of a column of a Dataset; save the texts as a list instead.")
    for column in read_dataset(source, budget):
        if column.name == name:
            return column
    raise damaged("a column is not in its dataset")


def _reorder(column: Column, order: Column, budget: Budget) -> Column:
    def rows() -> Iterator[object]:
        known = list(budget.metered(column.rows()))
        for number in order.rows():
            if not isinstance(number, int) or not 0 <= number < len(known):
                raise damaged(f"a dataset of {len(known):,} rows uses another one")
            yield known[number]

    return Column(column.name, column.holds, rows)


def _read_any_table(record: object, budget: Budget) -> list[Column]:
    if is_made(record, "datasets.ConcatenationTable"):
        return _concatenate(as_list(as_state(record).get("blocks"), "the blocks of a dataset"), budget)
    return _read_one_table(record)


def _read_one_table(record: object) -> list[Column]:
    if is_made(record, "datasets.MemoryMappedTable"):
        raise DataError(ON_DISK)
    if not is_made(record, "datasets.InMemoryTable"):
        raise damaged("a dataset has no table")
    table = as_state(record).get("table")
    if not is_made(table, "pyarrow._reconstruct_table"):
        raise damaged("a dataset has no table")
    return read_table(table)


def _concatenate(blocks: Sequence[object], budget: Budget) -> list[Column]:
    """Put blocks below each other, each made of tables side by side."""
    below = [_beside(block, budget) for block in blocks]
    if not below:
        return []
    return [_chain([columns.get(name) for columns in below]) for name in below[0]]


def _beside(block: object, budget: Budget) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for table in as_list(block, "a block of a dataset"):
        for column in _read_one_table(table):
            budget.spend(ROW_COST_BYTES)
            columns[column.name] = column
    return columns


def _chain(parts: list[Column | None]) -> Column:
    known = [part for part in parts if part is not None]
    if len(known) != len(parts):
        raise damaged("parts of a dataset have other columns than its first")

    def rows() -> Iterator[object]:
        for part in known:
            yield from part.rows()

    return Column(known[0].name, known[0].holds, rows)
