import csv
import errno
from pathlib import Path

import numpy as np
import pytest

from agnews_core.errors import DataError
from agnews_core.inference.classifier import SLICE_TEXTS, predict_table
from agnews_core.inference.predictions import (
    Prediction,
    build_table,
    count_classes,
    filter_table,
    iterate_predictions,
    select_cell,
    write_csv,
    write_predictions,
)
from agnews_core.labels import LABELS

PROBABILITIES = np.array(
    [[0.7, 0.1, 0.1, 0.1], [0.1, 0.6, 0.2, 0.1], [0.05, 0.05, 0.1, 0.8], [0.9, 0.05, 0.03, 0.02]], dtype=np.float32
)
TEXTS = ["Talks (day 2)", "A goal", "A probe", "More talks"]


@pytest.fixture
def table():
    return build_table(TEXTS, PROBABILITIES, np.array([0, 1, 2, 0]))


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


def test_the_table_goes_to_the_same_csv_as_the_predictions_it_was_made_of(table, tmp_path):
    assert write_csv(table, tmp_path / "p.csv", label_names=True, probabilities=True) == 4
    with (tmp_path / "p.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["ID"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["LabelName"] for row in rows] == [LABELS[label] for label in (0, 1, 3, 0)]
    assert float(rows[2]["Sci/Tech"]) == pytest.approx(0.8)
    assert [prediction.label for prediction in iterate_predictions(table)] == [0, 1, 3, 0]


def test_progress_is_told_after_each_slice_and_rows_keep_their_order():
    class Fake:
        def compute_probabilities(self, texts):
            rows = np.zeros((len(texts), 4), dtype=np.float32)
            rows[np.arange(len(texts)), [int(text) % 4 for text in texts]] = 1
            return rows

    told = []
    texts = [str(number) for number in range(SLICE_TEXTS + 10)]
    table = predict_table(Fake(), texts, lambda done, total: told.append((done, total)))
    assert told == [(SLICE_TEXTS, len(texts)), (len(texts), len(texts))]
    assert list(table["predicted"]) == [number % 4 for number in range(len(texts))]


def _predictions(n):
    return (Prediction(f"text {i}", i % 4, tuple(0.7 if j == i % 4 else 0.1 for j in range(4))) for i in range(n))


def test_the_csv_is_what_the_competition_wants(tmp_path):
    path = tmp_path / "predictions.csv"
    assert write_predictions(path, _predictions(5)) == 5
    assert path.read_text() == "ID,Label\n0,0\n1,1\n2,2\n3,3\n4,0\n"


def test_label_names_and_probabilities_come_when_asked_for(tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, _predictions(2), label_names=True, probabilities=True)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert rows[1] == {
        "ID": "1", "Label": "1", "LabelName": "Sports",
        "World": "0.100000", "Sports": "0.700000", "Business": "0.100000", "Sci/Tech": "0.100000",
    }  # fmt: skip


def test_a_failure_half_way_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("old")

    def fail():
        yield from _predictions(3)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        DataError, match=r"cannot be written to .*predictions.csv: No space left on device; choose another"
    ):
        write_predictions(path, fail())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_file_s_place_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"cannot be written to \.: .*; choose another place"):
        write_predictions(Path(), _predictions(1))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"cannot be written to .*nowhere"):
        write_predictions(tmp_path / "nowhere" / "out.csv", _predictions(1))
