"""Finds the blocks that hold the rows of a pickled pandas frame or series.

Since pandas 1.3 the blocks are arguments of a BlockManager; before, they were its state, in a layout of pandas 0.14.1.
"""

from collections.abc import Sequence

from agnews_core.uploads.pickles.opcodes import damaged
from agnews_core.uploads.pickles.records import Made, Pairs
from agnews_core.uploads.pickles.values import as_list, as_state, is_made


def read_blocks(record: Made) -> tuple[Sequence[object], list[tuple[object, object]]]:
    """Return the axes of a frame or series, columns first, and its blocks as (values, placement)."""
    state = as_state(record)
    manager = state.get("_mgr", state.get("_data"))
    if not is_made(manager, "pandas.BlockManager", "pandas.SingleBlockManager"):
        raise damaged("a table has no blocks")
    if manager.state is not None:
        return _read_old_manager(manager.state)
    if len(manager.arguments) != 2:
        raise damaged("a table lacks parts")
    blocks, axes = manager.arguments
    if is_made(blocks, "pandas._unpickle_block"):  # a series: one block, one axis
        return [axes], [_read_block(blocks)]
    return as_list(axes, "the axes of a table"), [
        _read_block(block) for block in as_list(blocks, "the blocks of a table")
    ]


def _read_block(record: object) -> tuple[object, object]:
    if not is_made(record, "pandas._unpickle_block") or len(record.arguments) != 3:
        raise damaged("a block lacks parts")
    return record.arguments[0], record.arguments[1]


def _read_old_manager(state: object) -> tuple[Sequence[object], list[tuple[object, object]]]:
    parts = as_list(state, "the blocks of a table")
    written = _member(parts[3] if len(parts) == 4 else None, "0.14.1")
    blocks = as_list(_member(written, "blocks"), "the blocks of a table")
    axes = as_list(_member(written, "axes"), "the axes of a table")
    return axes, [(_member(block, "values"), _member(block, "mgr_locs")) for block in blocks]


def _member(record: object, key: str) -> object:
    if not isinstance(record, Pairs) or key not in record.by_text():
        raise damaged("a block lacks parts")
    return record.by_text()[key]
