import numpy as np
import pytest

from agnews_core.inference.tables import build_table, count_classes, filter_table, select_cell

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
