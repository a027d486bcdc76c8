"""Reading texts from pickles: every honest one is read in order, no hostile one is obeyed."""

import bz2
import functools
import gzip
import json
import lzma
import pickle
import tarfile
import tracemalloc
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnews_core.errors import DataError, UnsafePickleError
from tests.uploads import hostile_pickles
from tests.uploads.pickle_texts import read_texts

FIXTURES = Path(__file__).parents[1] / "fixtures"
ARCHIVES = sorted(FIXTURES.glob("honest-*.tar.xz"))
HOSTILE = list(hostile_pickles.build())
# Wrong, but nothing in them can do harm: a class label's file is not read, a frame's length is not used.
HARMLESS = {"long_frame": []}
OPTIONS = {"missing": {"missing": "empty"}, "datasetdict_two": {"split": "test"}}

texts_of_any_kind = st.lists(st.text(), max_size=20)
# Numpy's fixed-width arrays and Arrow cannot hold these.
texts_for_numpy = st.lists(st.text().map(lambda text: text.rstrip("\0")), max_size=20)


@functools.cache
def honest_files(archive):
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def options_for(file):
    name = file.partition(".")[0]
    return OPTIONS.get(name, OPTIONS["missing"] if name.startswith("missing") else {})


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def test_what_old_libraries_pickled_is_read_in_order(archive):
    files = honest_files(archive)
    expected = json.loads(files["expected.json"])
    assert len(expected) > 1_000
    wrong = [
        file
        for file, texts in expected.items()
        if texts is not None and read_texts(files[file], **options_for(file)) != texts
    ]
    assert wrong == []


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def test_a_dataset_that_points_to_files_is_refused_with_the_lines_that_save_one_holding_its_rows(archive):
    files = honest_files(archive)
    pointing = [file for file, texts in json.loads(files["expected.json"]).items() if texts is None]
    assert len(pointing) == 4
    for file in pointing:
        with pytest.raises(DataError, match="only points to files on the computer it was made on") as caught:
            read_texts(files[file])
        assert "dataset = datasets.Dataset.from_dict(dataset.to_dict())\n" in str(caught.value)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_refused_or_harmless(name, tmp_path):
    marker = tmp_path / "marker"
    data = hostile_pickles.build(str(marker))[name]
    if name in HARMLESS:
        assert read_texts(data) == HARMLESS[name]
    else:
        with pytest.raises(DataError) as caught:
            read_texts(data)
        assert len(str(caught.value)) < 1_500
        assert str(caught.value).isprintable()
    assert not marker.exists()


def test_all_names_that_plain_data_does_not_need_are_in_the_message():
    data = hostile_pickles.whole(
        b"]("
        + hostile_pickles.glob("os", "system")
        + hostile_pickles.glob("builtins", "eval")
        + hostile_pickles.glob("pandas.core.frame", "DataFrame")
        + b"e"
    )
    with pytest.raises(
        UnsafePickleError, match=r"more than plain data \(os\.system, builtins\.eval\), so it was not"
    ) as caught:
        read_texts(data)
    assert "save the texts as a plain list of strings or as CSV" in str(caught.value)


def test_many_offending_names_are_counted():
    names = b"".join(hostile_pickles.glob("os", f"f{number}") for number in range(25))
    with pytest.raises(UnsafePickleError, match=r"os\.f9 and 15 more\)"):
        read_texts(hostile_pickles.whole(b"](" + names + b"e"))


def test_changing_a_class_in_a_pickle_leaves_the_process_as_it_was():
    before = dict(vars(datasets.DatasetInfo))
    with pytest.raises(UnsafePickleError, match=r"a change of datasets\.DatasetInfo"):
        read_texts(hostile_pickles.build()["build_on_class"])
    assert dict(vars(datasets.DatasetInfo)) == before


@pytest.mark.parametrize("name", ["memo_of_1_5_GB", "bytearray_of_6_GB", "gzip_bomb", "doubling_tuple", "chunk_often"])
def test_a_small_hostile_file_takes_little_memory(name):
    data = hostile_pickles.build()[name]
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_texts(data)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


@settings(deadline=None, max_examples=60)
@given(texts_of_any_kind, st.integers(0, 5))
def test_any_texts_come_back_from_a_list(texts, protocol):
    assert read_texts(pickle.dumps(texts, protocol)) == texts
    assert read_texts(pickle.dumps([{"text": text, "label": 1} for text in texts], protocol)) == texts
    assert read_texts(pickle.dumps({"text": texts, "label": [1] * len(texts)}, protocol)) == texts


@settings(deadline=None, max_examples=40)
@given(texts_for_numpy, st.integers(0, 5))
def test_any_texts_come_back_from_arrays_and_frames(texts, protocol):
    assert read_texts(pickle.dumps(np.array(texts, dtype=str), protocol)) == texts
    assert read_texts(pickle.dumps(np.array(texts, dtype=object), protocol)) == texts
    frame = pd.DataFrame({"label": [1] * len(texts), "text": texts})
    assert read_texts(pickle.dumps(frame, protocol)) == texts
    assert read_texts(pickle.dumps(frame.iloc[::-1], protocol)) == texts[::-1]
    assert read_texts(pickle.dumps(frame["text"].astype("category"), protocol)) == texts
    assert read_texts(pickle.dumps(pa.table({"text": pa.array(texts, pa.string_view())}), protocol)) == texts


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text(), min_size=1, max_size=12), st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_any_texts_come_back_from_a_dataset_in_the_order_of_its_rows(texts, seed, protocol):
    dataset = datasets.Dataset.from_dict({"text": texts, "label": [1] * len(texts)})
    assert read_texts(pickle.dumps(dataset, protocol)) == texts
    shuffled = dataset.shuffle(seed=seed)
    assert read_texts(pickle.dumps(shuffled, protocol)) == list(shuffled["text"])
    joined = datasets.concatenate_datasets([shuffled, dataset])
    assert read_texts(pickle.dumps(joined, protocol)) == [*shuffled["text"], *texts]


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_an_honest_file_with_bytes_changed_gives_texts_or_a_data_error(data):
    files = honest_files(data.draw(st.sampled_from(ARCHIVES)))
    name = data.draw(st.sampled_from(sorted(set(files) - {"expected.json"})))
    changed = bytearray(files[name])
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        texts = read_texts(bytes(changed), **options_for(name))
    except DataError:
        return
    assert all(type(text) is str for text in texts)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_pickle_is_read(compress):
    assert read_texts(compress(pickle.dumps(["one", "two"]))) == ["one", "two"]


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zip"])
def test_what_to_pickle_compresses_is_read(suffix, tmp_path):
    path = tmp_path / f"texts.pkl.{suffix}"
    pd.DataFrame({"text": ["one", "two"]}).to_pickle(path)
    assert read_texts(path.read_bytes()) == ["one", "two"]


def test_a_file_of_several_compressed_parts_is_read_whole():
    data = pickle.dumps(["one", "two"])
    assert read_texts(gzip.compress(data[:9]) + gzip.compress(data[9:])) == ["one", "two"]


def test_rows_that_hold_nothing_are_refused_with_their_numbers():
    with pytest.raises(
        DataError, match=r"^Rows 1 and 3 \(counting from 0\) hold no text; remove such rows, or choose to"
    ):
        read_texts(pickle.dumps(["a", None, "b", float("nan")]))


def test_rows_that_hold_nothing_are_kept_as_empty_texts_when_asked():
    assert read_texts(pickle.dumps(["a", None, "b", float("nan")]), missing="empty") == ["a", "", "b", ""]


def test_rows_that_hold_something_else_are_refused_with_their_numbers():
    with pytest.raises(
        DataError, match=r"^Row 1 \(counting from 0\) holds something else than a text; keep only texts"
    ):
        read_texts(pickle.dumps(["a", 5]))


def test_bytes_that_are_not_utf_8_are_refused_with_their_row():
    with pytest.raises(DataError, match=r"^Row 1 \(counting from 0\) holds bytes that are not UTF-8 text"):
        read_texts(pickle.dumps([b"a", b"\xff"]))


def test_a_half_of_a_surrogate_pair_becomes_a_replacement_character():
    assert read_texts(pickle.dumps(["broken \ud83d", "whole \U0001f680"])) == ["broken \ufffd", "whole \U0001f680"]


def test_the_column_called_text_is_read_before_any_other():
    frame = pd.DataFrame({"source": ["x"], "text": ["y"], "title": ["z"], "description": ["w"]})
    assert read_texts(pickle.dumps(frame)) == ["y"]


def test_a_column_can_be_chosen_by_its_name():
    frame = pd.DataFrame({"text": ["a", "b"], "other": ["c", "d"]})
    assert read_texts(pickle.dumps(frame), column="other") == ["c", "d"]


def test_a_level_of_the_index_can_be_chosen_by_its_name():
    frame = pd.DataFrame({"text": ["a", "b"], "day": ["c", "d"], "place": ["e", "f"]}).set_index(["day", "place"])
    assert read_texts(pickle.dumps(frame)) == ["a", "b"]
    assert read_texts(pickle.dumps(frame), column="place") == ["e", "f"]


def test_a_column_that_is_not_there_is_refused_with_a_list_of_those_that_are():
    with pytest.raises(DataError, match=r"^There is no column 'body' in this file; it has 'text', 'label'\.$"):
        read_texts(pickle.dumps(pd.DataFrame({"text": ["a"], "label": [1]})), column="body")


def test_a_column_of_numbers_is_refused_when_chosen():
    with pytest.raises(DataError, match=r"^The column 'label' holds int64, not texts; choose another one\.$"):
        read_texts(pickle.dumps(datasets.Dataset.from_dict({"text": ["a"], "label": [1]})), column="label")


def test_a_choice_between_columns_of_texts_is_left_to_the_user():
    with pytest.raises(DataError, match=r"^Which column holds the texts\? Choose one by its name.*'head', 'body'\.$"):
        read_texts(pickle.dumps([{"head": "a", "body": "b"}]))


def test_a_file_without_texts_says_so():
    with pytest.raises(DataError, match=r"^No column of this file holds texts: it has 'label'\.$"):
        read_texts(pickle.dumps(pd.DataFrame({"label": [1, 2]})))


def test_a_plain_list_has_no_columns_to_choose():
    with pytest.raises(
        DataError, match=r"^This file holds one list of texts and no column 'text'; leave the column out\.$"
    ):
        read_texts(pickle.dumps(["a"]), column="text")


def test_a_split_of_several_is_left_to_the_user():
    splits = datasets.DatasetDict({name: datasets.Dataset.from_dict({"text": [name]}) for name in ("train", "test")})
    with pytest.raises(DataError, match=r"^This file has 2 splits; choose one of 'train', 'test'\.$"):
        read_texts(pickle.dumps(splits))
    assert read_texts(pickle.dumps(splits), split="test") == ["test"]
    with pytest.raises(DataError, match=r"^This file has no split 'dev'; choose one of 'train', 'test'\.$"):
        read_texts(pickle.dumps(splits), split="dev")


def test_a_file_without_splits_has_none_to_choose():
    with pytest.raises(
        DataError, match=r"^This file has no splits, so 'test' cannot be chosen; leave the split out\.$"
    ):
        read_texts(pickle.dumps(["a"]), split="test")


def test_a_set_is_refused_since_its_rows_have_no_order():
    with pytest.raises(DataError, match="holds a set, whose rows have no order"):
        read_texts(pickle.dumps({"a", "b"}))


def test_a_large_shuffled_dataset_is_read_in_order():
    dataset = datasets.Dataset.from_dict({"text": [f"text {number} " * 40 for number in range(8_000)]}).shuffle(seed=1)
    assert read_texts(pickle.dumps(dataset)) == list(dataset["text"])


def test_a_column_in_a_time_zone_does_not_keep_a_frame_from_being_read():
    zoned = pd.DataFrame({"text": ["a"], "when": pd.Series(pd.date_range("2024-01-01", periods=1, tz="Europe/Paris"))})
    for protocol in range(6):
        assert read_texts(pickle.dumps(zoned, protocol)) == ["a"]
