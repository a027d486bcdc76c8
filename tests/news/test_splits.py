"""What news becomes: without repeats, split, counted."""

import shutil
import socket
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from agnews_core.config import TrainConfig
from agnews_core.errors import DataError
from agnews_core.news.splits import News, load_news
from agnews_core.news.tables import find_split
from tests.news.files import make_rows, write_split


def load(folder: Path, **settings) -> News:
    return load_news(TrainConfig(data=str(folder), **settings))


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
    first, other, again = (load(tiny_news, seed=seed).validation["text"][:] for seed in (1, 2, 1))
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


def test_news_is_read_once_for_as_long_as_its_files_and_what_is_taken_of_them_stay_the_same(tiny_news, tmp_path):
    shutil.copytree(tiny_news, tmp_path, dirs_exist_ok=True)
    first = load(tmp_path)
    assert load(tmp_path, learning_rate=1e-3) is first
    other = load(tmp_path, seed=7)
    assert other.digest != first.digest
    (file,) = find_split(tmp_path, "train")
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    assert load(tmp_path, seed=7).counts.n_read == other.counts.n_read - 1


def test_texts_that_are_held_out_are_a_stratified_part_of_validation_that_the_run_does_not_see(tmp_path):
    write_split(tmp_path, "train", make_rows(400))
    whole, cut = load(tmp_path), load(tmp_path, holdout_share=0.5)
    assert list(cut.train["text"]) == list(whole.train["text"])
    assert {*cut.validation["text"]} | {*cut.holdout["text"]} == {*whole.validation["text"]}
    assert not {*cut.validation["text"]} & {*cut.holdout["text"]}
    assert Counter(cut.holdout["label"]) == Counter(cut.validation["label"]) == {0: 5, 1: 5, 2: 5, 3: 5}
    assert (cut.counts.n_validation, cut.counts.n_holdout) == (20, 20)
    assert "20 to validate, 20 held out" in cut.counts.describe()
    assert list(load(tmp_path, holdout_share=0.5, seed=7).holdout["text"]) != list(cut.holdout["text"])


def test_what_is_held_out_is_the_same_however_few_texts_are_validated_on(tmp_path):
    write_split(tmp_path, "train", make_rows(400))
    few, cut = load(tmp_path, holdout_share=0.5, max_eval_samples=4), load(tmp_path, holdout_share=0.5)
    assert list(few.holdout["text"]) == list(cut.holdout["text"])
    assert len(few.validation) == 4
    assert {*few.validation["text"]} <= {*cut.validation["text"]}


def test_something_is_left_to_validate_on_however_much_is_held_out(tmp_path):
    write_split(tmp_path, "train", make_rows(40))
    assert len(load(tmp_path, holdout_share=0.9).validation) == 1


def test_more_files_are_all_trained_on_and_none_of_their_texts_validates(tmp_path):
    write_split(tmp_path, "train", make_rows(40))
    write_split(tmp_path, "more", make_rows(30, prefix="more"))
    whole, more = load(tmp_path), load(tmp_path, more_train_files="more.jsonl")
    assert list(more.validation["text"]) == list(whole.validation["text"])
    assert list(more.train["text"]) == [*whole.train["text"], *(text for text, _ in make_rows(30, prefix="more"))]
    assert (more.counts.n_read, more.counts.n_train, more.counts.n_validation) == (70, 66, 4)
    assert more.digest != whole.digest


def test_rows_of_more_files_that_repeat_news_or_each_other_are_left_out_and_counted(tmp_path):
    write_split(tmp_path, "train", make_rows(40))
    write_split(tmp_path, "test", [("of the test", 1)])
    again = [(text.upper(), label) for text, label in make_rows(40)]
    write_split(tmp_path, "more", [*again, ("new", 1), ("NEW", 1), ("", 2), ("Of the test", 1)])
    news = load(tmp_path, more_train_files="more.jsonl")
    counts = news.counts
    assert (counts.n_read, counts.n_duplicates, counts.n_in_test, counts.n_empty) == (84, 41, 1, 1)
    assert [text for text in news.train["text"] if not text.startswith("text ")] == ["new"]
    assert not {text.casefold() for text in news.train["text"]} & {*news.validation["text"]}


def test_more_files_that_are_not_there_or_hold_no_rows_are_told(tmp_path):
    write_split(tmp_path, "train", make_rows(40))
    write_split(tmp_path, "empty", [])
    with pytest.raises(
        DataError, match=r"holds no file more.csv; `more_train_files` names files beside its train file\.$"
    ):
        load(tmp_path, more_train_files="more.csv")
    with pytest.raises(DataError, match=r"empty\.jsonl holds no rows\.$"):
        load(tmp_path, more_train_files="empty.jsonl")


def test_news_of_which_nothing_is_held_out_has_the_digest_that_it_always_had(tmp_path):
    write_split(tmp_path, "train", make_rows(40))
    assert load(tmp_path).holdout is None
    assert load(tmp_path).digest != load(tmp_path, holdout_share=0.5).digest
    assert load(tmp_path).digest.startswith("acf77f415aa1")
