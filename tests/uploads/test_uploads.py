"""Reading texts from uploaded files of every kind, in a process that is limited."""

import gzip
import io
import json
import os
import pickle
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agnews_core.errors import DataError, UnsafePickleError
from agnews_core.uploads import Choice, Limits, choose_own_limits, open_upload, parent, read_texts, read_upload
from agnews_core.uploads import limits as limits_of
from agnews_core.uploads.answers import cut_into_lines
from tests.uploads import fuzz_pickles, hostile_pickles

TEXTS = ["Council approves line, again", 'Shares "steady"', "Two lines\nin one", "Späte Tore 🚀", "N/A"]
FRAME = pd.DataFrame({"label": range(len(TEXTS)), "text": TEXTS})
PROJECT = Path(parent.__file__).parents[2]
HOSTILE = list(hostile_pickles.build())


@pytest.fixture
def upload(tmp_path):
    """Return what writes a file and reads it as an upload."""

    def write_and_read(name, data, **options):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return read_upload(path, **options)

    return write_and_read


def parquet(table):
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def arrow_file(table, new=pa.ipc.new_file):
    buffer = io.BytesIO()
    with new(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


KINDS = {
    "pickle": ("pickle", pickle.dumps(FRAME)),
    "pickle_0": ("pickle", pickle.dumps(TEXTS, 0)),
    "pickle_gzip": ("pickle", gzip.compress(pickle.dumps(FRAME))),
    "dataset": ("pickle", pickle.dumps(datasets.Dataset.from_pandas(FRAME))),
    "csv": ("csv", FRAME.to_csv(index=False).encode()),
    "csv_with_index": ("csv", FRAME.to_csv().encode()),
    "csv_semicolon": ("csv", FRAME.to_csv(sep=";", index=False).encode()),
    "csv_pipe": ("csv", FRAME.to_csv(sep="|", index=False).encode()),
    "csv_mark": ("csv", FRAME.to_csv(index=False).encode("utf-8-sig")),
    "csv_utf_16": ("csv", FRAME.to_csv(index=False).encode("utf-16")),
    "csv_quoted": ("csv", FRAME.to_csv(index=False, quoting=1).encode()),
    "csv_one_column": ("csv", FRAME[["text"]].to_csv(index=False).encode()),
    "csv_carriage_returns": ("csv", FRAME.to_csv(index=False, lineterminator="\r\n").encode()),
    "csv_gzip": ("csv", gzip.compress(FRAME.to_csv(index=False).encode())),
    "tsv": ("tsv", FRAME.to_csv(sep="\t", index=False).encode()),
    "json_list": ("json", json.dumps(TEXTS).encode()),
    "json_records": ("json", FRAME.to_json(orient="records").encode()),
    "json_columns": ("json", FRAME.to_json().encode()),
    "json_index": ("json", FRAME.to_json(orient="index").encode()),
    "json_split": ("json", FRAME.to_json(orient="split").encode()),
    "json_table": ("json", FRAME.to_json(orient="table").encode()),
    "json_lines_mark": ("json", FRAME.to_json(orient="records", lines=True).encode("utf-8-sig")),
    "json_lines": ("json", FRAME.to_json(orient="records", lines=True).encode()),
    "json_lines_of_texts": ("json", "\n".join(map(json.dumps, TEXTS)).encode()),
    "json_named": ("json", json.dumps({"rows": [{"text": text} for text in TEXTS]}).encode()),
    "parquet": ("parquet", parquet(pa.Table.from_pandas(FRAME))),
    "parquet_dictionary": ("parquet", parquet(pa.table({"text": pa.array(TEXTS).dictionary_encode()}))),
    "parquet_large": ("parquet", parquet(pa.table({"text": pa.array(TEXTS, pa.large_string())}))),
    "arrow": ("arrow", arrow_file(pa.table({"text": TEXTS}))),
    "arrow_stream": ("arrow", arrow_file(pa.table({"text": TEXTS}), pa.ipc.new_stream)),
    "arrow_view": ("arrow", arrow_file(pa.table({"text": pa.array(TEXTS, pa.string_view())}))),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("suffix", [".csv", ".pkl"])
def test_a_file_is_read_by_its_content_whatever_its_name(name, suffix, upload):
    kind, data = KINDS[name]
    read = upload(f"texts{suffix}", data)
    assert (read.kind, read.texts) == (kind, TEXTS)


def test_read_texts_gives_the_texts_alone(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("one\ntwo\n")
    assert read_texts(path) == ["one", "two"]
    assert read_texts(str(path)) == ["one", "two"]


def test_plain_text_is_a_text_a_line(upload):
    read = upload("news.txt", "First line, with a comma\r\nSecond, also one\r\nThird; none\r\n")
    assert (read.kind, read.column, read.notes) == ("txt", None, ())
    assert read.texts == ["First line, with a comma", "Second, also one", "Third; none"]


def test_blank_lines_are_kept_and_mentioned_so_that_rows_are_lines(upload):
    read = upload("news.txt", "one\n\ntwo\n")
    assert read.texts == ["one", "", "two"]
    assert read.notes == ("1 of 3 lines is blank; kept, so row numbers match lines.",)


NOTHING = pa.table({"text": pa.array([], pa.string())})
WITHOUT_TEXTS = {
    "news.csv": b"text,label\n",
    "news.tsv": b"label\ttext\n",
    "news.json": b"[]",
    "news.parquet": parquet(NOTHING),
    "news.arrow": arrow_file(NOTHING),
    "list.pkl": pickle.dumps([], 0),
    "frame.pkl": pickle.dumps(FRAME[:0]),
    "dataset.pkl": pickle.dumps(datasets.Dataset.from_dict({"text": [], "label": []})),
}


@pytest.mark.parametrize("name", WITHOUT_TEXTS)
def test_a_file_without_texts_is_refused(upload, name):
    with pytest.raises(DataError, match=r"^The file holds no texts; each row or line of a file is one text\.$"):
        upload(name, WITHOUT_TEXTS[name])


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("news.pkl", "one\ntwo\n", "plain text, a text a line"),
        ("news.pickle", "text\tlabel\none\t1\ntwo\t2\n", "a table (TSV)"),
        ("news.csv", json.dumps(["one", "two"]), "JSON"),
        ("news.txt", pickle.dumps(["one", "two"]), "a pickle"),
        ("news.json", parquet(pa.table({"text": ["one", "two"]})), "Parquet"),
    ],
)
def test_a_name_that_promises_another_kind_is_mentioned(upload, name, data, what):
    read = upload(name, data)
    suffix = Path(name).suffix
    assert (read.texts, read.notes) == (["one", "two"], (f"Read as {what}, though its name ends in {suffix}.",))


def test_a_file_of_blank_lines_is_refused(upload):
    with pytest.raises(DataError, match=r"^This file holds blank lines only; choose one with a text a line\.$"):
        upload("news.txt", "\n \n\n")


def test_a_small_table_that_unfolds_to_far_more_is_refused_unless_it_is_one_s_own(upload):
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 500_000, pa.int32()), pa.array(["x" * 400]))
    data = parquet(pa.table({"text": repeated.cast(pa.string())}))
    message = (
        r"^The texts in this file come to more than 32 MB, far more than the file itself; save them in smaller parts\.$"
    )
    with pytest.raises(DataError, match=message):
        upload("texts.parquet", data)
    own = upload("texts.parquet", data, limits=replace(choose_own_limits(), memory_bytes=128 * 2**20))
    assert len(own.texts) == 500_000


def test_a_table_is_read_piece_by_piece(upload):
    rows, unused = 100_000, "x" * 1_000
    table = pa.table({"text": ["news"] * rows, "unused": [unused] * rows})
    arrow = io.BytesIO()
    with pa.ipc.new_file(arrow, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table, max_chunksize=10_000)
    files = {"csv": "text,unused\n" + f"news,{unused}\n" * rows, "parquet": parquet(table), "arrow": arrow.getvalue()}
    for kind, data in files.items():
        read = upload(f"news.{kind}", data, limits=Limits(memory_bytes=400 * 2**20))
        assert (read.kind, read.texts) == (kind, ["news"] * rows)


def test_json_lines_are_read_line_by_line(upload):
    rows = 200_000  # 130 MB as objects
    data = '{"label": 1, "title": "news", "description": "of the day"}\n' * rows
    read = upload("news.jsonl", data, limits=Limits(memory_bytes=100 * 2**20))
    assert (read.kind, read.column, len(read.texts)) == ("json", "title + description", rows)
    assert set(read.texts) == {"news of the day"}


def test_a_row_that_is_longer_than_a_piece_is_a_sentence(upload):
    message = (
        r"^This table has a row of more than 4 MB, or a quotation mark that is not closed; save it again as CSV\.$"
    )
    with pytest.raises(DataError, match=message):
        upload("news.csv", f"text,label\n{'x' * 13_000_000},1\nnews,2\n")


def test_titles_and_descriptions_that_are_not_equally_many_are_refused(upload):
    message = r"^'title' and 'description' have not equally many rows\.$"
    for titles in (["a"], ["a", "b", "c"]):
        with pytest.raises(DataError, match=message):
            upload("news.pkl", pickle.dumps({"title": titles, "description": ["d", "e"]}))


def test_latin_1_is_read_and_mentioned(upload):
    read = upload("news.csv", "text,label\nSpäte Tore,1\n".encode("latin-1"))
    assert read.texts == ["Späte Tore"]
    assert read.notes == ("Read as Latin-1, since it is not valid UTF-8.",)


def test_windows_quotes_are_read_and_mentioned(upload):
    read = upload("news.csv", "text,label\n“Späte Tore”,1\n".encode("cp1252"))
    assert read.texts == ["“Späte Tore”"]
    assert read.notes == ("Read as Windows-1252, a kind of Latin-1, since it is not valid UTF-8.",)


def test_title_and_description_are_joined_and_mentioned(upload):
    read = upload("news.csv", "Class Index,Title,Description\n3,One,two\n1,Three,four\n")
    assert (read.texts, read.column) == (["One two", "Three four"], "Title + Description")
    assert read.notes == ("Read 'Title' and 'Description', joined by a space.",)


def test_ag_news_without_a_header_is_known(upload):
    read = upload("test.csv", '"3","One","two, three"\n"1","Four","five"\n')
    assert read.texts == ["One two, three", "Four five"]


def test_a_csv_cell_with_nothing_in_it_is_missing_and_a_quoted_one_is_empty(upload):
    table = 'text,label\na,1\n,2\n"",3\n'
    with pytest.raises(DataError, match=r"^Row 1 \(counting from 0\) holds no text;"):
        upload("news.csv", table)
    assert upload("news.csv", table, missing="empty").texts == ["a", "", ""]


def test_a_csv_row_with_too_many_cells_is_named(upload):
    with pytest.raises(
        DataError, match=r"^This table cannot be read \(CSV parse error: Row #3: Expected 2 columns, got 3"
    ):
        upload("news.csv", "text,label\na,1\nb,2,3\n")


def test_a_lone_column_may_hold_commas(upload):
    assert upload("news.csv", 'headline\nHello, world\n"Quoted, text"\n').texts == ["Hello, world", "Quoted, text"]


def test_a_column_and_a_split_can_be_chosen(upload):
    assert upload("news.csv", "text,other\na,b\n", column="other").texts == ["b"]
    splits = pickle.dumps({"a": FRAME, "b": FRAME[:1]})
    assert upload("news.pkl", splits, split="b").texts == TEXTS[:1]


def test_a_table_in_a_text_file_has_no_splits_to_choose(upload):
    with pytest.raises(
        DataError, match=r"^This file has no splits, so 'test' cannot be chosen; leave the split out\.$"
    ):
        upload("news.csv", "text,label\na,1\n", split="test")


def test_json_lines_that_break_off_are_refused_with_the_line(upload):
    with pytest.raises(DataError, match=r"^Line 2 of this JSON file is not valid JSON; save it again\.$"):
        upload("news.jsonl", '{"text": "a"}\n{"text":')


@pytest.mark.parametrize(("data", "what"), [(b"%PDF-1.7", "a PDF"), (b"<html>", "a web page"), (b"\x93NUMPY", "NumPy")])
def test_other_kinds_of_files_are_named(data, what, upload):
    with pytest.raises(DataError, match=f"^This is .*{what}.*, which is not read here; choose a pickle, CSV"):
        upload("texts.csv", data)


def test_bytes_of_no_known_kind_are_refused(upload):
    with pytest.raises(DataError, match=r"^This file is of a kind that is not known here; choose a pickle, CSV, TSV"):
        upload("texts.csv", b"abc\0def")


@pytest.mark.parametrize("damage", [slice(4, -30), slice(90, None)])
@pytest.mark.parametrize("name", ["parquet", "arrow", "arrow_stream"])
def test_a_damaged_table_is_refused(name, damage, upload):
    data = KINDS[name][1]
    with pytest.raises(DataError):
        upload("texts.parquet", data[:4] + data[damage])


def test_an_arrow_file_whose_offsets_lie_is_refused(upload):
    table = pa.table({"text": ["a" * 50, "b" * 50]})
    data = arrow_file(table, pa.ipc.new_stream).replace(b"\x32\0\0\0\x64\0\0\0", b"\x32\0\0\0\x64\0\0\x7f")
    with pytest.raises(DataError, match=r"^This Arrow file is damaged"):
        upload("texts.arrow", data)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_upload_is_refused_quickly_and_leaves_nothing_behind(name, tmp_path):
    marker = tmp_path / "marker"
    path = tmp_path / "texts.pkl"
    path.write_bytes(hostile_pickles.build(str(marker))[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    try:
        assert all(type(text) is str for text in read_texts(path))
    except DataError as error:
        assert len(str(error)) < 1_500  # noqa: PT017 - texts are as good
    assert time.monotonic() - started < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # kilobytes
    assert not marker.exists()


def test_an_unsafe_pickle_says_so_through_the_child(upload):
    with pytest.raises(UnsafePickleError, match=r"more than plain data \(os\.system\), so it was not opened"):
        upload("texts.pkl", hostile_pickles.build()["reduce"])


def test_a_file_that_needs_too_much_memory_is_a_sentence(upload):
    limits = Limits(memory_bytes=64 * 2**20)
    with pytest.raises(DataError, match=r"^The file could not be read: it needs more than 0\.0625 GB of memory\.$"):
        upload("texts.pkl", pickle.dumps(["x" * 1_000 + str(number) for number in range(60_000)]), limits=limits)


def test_a_file_that_takes_too_long_is_a_sentence(upload):
    data = hostile_pickles.whole(b"N" + b"N0" * 8_000_000)
    with pytest.raises(
        DataError, match=r"^The file could not be read: it takes more than 1 seconds of processor time\.$"
    ):
        upload("texts.pkl", data, limits=Limits(cpu_seconds=1))
    with pytest.raises(DataError, match=r"^The file could not be read: it takes more than 0\.5 seconds\.$"):
        upload("texts.pkl", data, limits=Limits(wall_seconds=0.5))


def test_a_file_that_is_too_large_is_a_sentence(upload):
    with pytest.raises(
        DataError, match=r"^The file 'texts.txt' has 3 MB, and at most 2 MB are read; split it into smaller"
    ):
        upload("texts.txt", b"x" * 3 * 2**20, limits=Limits(file_bytes=2 * 2**20))


def test_no_file_and_an_empty_file_and_a_folder_and_a_device_are_sentences(tmp_path, upload):
    with pytest.raises(DataError, match=r"^The file 'none' cannot be opened \(No such file or directory\)\.$"):
        read_texts(tmp_path / "none")
    with pytest.raises(DataError, match=r"^The file 'empty.csv' is empty; choose one with texts\.$"):
        upload("empty.csv", b"")
    for path in (tmp_path, "/dev/zero"):
        with pytest.raises(DataError, match=r"is not a file; choose a file with texts\.$"):
            read_texts(path)


def test_a_pipe_that_nobody_writes_to_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.pkl")
    with pytest.raises(DataError, match=r"^'pipe.pkl' is not a file; choose a file with texts\.$"):
        read_texts(tmp_path / "pipe.pkl")


DESCRIBED = '{"kind": "txt", "column": null, "notes": [], "n_texts": 1}'


def run_in_child(monkeypatch, upload, code):
    """Have the child run something else than the reader."""
    monkeypatch.setattr(parent, "_CHILD", code)
    return upload("texts.txt", b"one\n")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.kill(os.getpid(), 11)", r"damaged in a way that stopped the reader \(status -11\)"),
        ("import os; os.abort()", "it is damaged or needs more than 1 GB of memory"),
        ("raise SystemExit(3)", r"damaged in a way that stopped the reader \(status 3\)"),
        ("pass", "the reader was interrupted"),
        ("print('[1')", "the reader was interrupted"),
        ("print('{}')", "the reader was interrupted"),
        (f"print('[5]'); print({DESCRIBED!r})", "the reader was interrupted"),
        (f"print('[]'); print({DESCRIBED!r})", "the reader was interrupted"),
        (f"print({DESCRIBED!r})", "something else than texts"),
        (f'print(\'["a", "b"]\'); print({DESCRIBED!r})', "something else than texts"),
        ("raise SystemExit(75)", "its texts take more than 400 MB, or than /.* has room for"),
    ],
)
def test_a_child_that_dies_or_talks_nonsense_is_a_sentence(code, message, monkeypatch, upload):
    with pytest.raises(DataError, match=rf"^The file could not be read: .*{message}"):
        run_in_child(monkeypatch, upload, code)


def test_the_child_knows_nothing_of_the_environment_or_the_path_and_has_limits(monkeypatch, upload):
    monkeypatch.setenv("HF_TOKEN", "secret")
    code = (
        "import json, os, resource, sys; sys.path.extend(sys.argv[2:]);"
        "from agnews_core.uploads.process_limits import limit_process;"
        "from agnews_core.uploads.limits import Limits;"
        "limit_process(Limits(**json.loads(sys.argv[1])['limits']));"
        "found = [sorted(os.environ), sys.argv[1], os.getcwd(), resource.getrlimit(resource.RLIMIT_DATA)[1],"
        "resource.getrlimit(resource.RLIMIT_CPU)[0], resource.getrlimit(resource.RLIMIT_FSIZE)[1]];"
        "print(json.dumps({'error': json.dumps(found), 'unsafe': False}))"
    )
    with pytest.raises(DataError) as caught:
        run_in_child(monkeypatch, upload, code)
    environment, arguments, folder, memory, cpu, size = json.loads(str(caught.value))
    own = {"OMP_WAIT_POLICY"}  # the package sets it for itself
    assert set(environment) - own <= {
        "ARROW_DEFAULT_MEMORY_POOL",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "LC_CTYPE",
    }
    assert "texts.txt" not in arguments
    assert (folder, memory, cpu, size) == ("/", 2**30, 30, 400 * 2**20)


def test_reading_a_pickle_imports_nothing_heavy_in_either_process(tmp_path):
    path = tmp_path / "texts.pkl"
    path.write_bytes(pickle.dumps(FRAME))
    code = (
        f"import sys; sys.path.append({str(PROJECT)!r});"
        "from agnews_core import uploads; from agnews_core.uploads import columns, pickles;"
        "budget = columns.Budget(9, always_bytes=999);"
        f"data = open({str(path)!r}, 'rb').read(); read = pickles.read_pickle(pickles.follow(data), columns.Choice(), budget);"
        f"print(len(uploads.read_texts({str(path)!r})), len(read.texts));"
        "print([name for name in ('torch', 'pandas', 'numpy', 'pyarrow', 'datasets') if name in sys.modules])"
    )
    # From another folder, with the package hidden from child processes as -I hides it.
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["5 5", "[]"]


@pytest.fixture
def many(tmp_path):
    """A CSV file of more texts than go into a line of the child's answer."""
    path, texts = tmp_path / "many.csv", [f"News {number}" for number in range(2_500)]
    path.write_text("text\n" + "".join(f"{text}\n" for text in texts))
    return path, texts


def test_texts_that_lie_on_the_disk_are_had_by_their_rows(many):
    path, texts = many
    with open_upload(path, Choice()) as upload:
        found = upload.texts
        assert (len(found), list(found)) == (2_500, texts)
        for part in (
            slice(0, 0),
            slice(5),
            slice(990, 1_010),
            slice(2_499, None),
            slice(-3, None),
            slice(0, 2_500, 999),
        ):
            assert found[part] == texts[part]
        assert (found[0], found[1_000], found[-1]) == (texts[0], texts[1_000], texts[-1])
        with pytest.raises(IndexError):
            found[2_500]


def test_long_texts_do_not_all_go_into_one_line(upload):
    long = [str(number) * 600_000 for number in range(5)]
    read = upload("news.txt", "\n".join(long))
    assert read.texts == long
    assert [len(line) for line in cut_into_lines(long)] == [2, 2, 1]


def test_how_far_reading_is_is_told_while_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(parent, "_LOOK_SECONDS", 0.01)
    path, told = tmp_path / "news.txt", []
    path.write_text("News of the day\n" * 300_000)
    with open_upload(path, Choice(), on_progress=told.append):
        pass
    assert told[0] == 0
    assert told == sorted(told)
    assert told[-1] > 0


def test_the_memory_of_who_asks_does_not_grow_with_the_texts(tmp_path):
    (tmp_path / "few.txt").write_text("News of the day\n" * 1_000)
    (tmp_path / "many.txt").write_text("News of the day\n" * 1_000_000)
    code = (
        "import resource, sys; from agnews_core.uploads import Choice, open_upload\n"
        "with open_upload(sys.argv[1], Choice()) as upload: assert all(text[:4] == 'News' for text in upload.texts)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def measure(name):
        command = [sys.executable, "-c", code, str(tmp_path / name)]
        return int(subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout)

    assert measure("many.txt") - measure("few.txt") < 10 * 1024  # kilobytes; as a list they take 70 MB


def test_the_limits_of_a_file_of_one_s_own_are_the_machine_s(tmp_path, monkeypatch):
    monkeypatch.setattr(limits_of, "read_available_memory", lambda: 8 * 2**30)
    own = choose_own_limits()
    assert (own.file_bytes, own.memory_bytes) == (6 * 2**30, 6 * 2**30)
    monkeypatch.setattr(limits_of, "read_available_memory", lambda: 4 * 2**20)
    (tmp_path / "news.txt").write_text("News of the day\n" * 300_000)
    message = r"^The file 'news.txt' has 5 MB, and at most 3 MB are read; split it into smaller parts\.$"
    with pytest.raises(DataError, match=message):
        read_upload(tmp_path / "news.txt", limits=choose_own_limits())


def test_a_disk_without_room_for_the_texts_is_a_sentence(upload):
    message = r"^The file could not be read: its texts take more than 1 MB, or than /.* has room for\.$"
    with pytest.raises(DataError, match=message):
        upload("news.txt", "News of the day\n" * 300_000, limits=Limits(answer_bytes=2**20))


def test_8_000_rows_take_less_than_two_seconds_more_than_unpickling_them(tmp_path):
    path = tmp_path / "test_unlabelled.pkl"
    dataset = datasets.Dataset.from_dict({"text": [f"{number} " + "news of the day " * 15 for number in range(8_000)]})
    path.write_bytes(pickle.dumps(dataset.shuffle(seed=1)))
    started = time.monotonic()
    expected = list(pickle.loads(path.read_bytes())["text"])
    plain = time.monotonic()
    texts = read_texts(path)
    assert (time.monotonic() - plain) - (plain - started) < 2
    assert texts == expected


@settings(deadline=None, max_examples=6)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")), min_size=1, max_size=8))
def test_any_texts_come_back_from_any_kind_of_file(tmp_path_factory, texts):
    assume(any(char.isalpha() for text in texts for char in text))  # a column of numbers alone is refused
    frame = pd.DataFrame({"label": range(len(texts)), "text": texts})
    path = tmp_path_factory.mktemp("any") / "texts"
    files = [
        frame.to_csv(index=False).encode(),
        frame.to_json(orient="records").encode(),
        frame.to_json(orient="records", lines=True).encode(),
        parquet(pa.Table.from_pandas(frame)),
        pickle.dumps(frame),
    ]
    for data in files:
        path.write_bytes(data)
        assert read_texts(path, missing="empty") == texts


@pytest.mark.slow
def test_200_000_changed_pickles_give_texts_or_a_data_error():
    command = [sys.executable, "-m", "tests.uploads.fuzz_pickles", "2026", "200000"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    outcomes = json.loads(done.stdout)
    assert outcomes["texts"] + outcomes["errors"] == 200_000
    assert outcomes["slowest_seconds"] < 10


@pytest.mark.slow
@pytest.mark.parametrize("begin", range(0, 3_000, 500))
def test_changed_uploads_give_texts_or_a_data_error(tmp_path, begin):
    path = tmp_path / "texts.pkl"
    for number in range(begin, begin + 500):
        path.write_bytes(fuzz_pickles.change("uploads", number) or b".")
        try:
            texts = read_texts(path, missing="empty")
        except DataError:
            continue
        assert all(type(text) is str for text in texts), number
