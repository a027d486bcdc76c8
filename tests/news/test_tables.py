"""A file or a folder of news, read and checked."""

from pathlib import Path

import pandas as pd
import pytest

from agnews_core.config import TrainConfig
from agnews_core.errors import DataError
from agnews_core.news.splits import News, load_news
from agnews_core.news.tables import read_table
from tests.news.files import make_rows, write


def load(folder: Path, **settings) -> News:
    return load_news(TrainConfig(data=str(folder), **settings))


def read(path: Path) -> list[tuple[str, int]]:
    table = read_table(path)
    return list(zip(table["text"], table["label"].tolist(), strict=True))


def test_a_csv_with_a_header_is_read(tmp_path):
    assert read(write(tmp_path / "a.csv", "label,text\n3,a\n0,b\n")) == [("a", 3), ("b", 0)]


def test_the_original_csv_without_a_header_is_read_with_quotes_and_line_breaks(tmp_path):
    text = '"3","Wall ""St."" Bears","Reuters - Dwindling\\band,\nseeing green"\n"4","NA","null"\n'
    expected = [('Wall "St." Bears Reuters - Dwindling\\band,\nseeing green', 2), ("NA null", 3)]
    assert read(write(tmp_path / "a.csv", text)) == expected


def test_kaggles_csv_is_read(tmp_path):
    assert read(write(tmp_path / "a.csv", "Class Index,Title,Description\n1,a,b\n4,c,d\n")) == [("a b", 0), ("c d", 3)]


def test_a_csv_saved_by_a_spreadsheet_with_a_byte_order_mark_is_read(tmp_path):
    assert read(write(tmp_path / "a.csv", "\ufefftext,label\r\na,1\r\n")) == [("a", 1)]


def test_words_that_pandas_takes_for_missing_stay_words(tmp_path):
    assert read(write(tmp_path / "a.csv", "text,label\nNA,1\nnull,2\n")) == [("NA", 1), ("null", 2)]


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_jsonl_is_read_with_blank_lines_and_missing_texts(tmp_path, start):
    text = start + '{"text": "a", "label": 1}\n\n{"label": 2, "text": null}\n{"text": "2020-01-01", "label": 0}\n'
    assert read(write(tmp_path / "a.jsonl", text)) == [("a", 1), ("", 2), ("2020-01-01", 0)]


def test_parquet_is_read(tmp_path):
    pd.DataFrame({"text": ["a", None], "label": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [("a", 1), ("", 2)]


@pytest.mark.parametrize(
    "labels",
    [
        [2, 3], [2.0, 3.0], ["2", "3"], ["2.0", " 3 "], ["Business", "sci/tech"], ["BUSINESS ", "Sci/Tech"],
        pd.Categorical([2, 3]), pd.Categorical(["Business", "Sci/Tech"]), pd.array([2, 3], dtype="Int64"),
        pd.array([2, 3], dtype="int8[pyarrow]"),
    ],
)  # fmt: skip
def test_labels_may_be_numbers_or_names_in_any_type(tmp_path, labels):
    pd.DataFrame({"text": ["a", "b"], "label": labels}).to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [("a", 2), ("b", 3)]


def test_label_names_may_stand_where_numbers_from_one_do(tmp_path):
    assert read(write(tmp_path / "a.csv", "Class Index,Title,Description\nSports,a,b\n")) == [("a b", 1)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\na,1\nb,5\n", r"a\.csv, row 2: the label '5' is not one of 0-3 \(World, Sports, "),
        ("a.csv", "text,label\na,-1\n", r"row 1: the label '-1' is not one of 0-3"),
        ("a.csv", "5,a,b\n", r"row 1: the label '5' is not one of 1-4 \(World, Sports, Business, Sci/Tech\)\."),
        ("a.csv", "Class Index,Title,Description\n0,a,b\n", "row 1: the label '0' is not one of 1-4"),
        ("a.csv", "text,label\na\n", "row 1: the label '' is not one of 0-3"),
        ("a.csv", "text,label\na,1.5\n", r"row 1: the label '1\.5' is not one of 0-3"),
        ("a.jsonl", '{"text": "a"}\n{"text": "b", "label": 1}\n', "row 1: the label 'nan' is not one of 0-3"),
        ("a.jsonl", '{"text": "a", "label": true}\n', "row 1: the label 'True' is not one of 0-3"),
        ("a.jsonl", '{"text": "a", "label": [1]}\n', r"row 1: the label '\[1\]' is not one of 0-3"),
        ("a.jsonl", '{"text": ["a"], "label": 1}\n', r"""row 1: the text "\['a'\]" is not text\."""),
        ("a.csv", "", r"a\.csv holds no rows\."),
        ("a.csv", "text,label\n", r"a\.csv holds no rows\."),
        ("a.csv", "\n", r"a\.csv cannot be read as csv: No columns to parse from file\."),
        ("a.jsonl", "", r"a\.jsonl holds no rows\."),
        ("a.jsonl", "[]", r"a\.jsonl (holds no rows|cannot be read as jsonl)"),
        ("a.csv", "headline,class\na,1\n", r"has the columns headline, class; wanted text and label, or title, description"),
        ("a.csv", "1,a\n2,b\n", r"has the columns 1, a; wanted text and label"),
        ("a.csv", "text\na\n", r"has the columns text; wanted text and label"),
        ("a.csv", "Text,text,label\na,b,1\n", r"has the columns Text, text, label, of which two have the same name\."),
        ("a.csv", "text,label\nhello, world,3\nbye, moon,2\n", r"its rows have more fields than its header; a text with a comma"),
        ("a.csv", "text,label\na,1\nb, c,3\n", r"cannot be read as csv: .*Expected 2 fields in line 3, saw 3"),
        ("a.csv", "text,label\nç,1\n".encode("latin1"), r"cannot be read as csv: 'utf-8' codec can't decode"),
        ("a.csv", b"\x80\x04\x95", r"cannot be read as csv"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"te', r"cannot be read as jsonl"),
        ("a.jsonl", "text,label\na,1\n", r"cannot be read as jsonl"),
        ("a.parquet", "text,label\na,1\n", r"cannot be read as parquet"),
        ("a.parquet", "", r"cannot be read as parquet"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_news_is_told_in_a_sentence(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path / name, content))


@pytest.mark.parametrize("label", [float("nan"), float("inf"), None])
def test_a_missing_label_is_refused_with_its_row(tmp_path, label):
    pd.DataFrame({"text": ["a", "b"], "label": [1.0, label]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet, row 2: the label '(nan|inf)' is not one of 0-3"):
        read_table(tmp_path / "a.parquet")


def test_a_parquet_file_damaged_in_the_middle_is_told(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"text": [f"text {number}" * 9 for number in range(999)], "label": [1] * 999}).to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + b"\xff" * 400 + whole[600:])
    with pytest.raises(DataError, match="cannot be read as parquet"):
        read_table(path)


@pytest.mark.parametrize(
    "name", ["train.csv", "data/train.csv", "train-00000-of-00001.csv", "data/train-00000-of-00001.csv"]
)
def test_a_folder_may_keep_its_train_file_as_people_or_as_the_hub_does(tmp_path, name):
    write(tmp_path / name, "text,label\n" + "".join(f"{text},{label}\n" for text, label in make_rows(40)))
    assert load(tmp_path).counts.n_read == 40


def test_a_split_in_several_parts_is_read_whole(tmp_path):
    rows = make_rows(80)
    for part in (0, 1):
        frame = pd.DataFrame(rows[part * 40 : (part + 1) * 40], columns=["text", "label"])
        (tmp_path / "data").mkdir(exist_ok=True)
        frame.to_parquet(tmp_path / "data" / f"train-0000{part}-of-00002.parquet")
    news = load(tmp_path)
    assert {*news.train["text"], *news.validation["text"]} == {text for text, _ in rows}


def test_a_missing_part_is_refused(tmp_path):
    write(tmp_path / "train-00000-of-00003.csv", "text,label\na,1\n")
    with pytest.raises(DataError, match=r"train-00000-of-00003\.csv is one of 3 parts, and the folder holds 1\."):
        load(tmp_path)


def test_a_folder_without_a_train_file_is_told_what_was_wanted(tmp_path):
    write(tmp_path / "test.csv", "text,label\na,1\n")
    with pytest.raises(
        DataError, match=r"holds no train file; wanted one of train\.parquet, train\.csv, train\.jsonl\."
    ):
        load(tmp_path)


def test_a_directory_named_like_a_file_is_not_one(tmp_path):
    (tmp_path / "train.csv").mkdir()
    with pytest.raises(DataError, match="holds no train file"):
        load(tmp_path)
