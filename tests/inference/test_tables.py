import csv
import resource
from pathlib import Path

import numpy as np
import pytest

from agnews_core.errors import DataError
from agnews_core.inference.tables import build_table, count_classes, filter_table, select_cell, write_csv

PROBABILITIES = np.array(
    [[0.7, 0.1, 0.1, 0.1], [0.1, 0.6, 0.2, 0.1], [0.05, 0.05, 0.1, 0.8], [0.9, 0.05, 0.03, 0.02]], dtype=np.float32
)
TEXTS = ["Talks (day 2)", "A goal", "A probe", "More talks"]


@pytest.fixture
def table():
    return build_table(PROBABILITIES, texts=TEXTS, labels=np.array([0, 1, 2, 0]))


def test_every_class_is_counted_also_one_that_no_text_was_given(table):
    assert count_classes(table) == {"World": 2, "Sports": 1, "Business": 0, "Sci/Tech": 1}


def test_a_cell_lists_its_texts_the_most_confident_first(table):
    assert list(select_cell(table, label=0, predicted=0)["text"]) == ["More talks", "Talks (day 2)"]
    assert list(select_cell(table, label=2, predicted=3)["text"]) == ["A probe"]
    assert select_cell(table, label=3, predicted=0).empty


def test_rows_are_found_by_class_and_by_words_taken_literally(table):
    assert list(filter_table(table, query="TALKS").index) == [0, 3]
    assert list(filter_table(table, query="(day").index) == [0]
    assert list(filter_table(table, label_name="World", query="more").index) == [3]
    assert len(filter_table(table, label_name="All classes")) == 4


def write(path, **options):
    write_csv(build_table(PROBABILITIES), path, **options)


def test_the_csv_is_what_the_competition_wants(tmp_path):
    write(tmp_path / "predictions.csv")
    assert (tmp_path / "predictions.csv").read_bytes() == b"ID,Label\n0,0\n1,1\n2,3\n3,0\n"


def test_label_names_and_probabilities_come_when_asked_for(tmp_path):
    write(tmp_path / "p.csv", label_names=True, probabilities=True)
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert rows[2] == {
        "ID": "2", "Label": "3", "LabelName": "Sci/Tech",
        "World": "0.050000", "Sports": "0.050000", "Business": "0.100000", "Sci/Tech": "0.800000",
    }  # fmt: skip


def test_a_failure_half_way_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as a disk that is full after so many bytes
    try:
        with pytest.raises(
            DataError, match=r"cannot be written to .*predictions.csv: File too large; choose another place\."
        ):
            write_csv(build_table(np.tile(PROBABILITIES, (1000, 1))), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_file_s_place_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"cannot be written to \.: .*; choose another place"):
        write(Path())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"cannot be written to .*nowhere.*; choose another place"):
        write(tmp_path / "nowhere" / "out.csv")
