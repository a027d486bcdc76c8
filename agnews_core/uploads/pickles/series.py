"""Reads one column out of a pickle's records: a Series, an Index, or an array of numpy, pandas or pyarrow.

pandas has pickled its arrays in three ways: their attributes alone, `__pyx_unpickle_NDArrayBacked` with a tuple of
state, and, for Arrow, the Arrow array itself among the attributes.
"""

from collections.abc import Iterator
from typing import Final, TypeGuard

from agnews_core.uploads.columns import Column
from agnews_core.uploads.pickles.arrays import is_array, read_array, read_column, read_elements, read_integers
from agnews_core.uploads.pickles.arrow import is_arrow, make_column
from agnews_core.uploads.pickles.blocks import read_blocks
from agnews_core.uploads.pickles.opcodes import damaged
from agnews_core.uploads.pickles.records import Made, Name, Pairs
from agnews_core.uploads.pickles.values import as_state, is_made, is_name

_INDEX_MAKERS: Final = (
    "pandas._new_Index",
    "pandas._new_DatetimeIndex",
    "pandas._new_PeriodIndex",
    "pandas._new_TimedeltaIndex",
    "pandas._new_IntervalIndex",
)
_ARROW_ARRAYS: Final = (
    "pandas.ArrowStringArray",
    "pandas.ArrowStringArrayNumpySemantics",
    "pandas.ArrowExtensionArray",
)
_NUMPY_ARRAYS: Final = ("pandas.StringArray", "pandas.PandasArray", "pandas.NumpyExtensionArray")
_BACKED: Final = "pandas.__pyx_unpickle_NDArrayBacked"


def is_series(record: object) -> TypeGuard[Made]:
    """Return whether a record is one column of values."""
    if is_made(record, _BACKED):
        return _backed_class(record) is not None
    return (
        is_array(record)
        or is_arrow(record)
        or is_index(record)
        or is_made(record, "pandas.Series", "pandas.Categorical", *_ARROW_ARRAYS, *_NUMPY_ARRAYS)
    )


def read_series(record: object, name: str | None = None) -> Column:
    """Describe a record as a column, under its own name ("" where it has none) or the one given.

    What is no column of texts, such as dates, becomes one that says so when it is read.
    """
    own_name, values = "", record
    if is_made(record, "pandas.Series"):
        own_name, values = _open_series(record)
    elif is_index(record):
        own_name, values = _open_index(record)
    return _read_values(own_name if name is None else name, values)


def is_index(record: object) -> TypeGuard[Made]:
    """Return whether a record is a pandas Index."""
    return is_made(record, *_INDEX_MAKERS)


def index_parts(record: object) -> tuple[str, dict[str, object]]:
    """Return which class of Index a record is, and what it is made of."""
    if not is_index(record) or len(record.arguments) != 2 or not isinstance(record.arguments[1], Pairs):
        raise damaged("an index lacks parts")
    kind = record.arguments[0]
    return kind.kind if isinstance(kind, Name) else "", record.arguments[1].by_text()


def read_categories(name: str, categories: object, codes: object) -> Column:
    """Describe a column whose rows are numbers of categories, -1 where a row is missing."""
    column = read_series(categories, name)

    def rows() -> Iterator[object]:
        known = list(column.rows())
        for code in read_integers(read_array(codes)):
            if not -1 <= code < len(known):
                raise damaged(f"a row is of category {code:,} of {len(known):,}")
            yield known[code] if code >= 0 else None

    return Column(name, column.holds, rows)


def _open_series(record: Made) -> tuple[str, object]:
    axes, blocks = read_blocks(record)
    if len(axes) != 1 or len(blocks) != 1:
        raise damaged("a series has more than one column")
    state = as_state(record)
    name = state.get("_name", state.get("name"))
    return name if isinstance(name, str) else "", blocks[0][0]


def _open_index(record: Made) -> tuple[str, object]:
    _, parts = index_parts(record)
    name = parts.get("name")
    return name if isinstance(name, str) else "", parts.get("data")


def _read_values(name: str, record: object) -> Column:
    if is_index(record):  # a categorical index keeps its values as an index or array, one level deep
        record = _open_index(record)[1]
    if is_arrow(record):
        return make_column(name, record)
    if is_array(record):
        return _read_numpy(name, record)
    if is_made(record, *_ARROW_ARRAYS):
        state = as_state(record)
        return make_column(name, state.get("_pa_array", state.get("_data")))
    if is_made(record, *_NUMPY_ARRAYS):
        return _read_numpy(name, as_state(record).get("_ndarray"))
    if is_made(record, "pandas.Categorical"):
        state = as_state(record)
        return _read_categorical(name, state.get("_dtype"), state.get("_codes", state.get("_ndarray")))
    if is_made(record, _BACKED) and _backed_class(record):
        return _read_backed(name, record)
    return _other(name, record.kind.rpartition(".")[2] if isinstance(record, Made) else "something else")


def _read_numpy(name: str, record: object) -> Column:
    array = read_array(record)
    if len(array.shape) == 2 and array.shape[1] == 1:
        return Column(name, array.holds, lambda: read_column(array, 0))
    if len(array.shape) != 1:
        return _other(name, f"an array of {len(array.shape)} dimensions")
    return Column(name, array.holds, lambda: read_elements(array))


def _backed_class(record: Made) -> str | None:
    first = record.arguments[0] if record.arguments else None
    return first.kind if is_name(first, "pandas.Categorical", *_NUMPY_ARRAYS) else None


def _read_backed(name: str, record: Made) -> Column:
    state = record.state
    if not isinstance(state, tuple) or len(state) < 2:
        raise damaged("a column lacks parts")
    # (dtype, values, attributes), and (values, dtype, attributes) in pandas 1.3
    dtype, values = (state[1], state[0]) if is_array(state[0]) else (state[0], state[1])
    if _backed_class(record) == "pandas.Categorical":
        return _read_categorical(name, dtype, values)
    return _read_numpy(name, values)


def _read_categorical(name: str, dtype: object, codes: object) -> Column:
    if not is_made(dtype, "pandas.CategoricalDtype"):
        raise damaged("a column of categories lacks parts")
    categories = as_state(dtype).get("categories")
    if not is_index(categories):
        raise damaged("a column of categories has none")
    data = _open_index(categories)[1]
    if is_made(data, "pandas.Categorical", _BACKED) and not is_made(data, *_NUMPY_ARRAYS):
        kind = _backed_class(data) if data.kind == _BACKED else data.kind
        if kind == "pandas.Categorical":  # would let a file nest as deep as it likes
            raise damaged("categories lie in categories")
    return read_categories(name, categories, codes)


def _other(name: str, holds: str) -> Column:
    def refuse() -> Iterator[object]:
        raise damaged(f"a column of texts holds {holds}")

    return Column(name, holds, refuse)
