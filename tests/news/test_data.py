"""News: every form it comes in, what is refused, what is left out and counted, and how it is split; the bundled sample."""

import csv
import itertools
import json
import socket
from collections import Counter, defaultdict
from pathlib import Path

import pandas as pd
import pytest

from agnews_core.config import TrainConfig
from agnews_core.errors import DataError
from agnews_core.labels import LABELS
from agnews_core.models.backbones import load_backbone, load_tokenizer
from agnews_core.news.sources import SAMPLE_DIR
from agnews_core.news.splits import News, load_news
from agnews_core.news.tables import read_table
from agnews_core.news.tokens import encode, tokenize

ASSETS = SAMPLE_DIR.parent
N_LABELS = len(LABELS)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_split(folder: Path, split: str, rows: list[tuple[object, object]]) -> None:
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    write(folder / f"{split}.jsonl", lines)


def make_rows(count: int, *, prefix: str = "text") -> list[tuple[str, int]]:
    return [(f"{prefix} {number}", number % N_LABELS) for number in range(count)]


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


def test_news_on_this_machine_asks_the_network_for_nothing(tiny_news, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *args: pytest.fail("asked the network"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: pytest.fail("asked the network"))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    load(tiny_news)
    load_news(TrainConfig(data="sample"))


def test_empty_texts_are_left_out_and_counted(tmp_path):
    write_split(tmp_path, "train", [*make_rows(40), ("", 1), (" \n\t", 2), (None, 3)])
    news = load(tmp_path)
    assert (news.counts.n_read, news.counts.n_empty) == (43, 3)
    assert len(news.train) + len(news.validation) == 40


def test_empty_test_texts_are_left_out_and_counted(tmp_path):
    write_split(tmp_path, "train", make_rows(40))
    write_split(tmp_path, "test", [("a", 1), ("", 2)])
    counts = load(tmp_path).counts
    assert (counts.n_test, counts.n_test_empty) == (1, 1)
    assert counts.describe().endswith("36 to train on, 4 to validate, 1 to test (1 empty ones left out).")


def test_texts_that_differ_in_case_or_white_space_alone_are_repeats(tmp_path):
    write_split(tmp_path, "train", [*make_rows(40), ("TEXT  0", 0), (" text\n0 ", 0), ("Straße", 1), ("STRASSE", 1)])
    assert load(tmp_path).counts.n_duplicates == 3


def test_the_first_of_a_text_is_the_one_that_stays(tmp_path):
    write_split(tmp_path, "train", [*make_rows(40), ("TEXT 0", 3)])
    news = load(tmp_path)
    rows = [*zip(news.train["text"], news.train["label"], strict=True)]
    rows += zip(news.validation["text"], news.validation["label"], strict=True)
    assert ("text 0", 0) in rows
    assert ("TEXT 0", 3) not in rows


def test_texts_of_the_test_file_are_left_out_of_training_and_validation(tmp_path):
    write_split(tmp_path, "train", [*make_rows(44), ("TEXT 1", 1)])
    write_split(tmp_path, "test", [("Text 1", 1), ("other", 2)])
    news = load(tmp_path)
    assert (news.counts.n_in_test, news.counts.n_duplicates, news.counts.n_test) == (2, 0, 2)
    assert "text 1" not in {*news.train["text"], *news.validation["text"]}


def test_every_row_read_is_accounted_for(tmp_path):
    write_split(tmp_path, "train", [*make_rows(50), ("", 1), ("text 3", 3), ("text 4", 0), ("text 4", 0)])
    write_split(tmp_path, "test", [("text 4", 0)])
    counts = load(tmp_path).counts
    left_out = counts.n_empty + counts.n_duplicates + counts.n_in_test
    assert counts.n_read == left_out + counts.n_train + counts.n_validation
    assert (counts.n_empty, counts.n_duplicates, counts.n_in_test) == (1, 1, 3)


def test_a_row_index_with_repeats_in_parquet_multiplies_no_row(tmp_path):
    frame = pd.DataFrame(make_rows(80), columns=["text", "label"], index=[0, 1] * 40)
    frame.to_parquet(tmp_path / "train.parquet")
    news = load(tmp_path, max_train_samples=20)
    assert len(set(news.train["text"])) == len(news.train) == 20


def test_a_tenth_is_kept_for_validation(tiny_news):
    counts = load(tiny_news).counts
    assert (counts.n_train, counts.n_validation, counts.n_test) == (144, 16, 40)


def test_training_and_validation_share_no_text(tiny_news):
    news = load(tiny_news)
    assert not set(news.train["text"]) & set(news.validation["text"])


def test_the_split_is_stratified(tmp_path):
    write_split(tmp_path, "train", [(f"text {number}", 0 if number < 100 else 1 + number % 3) for number in range(200)])
    assert Counter(load(tmp_path).validation["label"])[0] == 10


def test_the_same_seed_gives_the_same_split_and_another_another(tiny_news):
    first, again, other = (load(tiny_news, seed=seed).validation["text"][:] for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", ["max_train_samples", "max_eval_samples"])
def test_a_smaller_sample_keeps_the_classes_shares(tmp_path, name):
    write_split(tmp_path, "train", [(f"text {number}", 0 if number < 300 else 1 + number % 3) for number in range(600)])
    news = load(tmp_path, **{name: 24})
    taken = Counter((news.train if name == "max_train_samples" else news.validation)["label"])
    assert taken == {0: 12, 1: 4, 2: 4, 3: 4}


def test_a_limit_above_the_number_of_texts_takes_all(tiny_news):
    assert load(tiny_news, max_train_samples=10_000).counts.n_train == 144


def test_31_texts_of_four_classes_are_just_enough(tmp_path):
    write_split(tmp_path, "train", make_rows(31))
    assert load(tmp_path).counts.n_validation == 4


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (make_rows(30), r"30 usable texts cannot be split .* at least 2 texts, and all together at least 31\."),
        ([*[(f"t{n}", 0) for n in range(60)], ("x", 1)], r"each .* at least 2 texts"),
        ([(f"t{n}", 1) for n in range(60)], r"needs texts of at least 2 classes; of the usable texts all are Sports\."),
        ([("", 1), (" ", 2)], r"needs texts of at least 2 classes; of the usable texts none is left\."),
        ([("same", 1)] * 60, r"needs texts of at least 2 classes; of the usable texts all are Sports\."),
    ],
)
def test_too_little_news_is_told_with_how_much_is_needed(tmp_path, rows, message):
    write_split(tmp_path, "train", rows)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


@pytest.fixture(scope="module")
def tokenizer(tiny_backbone):
    return load_tokenizer(load_backbone(str(tiny_backbone)))


def test_texts_are_cut_at_max_length_and_not_padded(tokenizer):
    ids = encode(["short", "long " * 500], tokenizer, max_length=16)["input_ids"]
    assert len(ids[0]) < 16
    assert len(ids[1]) == 16


def test_a_text_of_a_megabyte_is_cut(tokenizer):
    assert len(encode(["news " * 200_000], tokenizer, max_length=128)["input_ids"][0]) == 128


def test_tokens_have_labels_and_lengths(tiny_news, tokenizer):
    news = load(tiny_news).validation
    tokens = tokenize(news, tokenizer, max_length=32)
    assert set(tokens.column_names) == {"input_ids", "attention_mask", "labels", "length"}
    assert tokens["labels"][:] == news["label"][:]
    assert tokens["length"][:] == [len(ids) for ids in tokens["input_ids"]]


def read_sample() -> dict[str, list[dict]]:
    return {
        split: [json.loads(line) for line in (SAMPLE_DIR / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
        for split in ("train", "test")
    }


def shingles(text: str) -> set[tuple[str, ...]]:
    words = "".join(char.lower() if char.isalnum() else " " for char in text).split()
    return {tuple(words[start : start + 3]) for start in range(len(words) - 2)}


def find_near_duplicates(texts: list[str], others: list[str] | None = None) -> list[tuple[str, str]]:
    """Return pairs that share a fifth of their three-word runs; with `others`, pairs of one of each."""
    both = texts + (others or [])
    runs = [shingles(text) for text in both]
    holders = defaultdict(list)
    for number, own in enumerate(runs):
        for run in own:
            holders[run].append(number)
    shared = Counter(pair for numbers in holders.values() for pair in itertools.combinations(numbers, 2))
    return [
        (both[a], both[b])
        for (a, b), count in shared.items()
        if count / len(runs[a] | runs[b]) >= 0.2 and (others is None or a < len(texts) <= b)
    ]


def test_the_search_for_near_duplicates_finds_one():
    text = "Stocks rose on Monday as oil prices fell and investors took heart"
    assert find_near_duplicates([text, "Something else altogether happened", text.replace("Monday", "Tuesday")])


def test_the_sample_has_at_least_200_texts_of_each_class():
    rows = [row for split in read_sample().values() for row in split]
    assert len(rows) >= 800
    assert all(Counter(row["label"] for row in rows)[label] >= 200 for label in range(N_LABELS))


def test_every_class_is_in_both_parts_of_the_sample():
    for split, rows in read_sample().items():
        assert {row["label"] for row in rows} == set(range(N_LABELS)), split


def test_every_text_of_the_sample_has_25_to_60_words():
    lengths = {row["text"]: len(row["text"].split()) for rows in read_sample().values() for row in rows}
    assert {text: words for text, words in lengths.items() if not 25 <= words <= 60} == {}


def test_no_two_texts_of_the_sample_are_near_duplicates():
    assert find_near_duplicates([row["text"] for rows in read_sample().values() for row in rows]) == []


def test_nothing_of_the_sample_is_left_out_when_it_is_read():
    counts = load_news(TrainConfig(data="sample")).counts
    assert (counts.n_empty, counts.n_duplicates, counts.n_in_test, counts.n_test_empty) == (0, 0, 0, 0)


def test_no_example_is_a_text_of_the_sample():
    examples = (
        sorted(ASSETS.glob("examples/*.csv"))
        + sorted(ASSETS.glob("examples/*.jsonl"))
        + sorted(ASSETS.glob("examples/*.txt"))
    )
    texts = [text for path in examples for text in read_example(path)]
    pickle = ASSETS / "examples" / "test_unlabelled.pkl"
    if pickle.exists():
        texts += list(pd.read_pickle(pickle)["text"])  # our own file
    sample = [row["text"] for rows in read_sample().values() for row in rows]
    assert find_near_duplicates(texts, sample) == []


def read_example(path: Path) -> list[str]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return [row["text"] for row in csv.DictReader(file) if row.get("text")]
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines] if path.suffix == ".jsonl" else lines
