"""The exact names of classes and functions that honest pickles of texts hold; nothing else is let through.

Each line is a module and the names in it, taken from pickles that datasets 1.18 to 5.2, pandas 1.0 to 3.1, numpy 1.18
to 2.4 and pyarrow 3 to 26 wrote. None is ever imported: a name only says how a record is to be read. The same thing has
moved between modules over the years, so it is known by its library and its last name, "pandas.DataFrame".
"""

from typing import Final

_MODULES: Final = {
    "_codecs": "encode",
    "builtins": "bytearray bytes complex dict float frozenset getattr int list object range set slice str tuple",
    "collections": "OrderedDict defaultdict deque",
    "copyreg": "_reconstructor __newobj__ __newobj_ex__",
    "datasets.arrow_dataset": "Column Dataset",
    "datasets.dataset_dict": "DatasetDict IterableDatasetDict",
    "datasets.features.audio": "Audio",
    "datasets.features.image": "Image",
    "datasets.features.video": "Video",
    "datasets.features.pdf": "Pdf",
    "datasets.features.translation": "Translation TranslationVariableLanguages",
    "datasets.features.features": (
        "Array2D Array3D Array4D Array5D ClassLabel Features Json LargeList List Sequence Translation "
        "TranslationVariableLanguages Value"
    ),
    "datasets.features": "ClassLabel Features Sequence Value",
    "datasets.info": "DatasetInfo PostProcessedInfo SupervisedKeysData",
    "datasets.iterable_dataset": "IterableColumn IterableDataset",
    "datasets.splits": "NamedSplit Split SplitDict SplitInfo",
    "datasets.table": "ConcatenationTable InMemoryTable MemoryMappedTable",
    "datasets.tasks.text_classification": "TextClassification",
    "datasets.utils.version": "Version",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "numpy": (
        "bool bool_ bytes_ datetime64 dtype float16 float32 float64 int16 int32 int64 int8 ndarray object_ str_ "
        "timedelta64 uint16 uint32 uint64 uint8"
    ),
    "numpy._core._internal": "_convert_to_stringdtype_kwargs",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy._core.numeric": "_frombuffer",
    "numpy.core._internal": "_convert_to_stringdtype_kwargs",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
    "pandas": (
        "ArrowDtype BooleanDtype Categorical CategoricalDtype CategoricalIndex DataFrame DatetimeIndex DatetimeTZDtype "
        "Float32Dtype Float64Dtype Index Int16Dtype Int32Dtype Int64Dtype Int8Dtype Interval IntervalDtype "
        "IntervalIndex MultiIndex NA NaT Period PeriodDtype PeriodIndex RangeIndex Series SparseDtype StringDtype "
        "Timedelta TimedeltaIndex Timestamp UInt16Dtype UInt32Dtype UInt64Dtype UInt8Dtype"
    ),
    "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
    "pandas._libs.internals": "BlockPlacement _unpickle_block",
    "pandas._libs.interval": "Interval __pyx_unpickle_IntervalMixin",
    "pandas._libs.missing": "NA",
    "pandas._libs.sparse": "BlockIndex IntIndex",
    "pandas._libs.tslibs.nattype": "__nat_unpickle _nat_unpickle",
    "pandas._libs.tslibs.offsets": (
        "BDay BusinessDay BusinessMonthBegin BusinessMonthEnd Day Hour Micro Milli Minute MonthBegin MonthEnd Nano "
        "QuarterBegin QuarterEnd Second Week YearBegin YearEnd"
    ),
    "pandas._libs.tslibs.period": "Period __pyx_unpickle_PeriodMixin",
    "pandas._libs.tslibs.timedeltas": "Timedelta _timedelta_unpickle",
    "pandas._libs.tslibs.timestamps": "_unpickle_timestamp Timestamp",
    "pandas.arrays": (
        "ArrowExtensionArray ArrowStringArray BooleanArray DatetimeArray FloatingArray IntegerArray IntervalArray "
        "NumpyExtensionArray PeriodArray SparseArray StringArray TimedeltaArray"
    ),
    "pandas.core.arrays.arrow.array": "ArrowExtensionArray",
    "pandas.core.arrays.arrow.dtype": "ArrowDtype",
    "pandas.core.arrays.boolean": "BooleanArray BooleanDtype",
    "pandas.core.arrays.categorical": "Categorical",
    "pandas.core.arrays.datetimes": "DatetimeArray",
    "pandas.core.arrays.floating": "Float32Dtype Float64Dtype FloatingArray",
    "pandas.core.arrays.integer": (
        "Int16Dtype Int32Dtype Int64Dtype Int8Dtype IntegerArray UInt16Dtype UInt32Dtype UInt64Dtype UInt8Dtype"
    ),
    "pandas.core.arrays.interval": "IntervalArray",
    "pandas.core.arrays.numpy_": "NumpyExtensionArray PandasArray",
    "pandas.core.arrays.period": "PeriodArray",
    "pandas.core.arrays.sparse.array": "SparseArray",
    "pandas.core.arrays.sparse.dtype": "SparseDtype",
    "pandas.core.arrays.string_": "StringArray StringDtype",
    "pandas.core.arrays.string_arrow": "ArrowStringArray ArrowStringArrayNumpySemantics ArrowStringDtype",
    "pandas.core.arrays.timedeltas": "TimedeltaArray",
    "pandas.core.dtypes.dtypes": (
        "ArrowDtype CategoricalDtype DatetimeTZDtype IntervalDtype NumpyEADtype PandasDtype PeriodDtype SparseDtype"
    ),
    "pandas.core.frame": "DataFrame",
    "pandas.core.indexes.base": "Index _new_Index",
    "pandas.core.indexes.category": "CategoricalIndex",
    "pandas.core.indexes.datetimes": "DatetimeIndex _new_DatetimeIndex",
    "pandas.core.indexes.frozen": "FrozenList",
    "pandas.core.indexes.interval": "IntervalIndex _new_IntervalIndex",
    "pandas.core.indexes.multi": "MultiIndex",
    "pandas.core.indexes.numeric": "Float64Index Int64Index UInt64Index",
    "pandas.core.indexes.period": "PeriodIndex _new_PeriodIndex",
    "pandas.core.indexes.range": "RangeIndex",
    "pandas.core.indexes.timedeltas": "TimedeltaIndex _new_TimedeltaIndex",
    "pandas.core.internals.managers": "BlockManager SingleBlockManager",
    "pandas.core.series": "Series",
    "pandas.tseries.offsets": (
        "BDay BusinessDay BusinessMonthBegin BusinessMonthEnd Day Hour Micro Milli Minute MonthBegin MonthEnd Nano "
        "QuarterBegin QuarterEnd Second Week YearBegin YearEnd"
    ),
    "pathlib": "PosixPath PurePosixPath PureWindowsPath WindowsPath",
    "pyarrow.lib": (
        "BooleanArray ChunkedArray _reconstruct_record_batch _reconstruct_table _restore_array binary binary_view "
        "bool8 chunked_array decimal128 decimal256 decimal32 decimal64 dense_union dictionary duration field "
        "fixed_size_binary large_binary large_list large_list_view large_string list_ list_view map_ "
        "month_day_nano_interval opaque py_buffer run_end_encoded schema sparse_union string string_view struct "
        "time32 time64 timestamp type_for_alias uuid"
    ),
    "pytz": "_UTC _p timezone",
    "uuid": "SafeUUID UUID",
    "zoneinfo": "ZoneInfo",
}

# What protocols 0 to 2 call some of these, after Python 2.
_PYTHON_2: Final = {
    ("__builtin__", "unicode"): ("builtins", "str"),
    ("__builtin__", "long"): ("builtins", "int"),
    ("__builtin__", "xrange"): ("builtins", "range"),
}
_PYTHON_2_MODULES: Final = {"__builtin__": "builtins", "copy_reg": "copyreg"}

_KINDS: Final = {
    (module, name): f"{module.partition('.')[0]}.{name}" for module, names in _MODULES.items() for name in names.split()
}


def canonical_name(module: str, name: str) -> str | None:
    """Return what a named class is known as here, or None where it is not in the table.

    >>> canonical_name("pandas.core.frame", "DataFrame")
    'pandas.DataFrame'
    >>> canonical_name("os", "system") is None
    True
    """
    module, name = _PYTHON_2.get((module, name), (module, name))
    return _KINDS.get((_PYTHON_2_MODULES.get(module, module), name))
