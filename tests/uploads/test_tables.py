"""Reading the columns of a file of any kind, in the process that reads texts."""

import datasets
import numpy as np
import pandas as pd
import pytest

from agnews_core.errors import DataError, UnsafePickleError
from agnews_core.uploads import STRANGERS, CellChoice, open_table
from tests.uploads import hostile_pickles

FRAME = pd.DataFrame(
    {"text": ["Späte Tore 🚀", "Two lines\nin one", None], "label": [3, 0, 1], "weight": [0.5, np.nan, 2]}
)
ROWS = [["Späte Tore 🚀", "3"], ["Two lines\nin one", "0"], [None, "1"]]


def read(path, limits=STRANGERS, **choice):
    with open_table(path, CellChoice(**choice), limits=limits) as table:
        rows = list(table.read_rows())
        assert table.n_rows == len(rows)
        return [name for name, _ in table.columns], rows, table


WRITERS = {
    "csv": lambda path: FRAME.to_csv(path, index=False),
    "tsv": lambda path: FRAME.to_csv(path, index=False, sep="\t"),
    "jsonl": lambda path: FRAME.to_json(path, orient="records", lines=True),
    "json": lambda path: FRAME.to_json(path),
    "parquet": lambda path: FRAME.to_parquet(path),
    "feather": lambda path: FRAME.to_feather(path),
    "pkl": lambda path: FRAME.to_pickle(path),
    "p": lambda path: pd.to_pickle(datasets.Dataset.from_pandas(FRAME), path),
    "pickle": lambda path: pd.to_pickle(FRAME.to_dict("records"), path),
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_columns_are_read_side_by_side_from_every_kind_of_file(tmp_path, suffix):
    WRITERS[suffix](tmp_path / f"news.{suffix}")
    names, rows, _ = read(tmp_path / f"news.{suffix}", columns=("text", "label"))
    assert names == ["text", "label"]
    assert rows == ROWS


def test_without_a_choice_all_columns_are_read_and_what_each_holds_is_told(tmp_path):
    FRAME.to_parquet(tmp_path / "news.parquet")
    _, rows, table = read(tmp_path / "news.parquet")
    assert table.columns == (("text", "text"), ("label", "int64"), ("weight", "double"))
    assert rows[1] == ["Two lines\nin one", "0", None]
    assert table.kind == "parquet"


def test_of_a_pickled_frame_numbers_of_every_width_and_order_are_read(tmp_path):
    kinds = ("int8", "uint16", ">i4", "int64", "float16", ">f8", "bool")
    frame = pd.DataFrame({kind: np.array([1, 0]).astype(kind) for kind in kinds})
    frame["scalars"] = pd.Series([np.int64(7), np.float32("nan")], dtype=object)
    frame.to_pickle(tmp_path / "numbers.pkl")
    _, rows, _ = read(tmp_path / "numbers.pkl")
    assert rows == [
        ["1", "1", "1", "1", "1.0", "1.0", "True", "7"],
        ["0", "0", "0", "0", "0.0", "0.0", "False", None],
    ]


def test_only_as_many_rows_are_read_as_are_wanted(tmp_path):
    FRAME.to_csv(tmp_path / "news.csv", index=False)
    assert len(read(tmp_path / "news.csv", at_most=2)[1]) == 2


def test_a_thousand_rows_and_more_come_in_order(tmp_path):
    pd.DataFrame({"text": map(str, range(2500)), "label": 1}).to_csv(tmp_path / "news.csv", index=False)
    assert [row[0] for row in read(tmp_path / "news.csv")[1]] == [str(number) for number in range(2500)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.txt",
            "One text\nAnother text\n",
            r"This file holds texts alone; save a table that has a column of texts and",
        ),
        ("a.json", '["One text", "Another"]', r"This file holds texts alone; save a table"),
        ("a.json", '{"text": ["a", "b"], "label": [1]}', r"The columns of this table have not equally many rows"),
        ("a.csv", "text,text\na,b\n", r"There is more than one column 'text' in this file; it has 'text', 'text'\."),
        ("a.csv", "text,topic\na,b\n", r"There is no column 'label' in this file; it has 'text', 'topic'\."),
        (
            "a.csv",
            ",".join(map(str, range(1001))) + "\n" + "x," * 1000 + "x\n",
            r"This table has 1,001 columns, and at most",
        ),
        ("a.csv", "", r"The file 'a\.csv' is empty"),
    ],
)
def test_what_is_no_such_table_is_told_in_a_sentence(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    columns = () if "1000" in content else ("text", "label")
    with pytest.raises(DataError, match=message):
        read(tmp_path / name, columns=columns)


def test_a_hostile_pickle_is_refused_as_when_its_texts_are_read(tmp_path):
    marker = tmp_path / "ran"
    (tmp_path / "evil.pkl").write_bytes(dict(hostile_pickles.calls(str(marker)))["reduce"])
    with pytest.raises(UnsafePickleError):
        read(tmp_path / "evil.pkl")
    assert not marker.exists()
