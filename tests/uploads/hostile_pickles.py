"""Hostile pickles, written opcode by opcode and never unpickled: each is tried by reading texts from it.

Those that run something would make a file, the marker, if they succeeded.
"""

import bz2
import functools
import gzip
import io
import lzma
import pickle
import struct
import zipfile

STOP = b"."


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value):
    return pickle.dumps(value, protocol=2)[2:-1]


def glob(module, name):
    return text(module) + text(name) + b"\x93"


def named(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def call(callee, *arguments):
    return callee + b"(" + b"".join(arguments) + b"t" + b"R"


def whole(body):
    return b"\x80\x04" + body + STOP


def py_buffer(raw):
    return call(glob("pyarrow.lib", "py_buffer"), b"B" + struct.pack("<I", len(raw)) + raw)


def alias(name):
    return call(glob("pyarrow.lib", "type_for_alias"), text(name))


def arrow_array(kind, length, offset, *buffers, dictionary=b"N"):
    parts = b"(" + kind + number(length) + number(0) + number(offset)
    parts += b"](" + b"".join(buffers) + b"e" + b"]" + dictionary + b"t"
    return call(glob("pyarrow.lib", "_restore_array"), parts)


def arrow_strings(offsets, raw, length=None, offset=0):
    packed = struct.pack(f"<{len(offsets)}i", *offsets)
    return arrow_array(
        alias("string"), len(offsets) - 1 if length is None else length, offset, b"N", py_buffer(packed), py_buffer(raw)
    )


def dtype(letters):
    return (
        call(glob("numpy", "dtype"), text(letters), b"\x89", b"\x88")
        + b"(K\x03"
        + text("<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )


def numpy_array(letters, shape, data):
    made = call(glob("numpy.core.multiarray", "_reconstruct"), glob("numpy", "ndarray"), b"(K\x00t", b"C\x01b")
    return (
        made
        + b"(K\x01"
        + b"("
        + b"".join(number(size) for size in shape)
        + b"t"
        + dtype(letters)
        + b"\x89"
        + data
        + b"tb"
    )


def raw_bytes(value):
    return b"B" + struct.pack("<I", len(value)) + value


def index(*names):
    data = numpy_array("O8", [len(names)], b"](" + b"".join(text(name) for name in names) + b"e")
    pairs = b"}(" + text("data") + data + text("name") + b"Nu"
    return call(glob("pandas.core.indexes.base", "_new_Index"), glob("pandas.core.indexes.base", "Index"), pairs)


def rows_index(count):
    pairs = (
        b"}(" + text("name") + b"N" + text("start") + b"K\x00" + text("stop") + number(count) + text("step") + b"K\x01u"
    )
    return call(glob("pandas.core.indexes.base", "_new_Index"), glob("pandas.core.indexes.range", "RangeIndex"), pairs)


def block(values, start, stop):
    place = call(glob("builtins", "slice"), number(start), number(stop), b"K\x01")
    return call(glob("pandas._libs.internals", "_unpickle_block"), values, place, b"K\x02")


def frame(names, blocks, count=2):
    manager = call(
        glob("pandas.core.internals.managers", "BlockManager"),
        b"(" + b"".join(blocks) + b"t",
        b"](" + index(*names) + rows_index(count) + b"e",
    )
    return glob("pandas.core.frame", "DataFrame") + b")\x81}" + text("_mgr") + manager + b"sb"


def objects(*values):
    return numpy_array("O8", [1, len(values)], b"](" + b"".join(values) + b"e")


def dataset(table, indices=b"N"):
    return (
        glob("datasets.arrow_dataset", "Dataset")
        + b")\x81}("
        + text("_data")
        + table
        + text("_indices")
        + indices
        + b"ub"
    )


def in_memory(columns):
    fields = (
        b"]("
        + b"".join(call(glob("pyarrow.lib", "field"), text(name), alias("string"), b"\x88N") for name in columns)
        + b"e"
    )
    schema = call(glob("pyarrow.lib", "schema"), fields, b"N")
    table = call(glob("pyarrow.lib", "_reconstruct_table"), b"](" + b"".join(columns.values()) + b"e", schema)
    return glob("datasets.table", "InMemoryTable") + b")\x81}" + text("table") + table + b"sb"


def chunked(*chunks):
    return call(glob("pyarrow.lib", "chunked_array"), b"](" + b"".join(chunks) + b"e", alias("string"))


def doubled(levels):
    """A tuple of two of a tuple of two of ...: 2**levels leaves in a few bytes."""
    body = text("a") + b"q\x00"
    for _ in range(levels):
        body += b"h\x00h\x00\x86q\x00"
    return body


class TextThatReduces(str):
    def __reduce_ex__(self, protocol):
        return (eval, (f"open({str(self)!r}, 'w')",))


class PairThatReduces(tuple):
    def __reduce_ex__(self, protocol):
        return (eval, (f"open({self[0]!r}, 'w')",))


def memory_mapped(marker):
    """Names of methods and what to call them with, as `MemoryMappedTable.__setstate__` replays them from the file."""
    run = call(glob("subprocess", "check_call"), b"](" + text("touch") + text(marker) + b"e")
    replays = b"](" + text("filter") + b"(" + run + b"t}" + b"te"
    state = b"}(" + text("path") + text("/dev/null") + text("replays") + replays + b"u"
    return whole(dataset(glob("datasets.table", "MemoryMappedTable") + b")\x81" + state + b"b"))


def calls(marker):
    """Ways to have a program run, or the process changed, while unpickling."""
    shell = text(f"touch {marker}")
    touch = f"open({marker!r}, 'w')"
    system = glob("os", "system")
    yield "reduce", whole(call(system, shell))
    yield "reduce_protocol_0", named("os", "system") + b"(V" + f"touch {marker}".encode() + b"\ntR."
    yield "inst", b"(V" + f"touch {marker}".encode() + b"\nios\nsystem\n."
    yield "obj", b"(" + named("os", "system") + b"V" + f"touch {marker}".encode() + b"\no."
    yield "newobj", whole(glob("subprocess", "Popen") + b"(](" + text("touch") + text(marker) + b"et\x81")
    yield "newobj_ex", whole(glob("subprocess", "Popen") + b"(](" + text("touch") + text(marker) + b"et}\x92")
    yield "newobj_ex_on_known", whole(glob("pandas.core.frame", "DataFrame") + b")}" + text("data") + shell + b"s\x92")
    yield (
        "build_on_class",
        whole(glob("datasets.info", "DatasetInfo") + b"}" + text("__post_init__") + text("x") + b"sb"),
    )
    yield (
        "build_setstate",
        whole(
            glob("pandas.core.frame", "DataFrame") + b")\x81}" + text("__setstate__") + system + b"sb" + shell + b"b"
        ),
    )
    yield "eval", whole(call(glob("builtins", "eval"), text(touch)))
    yield "exec", whole(call(glob("builtins", "exec"), text(touch)))
    yield "python_2", named("__builtin__", "eval") + b"(V" + touch.encode() + b"\ntR."
    yield "getattr", whole(call(call(glob("builtins", "getattr"), glob("os", "path"), text("os")), shell))
    yield "getattr_of_zone", whole(call(glob("builtins", "getattr"), glob("zoneinfo", "ZoneInfo"), text("__init__")))
    yield (
        "getattr_as_base",
        whole(glob("builtins", "getattr") + b"(" + glob("zoneinfo", "ZoneInfo") + text("mro") + b"t\x81"),
    )
    yield "partial", whole(call(call(glob("functools", "partial"), system, shell)))
    yield "attrgetter", whole(call(call(glob("operator", "attrgetter"), text("system")), glob("os", "path")))
    yield "methodcaller", whole(call(glob("operator", "methodcaller"), text("system"), shell))
    yield "map", whole(call(glob("builtins", "list"), call(glob("builtins", "map"), system, b"](" + shell + b"e")))
    yield "dotted", whole(call(glob("pandas.io.common", "os.system"), shell))
    yield "dotted_in_known_class", whole(call(glob("pandas", "io.common.os.system"), shell))
    yield "dotted_method", whole(call(glob("datasets.table", "MemoryMappedTable.__setstate__"), shell))
    yield "dotted_known", whole(call(glob("pandas.core.frame", "DataFrame.to_pickle"), text(marker)))
    yield "pip", whole(call(glob("pip", "main"), b"](" + text("install") + text("x") + b"e"))
    yield "nested", whole(call(glob("pickle", "loads"), raw_bytes(whole(call(system, shell)))))
    yield "read_pickle", whole(call(glob("pandas", "read_pickle"), text("/tmp/x")))
    yield "read_csv", whole(call(glob("pandas.io.parsers.readers", "read_csv"), text("/etc/passwd")))
    yield "load_from_disk", whole(call(glob("datasets.load", "load_from_disk"), text("/etc")))
    yield "numpy_load", whole(call(glob("numpy", "load"), text("/tmp/x")))
    yield "numpy_runstring", whole(call(glob("numpy.testing._private.utils", "runstring"), text(touch), b"}"))
    yield "memory_map", whole(call(glob("pyarrow.lib", "memory_map"), text("/etc/passwd")))
    yield "os_file", whole(call(glob("pyarrow.lib", "OSFile"), text("/etc/passwd")))
    yield "import_module", whole(call(glob("importlib", "import_module"), text("antigravity")))
    yield "add_extension", whole(call(glob("copyreg", "add_extension"), text("os"), text("system"), b"K\x01"))
    yield "reconstructor", whole(call(glob("copyreg", "_reconstructor"), system, glob("builtins", "object"), b"N"))
    yield "newobj_function", whole(call(glob("copyreg", "__newobj__"), system, shell))
    yield (
        "reconstruct_other_class",
        whole(call(glob("numpy.core.multiarray", "_reconstruct"), system, b"(K\x00t", b"C\x01b")),
    )
    yield "codec", whole(call(glob("_codecs", "encode"), shell, text("unicode_escape")))
    yield (
        "class_label_file",
        whole(
            glob("datasets.features.features", "ClassLabel")
            + b")\x81}"
            + text("names_file")
            + text("/etc/passwd")
            + b"sb"
        ),
    )
    yield "names_after_damage", whole(call(system, shell) + b"\xff")
    yield "call_of_a_call", whole(call(call(glob("builtins", "object")), shell))
    yield "call_of_text", whole(call(text("os.system"), shell))
    yield "name_with_newline", whole(call(glob("os\nx", "system\r\n\x1b[31m"), shell))
    yield "name_of_unknown_length", whole(call(glob("o" * 100_000, "system"), shell))
    yield "extension", whole(b"\x82\x01")
    yield "extension_4", whole(b"\x84\x01\x00\x00\x00")
    yield "persistent", b"Px\n."
    yield "persistent_binary", whole(text("x") + b"Q")
    yield "text_subclass", pickle.dumps([TextThatReduces(marker)], protocol=4)
    yield "tuple_subclass", pickle.dumps([PairThatReduces((marker,))], protocol=2)
    yield "replayed_calls", memory_mapped(marker)
    in_frame = frame(["text"], [block(objects(call(system, shell), text("b")), 0, 1)])
    yield "call_in_a_frame", whole(in_frame)


def damage():
    """Lies about lengths, positions, sizes and structure."""
    yield "empty", b""
    yield "stop_alone", b"."
    yield "nothing", whole(b"")
    yield "cut_short", pickle.dumps(["a" * 100] * 3)[:-9]
    yield "second_pickle", pickle.dumps(["a"]) + pickle.dumps(["b"])
    yield "rubbish_after_the_end", pickle.dumps(["a"]) + b"x"
    yield "protocol_200", b"\x80\xc8]."
    yield "unknown_opcode", whole(b"\xff")
    yield "long_text", whole(b"X\xff\xff\xff\x7fabc")
    yield "very_long_text", whole(b"\x8d" + b"\xff" * 8 + b"abc")
    yield "very_long_bytes", whole(b"\x8e" + b"\xff" * 7 + b"\x00abc")
    yield "very_long_bytearray", whole(b"\x96" + b"\xff" * 6 + b"\x00\x00abc")
    yield "negative_string", whole(b"T\xff\xff\xff\xffabc")
    yield "long_frame", b"\x80\x04\x95" + b"\xff" * 8 + b"]."
    yield "out_of_band_buffer", b"\x80\x05\x97."
    yield "memo_of_1_5_GB", b"]r\x00\xe1\xf5\x05."
    yield "memo_not_there", whole(b"h\x05")
    yield "mark_not_there", whole(b"t")
    yield "marks", whole(b"(" * 5_000)
    yield "bytearray_of_6_GB", whole(call(glob("builtins", "bytearray"), number(6_000_000_000)))
    yield (
        "bytearray_of_6_GB_as_buffer",
        whole(
            arrow_array(
                alias("string"),
                1,
                0,
                b"N",
                call(glob("pyarrow.lib", "py_buffer"), call(glob("builtins", "bytearray"), number(6_000_000_000))),
            )
        ),
    )
    yield "bytes_of_10_GB", whole(call(glob("builtins", "bytes"), number(10**10)))
    yield "deep_list", b"]" * 100_000 + b"a" * 99_999 + b"."
    yield "deep_tuple", whole(b")" + b"\x85" * 100_000)
    yield "deep_dict", whole(b"}" + (b"K\x01}" * 50_000) + b"s" * 50_000)
    yield "deep_calls", whole(b"N" + b"".join(b"\x85" for _ in range(50_000)))
    yield "doubling_tuple", whole(doubled(60))
    yield "doubling_key", whole(b"}" + doubled(60) + text("x") + b"s")
    yield "doubling_set", whole(b"\x8f(" + doubled(60) + b"\x90")
    yield "doubling_rows", whole(b"](" + doubled(60) + b"e")
    yield "list_in_itself", whole(b"]q\x00h\x00a")
    yield "dict_in_itself", whole(b"}q\x00" + text("text") + b"h\x00s")
    yield (
        "dataset_in_itself",
        whole(glob("datasets.arrow_dataset", "Dataset") + b")\x81q\x00}" + text("_data") + b"h\x00sb"),
    )
    yield "long_number", b"L" + b"9" * 400_000 + b"L\n."
    yield "long_binary_number", whole(b"\x8b" + struct.pack("<i", 400_000) + b"\x7f" * 400_000)
    yield "negative_number_length", whole(b"\x8b\xff\xff\xff\xff")
    yield "hexadecimal", b"I0x10\n."
    yield "float_of_words", b"Fnot\n."
    yield "list_of_one_list_often", whole(b"](]q\x00" + b"h\x00" * 100_000 + b"e")
    yield "long_text_often", whole(b"](" + text("x" * 500_000) + b"q\x00" + b"h\x00" * 500_000 + b"e")
    yield "long_row_often", whole(b"](}" + text("text") + text("x" * 500_000) + b"sq\x00" + b"h\x00" * 500_000 + b"e")
    yield "many_lists", whole(b"]" * 5_000_000)
    yield "nones_and_pops", whole(b"N" + b"N0" * 1_000_000)
    yield "a_set", pickle.dumps({"a", "b"})
    yield "a_text", pickle.dumps("a")
    yield "a_number", pickle.dumps(5)
    yield "two_builds", whole(glob("pandas.core.frame", "DataFrame") + b")\x81}b}b")
    yield "append_to_text", whole(text("a") + text("b") + b"a")
    yield "pair_in_a_list", whole(b"]" + text("a") + text("b") + b"s")
    yield "odd_pairs", whole(b"}(" + text("a") + b"u")


def arrays():
    """Arrays and tables whose parts do not fit."""
    strings = arrow_strings([0, 1, 2], b"ab")
    yield "offsets_beyond_data", whole(arrow_strings([0, 1_000_000], b"ab"))
    yield "offsets_negative", whole(arrow_strings([-8, 2], b"ab"))
    yield "offsets_backwards", whole(arrow_strings([2, 1], b"ab"))
    yield "offsets_too_few", whole(arrow_strings([0, 1], b"ab", length=1_000_000_000))
    yield "offset_beyond", whole(arrow_strings([0, 1, 2], b"ab", offset=2**40))
    yield "offset_beyond_64_bits", whole(arrow_strings([0, 1, 2], b"ab", offset=2**70))
    yield "length_negative", whole(arrow_strings([0, 1, 2], b"ab", length=-1))
    yield "length_huge_no_buffers", whole(arrow_array(alias("string"), 2**60, 0))
    yield "length_huge_null", whole(dataset(in_memory({"text": chunked(arrow_array(alias("null"), 2**60, 0))})))
    yield (
        "bitmap_too_short",
        whole(
            arrow_array(
                alias("string"),
                9,
                0,
                py_buffer(b"\xff"),
                py_buffer(struct.pack("<10i", *range(10))),
                py_buffer(b"abcdefghi"),
            )
        ),
    )
    yield "text_not_utf_8", whole(arrow_strings([0, 2], b"\xff\xfe"))
    yield (
        "buffer_not_bytes",
        whole(
            arrow_array(
                alias("string"), 1, 0, b"N", call(glob("pyarrow.lib", "py_buffer"), number(140_000_000_000)), b"N"
            )
        ),
    )
    yield (
        "views_beyond",
        whole(
            arrow_array(
                alias("string_view"), 1, 0, b"N", py_buffer(struct.pack("<iiii", 100, 0, 0, 5)), py_buffer(b"abc")
            )
        ),
    )
    yield (
        "views_of_no_buffer",
        whole(
            arrow_array(
                alias("string_view"), 1, 0, b"N", py_buffer(struct.pack("<iiii", 100, 0, -3, 5)), py_buffer(b"abc")
            )
        ),
    )
    yield (
        "views_negative",
        whole(arrow_array(alias("string_view"), 1, 0, b"N", py_buffer(struct.pack("<iiii", -1, 0, 0, 0)))),
    )
    kind = call(glob("pyarrow.lib", "dictionary"), alias("int8"), alias("string"), b"\x89")
    inner = (
        b"("
        + alias("string")
        + number(2)
        + number(0)
        + number(0)
        + b"](N"
        + py_buffer(struct.pack("<3i", 0, 1, 2))
        + py_buffer(b"ab")
        + b"e]Nt"
    )
    yield "dictionary_beyond", whole(arrow_array(kind, 2, 0, b"N", py_buffer(b"\x00\x07"), dictionary=inner))
    yield "dictionary_negative", whole(arrow_array(kind, 2, 0, b"N", py_buffer(b"\x00\xff"), dictionary=inner))
    yield "dictionary_missing", whole(arrow_array(kind, 2, 0, b"N", py_buffer(b"\x00\x00")))
    nested = call(glob("pyarrow.lib", "dictionary"), alias("int8"), kind, b"\x89")
    yield (
        "dictionary_in_dictionary",
        whole(
            arrow_array(
                nested,
                1,
                0,
                b"N",
                py_buffer(b"\x00"),
                dictionary=b"("
                + kind
                + number(1)
                + number(0)
                + number(0)
                + b"](N"
                + py_buffer(b"\x00")
                + b"e]"
                + inner
                + b"t",
            )
        ),
    )
    yield "type_of_nothing", whole(arrow_array(b"N", 1, 0, b"N"))
    yield (
        "chunk_often",
        whole(
            dataset(
                in_memory(
                    {
                        "text": call(
                            glob("pyarrow.lib", "chunked_array"),
                            b"](" + arrow_strings([0, 100_000], b"x" * 100_000) + b"q\x09" + b"h\x09" * 100_000 + b"e",
                            alias("string"),
                        )
                    }
                )
            )
        ),
    )
    yield (
        "rows_beyond",
        whole(
            dataset(
                in_memory({"text": chunked(strings)}),
                in_memory(
                    {
                        "indices": chunked(
                            arrow_array(alias("uint64"), 2, 0, b"N", py_buffer(struct.pack("<2Q", 0, 2**63)))
                        )
                    }
                ),
            )
        ),
    )
    yield (
        "rows_are_texts",
        whole(dataset(in_memory({"text": chunked(strings)}), in_memory({"indices": chunked(strings)}))),
    )
    yield "dataset_without_table", whole(dataset(b"N"))
    yield (
        "fields_too_few",
        whole(
            call(
                glob("pyarrow.lib", "_reconstruct_table"),
                b"](" + chunked(strings) + b"e",
                call(glob("pyarrow.lib", "schema"), b"]", b"N"),
            )
        ),
    )
    blocks = b"]q\x00h\x00a"
    yield (
        "blocks_in_themselves",
        whole(dataset(glob("datasets.table", "ConcatenationTable") + b")\x81}" + text("blocks") + blocks + b"sb")),
    )
    yield (
        "table_in_itself",
        whole(dataset(glob("datasets.table", "ConcatenationTable") + b")\x81q\x05}" + text("blocks") + b"]]h\x05aasb")),
    )
    yield "array_shape_huge", whole(numpy_array("U5", [2**40], raw_bytes(b"abcd" * 5)))
    yield "array_shape_negative", whole(numpy_array("U5", [-1], raw_bytes(b"")))
    yield "array_of_no_width", whole(numpy_array("U0", [2**60], raw_bytes(b"")))
    yield "array_too_wide", whole(numpy_array("U999999999999", [1], raw_bytes(b"")))
    yield "array_of_objects_in_bytes", whole(numpy_array("O8", [2], raw_bytes(b"\x41" * 16)))
    yield "array_of_unknown_type", whole(numpy_array("O8,S3", [1], b"](Ne"))
    yield "array_of_100_dimensions", whole(numpy_array("O8", [1] * 100, b"](" + text("a") + b"e"))
    yield "array_not_utf_32", whole(numpy_array("U1", [1], raw_bytes(b"\xff\xff\xff\xff")))
    yield (
        "blocks_overlap",
        whole(
            frame(["text"], [block(objects(text("a"), text("b")), 0, 1), block(objects(text("c"), text("d")), 0, 1)])
        ),
    )
    yield "blocks_leave_a_gap", whole(frame(["text", "label"], [block(objects(text("a"), text("b")), 0, 1)]))
    yield "block_beyond", whole(frame(["text"], [block(objects(text("a"), text("b")), 5, 6)]))
    yield "block_negative", whole(frame(["text"], [block(objects(text("a"), text("b")), -2, -1)]))
    yield "block_wider_than_its_place", whole(frame(["a", "b"], [block(objects(text("a"), text("b")), 0, 2)]))
    yield (
        "columns_beyond_count",
        whole(frame(["text"], [block(objects(text("a"), text("b")), 0, 1)]).replace(index("text"), rows_index(10**15))),
    )
    yield "rows_beyond_count", whole(frame(["text"], [block(objects(text("a"), text("b")), 0, 1)], count=3))
    codes = numpy_array("i1", [2], raw_bytes(b"\x00\x05"))
    kinds = (
        glob("pandas.core.dtypes.dtypes", "CategoricalDtype") + b")\x81}" + text("categories") + index("a", "b") + b"sb"
    )
    backed = call(
        glob("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"),
        glob("pandas.core.arrays.categorical", "Categorical"),
        b"K\x01",
        b"N",
    )
    yield "category_beyond", whole(backed + b"(" + kinds + codes + b"}tb")


def bombs():
    """Small files that expand."""
    zeros = bytes(80_000_000)
    yield "gzip_bomb", gzip.compress(zeros, 9)
    yield "bz2_bomb", bz2.compress(zeros, 9)
    yield "xz_bomb", lzma.compress(zeros, preset=1)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("texts.pkl", zeros)
    yield "zip_bomb", buffer.getvalue()
    yield "gzip_cut_short", gzip.compress(pickle.dumps(["a"] * 1_000))[:-12]
    yield "gzip_damaged", gzip.compress(pickle.dumps(["a"] * 1_000))[:-8] + b"12345678"
    yield "zip_of_two", _zip({"a.pkl": pickle.dumps(["a"]), "b.pkl": pickle.dumps(["b"])})
    yield "zip_damaged", _zip({"a.pkl": pickle.dumps(["a" * 99])}).replace(b"a.pkl", b"b.pkl", 1)


def _zip(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@functools.cache
def build(marker: str = "") -> dict[str, bytes]:
    """Return every hostile file by name; those that run something would make `marker`."""
    return {**dict(calls(marker)), **_build_others()}


@functools.cache
def _build_others() -> dict[str, bytes]:
    """Return those that name nothing to run, so that there is one of each whatever the marker."""
    return {**dict(damage()), **dict(arrays()), **dict(bombs())}
