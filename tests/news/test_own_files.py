"""A labelled file of one's own, looked at and made a named set."""

import json
import threading
from pathlib import Path

import pandas as pd
import pytest

from agnews_core.errors import DataError, RunError, UnsafePickleError
from agnews_core.news.own_files import Asked, add_set, look
from agnews_core.news.sets import find_set, list_sets
from agnews_core.news.tables import read_table
from agnews_core.uploads import Limits
from tests.uploads import hostile_pickles

ROWS = [
    ("Council approves line", "politics"),
    ("Striker scores twice", "Sport"),
    ("Shares fall on rate fears", "business"),
    ("Probe reaches Mars", "SCIENCE"),
    (" ", "Sport"),
    ("Untitled", ""),
    ("Chess, again", "misc"),
]
TOLD = Asked(mapping={"politics": 0, "misc": None})


@pytest.fixture
def mine(tmp_path) -> Path:
    path = tmp_path / "mine.csv"
    pd.DataFrame(ROWS, columns=["Headline", "Topic"]).to_csv(path, index=False)
    return path


def write(path: Path, columns: dict, **how) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False, **how)
    return path


def test_a_file_becomes_a_set_with_what_was_left_out_counted(mine, tmp_path):
    made = add_set(mine, tmp_path, "mine", TOLD, owner="somebody")
    rows = read_table(made.texts_path)
    assert list(zip(rows["text"], rows["label"], strict=True)) == [(ROWS[label][0], label) for label in range(4)]
    card = made.read_card()
    assert (card.source, card.kind, card.text_columns, card.label_column) == ("mine.csv", "csv", ("Headline",), "Topic")
    assert card.mapping == {"Sport": 1, "politics": 0, "business": 2, "SCIENCE": 3, "misc": None}
    assert (card.n_read, card.n, card.n_by_class) == (7, 4, (1, 1, 1, 1))
    assert card.left_out == "1 without a text, 1 without a label, 1 of other labels"
    assert (card.owner, len(card.digest)) == ("somebody", 64)
    assert sorted(path.name for path in made.path.iterdir()) == ["set.json", "train.parquet"]
    assert [one.name for one in list_sets(tmp_path)] == ["mine"]
    assert [path.name for path in made.path.parent.iterdir()] == ["mine"]


def test_a_look_shows_columns_guess_rows_counts_and_what_is_to_be_mapped(mine):
    found = look(mine)
    assert found.columns == (("Headline", "text"), ("Topic", "text"))
    assert (found.asked.text_columns, found.asked.label_column) == (("Headline",), "Topic")
    assert found.rows[1] == ["Striker scores twice", "Sport"]
    assert found.n_by_label == {"Sport": 2, "politics": 1, "business": 1, "SCIENCE": 1, "misc": 1}
    assert (found.n_unlabelled, found.n_by_class) == (1, (0, 2, 1, 1))
    assert found.mapping.unknown == {"politics": 1, "misc": 1}
    assert found.problem.startswith("2 labels of the column 'Topic' are none of the classes")
    assert look(mine, TOLD).problem == ""


@pytest.mark.parametrize(
    ("columns", "texts", "label"),
    [
        ({"text": ["a b"], "label": ["World"], "body": ["long long long"]}, ("text",), "label"),
        ({"Class Index": [4], "Title": ["a"], "Description": ["b"]}, ("Title", "Description"), "Class Index"),
        ({"id": [100, 200], "was": ["sport", "tech"], "what": ["some words here", "and more"]}, ("what",), "was"),
        (
            {"when": ["2026-01-02"], "who": ["me"], "Category": ["World"], "words": ["some words here"]},
            ("words",),
            "Category",
        ),
    ],
)
def test_columns_are_guessed_by_name_else_by_what_they_hold(tmp_path, columns, texts, label):
    asked = look(write(tmp_path / "a.csv", columns)).asked
    assert (asked.text_columns, asked.label_column) == (texts, label)


def test_columns_that_are_chosen_are_taken(tmp_path):
    path = write(tmp_path / "a.csv", {"text": ["no"], "label": ["no"], "words": ["yes"], "is": ["Sports"]})
    made = add_set(path, tmp_path, "mine", Asked(text_columns=("words",), label_column="is"))
    assert read_table(made.texts_path)["text"].tolist() == ["yes"]


def test_titles_and_descriptions_stay_apart_so_that_it_is_known_where_a_title_ends(tmp_path):
    path = write(
        tmp_path / "a.csv", {"title": ["Goal", "Deal"], "description": ["He scores.", "They buy."], "label": [1, 4]}
    )
    rows = read_table(add_set(path, tmp_path, "mine").texts_path)
    assert rows["text"].tolist() == ["Goal He scores.", "Deal They buy."]
    assert rows["title_end"].tolist() == [4, 4]
    assert rows["label"].tolist() == [0, 3]


def test_latin_1_is_read_and_that_is_said(tmp_path):
    path = write(tmp_path / "a.csv", {"text": ["Späte Tore"], "label": ["Sports"]}, encoding="latin-1")
    made = add_set(path, tmp_path, "mine")
    assert read_table(made.texts_path)["text"].tolist() == ["Späte Tore"]
    assert "Read as Latin-1, since it is not valid UTF-8." in made.read_card().notes


def test_one_class_alone_is_said(tmp_path):
    notes = look(write(tmp_path / "a.csv", {"text": ["a", "b"], "label": ["Sports", "Sports"]})).notes
    assert notes[-1].startswith("All texts are Sports: they can be added to other news (`more_train_files`)")


def test_class_weights_are_offered_where_a_class_has_more_than_three_times_the_texts_of_another(tmp_path):
    offer = "Sports has 4 texts and World 1: with `class_weight` balanced, each class counts alike in training."
    uneven = write(tmp_path / "a.csv", {"text": list("abcde"), "label": ["World", *["Sports"] * 4]})
    assert look(uneven).notes[-1] == offer
    even = write(tmp_path / "b.csv", {"text": list("abcd"), "label": ["World", *["Sports"] * 3]})
    assert look(even).notes == ()


@pytest.mark.parametrize(
    ("columns", "asked", "message"),
    [
        ({"text": [f"text {n}" for n in range(3000)], "label": list(range(3000))}, Asked(),
         r"The column 'label' holds 3,000 different labels, and classes have at most 100; choose another column for"),
        ({"text": ["a"], "topic": ["Sports"]}, Asked(label_column="text", text_columns=("text",)),
         r"The column 'text' cannot hold both the texts and their classes; it has 'text', 'topic'\."),
        ({"text": ["Sports: he scores"]}, Asked(),
         r"Which column says the class of each text\? Choose it by its name; it has 'text'\."),
        ({"label": ["Sports"], "n": [3]}, Asked(), r"This file has no column of texts beside 'label'; it has 'label', 'n'\."),
        ({"text": ["a"], "label": ["Sports"]}, Asked(label_column="topic"), r"There is no column 'topic' in this file"),
        ({"text": ["a"], "label": ["weather"]}, Asked(), r"1 label of the column 'label' is none of the classes"),
        ({"text": ["a"], "label": ["weather"]}, Asked(leaves_out_unknown=True), r"No row of a\.csv has both a text and"),
        ({"text": ["a"], "label": ["Sports"]}, Asked(mapping={"sprot": 1}), r"There is no label 'sprot' in this file"),
        ({"a": ["x"], "b": ["y"], "c": ["z"], "label": ["World"]}, Asked(text_columns=("a", "b", "c")),
         r"A text is in one column, or in one of titles and one of descriptions; choose no more than two\."),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_added_is_told_why_and_leaves_nothing(tmp_path, columns, asked, message):
    path = write(tmp_path / "a.csv", columns)
    with pytest.raises(DataError, match=message):
        add_set(path, tmp_path, "mine", asked)
    assert list((tmp_path / "_sets").iterdir()) == []


def test_a_hostile_pickle_is_refused(tmp_path):
    (tmp_path / "evil.pkl").write_bytes(dict(hostile_pickles.calls(str(tmp_path / "ran")))["reduce"])
    with pytest.raises(UnsafePickleError):
        add_set(tmp_path / "evil.pkl", tmp_path, "mine")
    assert not (tmp_path / "ran").exists()


def test_a_strangers_file_has_the_limits_of_one_to_predict(mine, tmp_path):
    with pytest.raises(DataError, match=r"The file 'mine\.csv' has 1 MB, and at most 1 MB are read; split it"):
        add_set(mine, tmp_path, "mine", TOLD, limits=Limits(file_bytes=10))
    with pytest.raises(DataError, match=r"its texts take more than 1 MB"):
        add_set(mine, tmp_path, "mine", TOLD, limits=Limits(answer_bytes=10))


@pytest.mark.parametrize("name", ["../mine", "/tmp/mine", ".mine", "a b", "", "x" * 65])
def test_a_name_that_is_a_path_or_hard_to_type_is_refused(mine, tmp_path, name):
    with pytest.raises(RunError, match=r"cannot name a set; use up to 64 letters"):
        add_set(mine, tmp_path, name, TOLD)


def test_of_two_that_add_a_set_of_one_name_at_once_one_is_told(mine, tmp_path):
    at_once, came = threading.Barrier(2), []

    def add() -> None:
        at_once.wait()
        try:
            came.append(add_set(mine, tmp_path, "mine", TOLD).name)
        except DataError as error:
            came.append(str(error))

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = "There is a set named mine already; choose another name, or remove that set first."
    assert sorted(came) == [taken, "mine"]
    find_set("mine", tmp_path).check()
    assert [path.name for path in (tmp_path / "_sets").iterdir()] == ["mine"]


def test_a_card_is_read_as_it_was_written(mine, tmp_path):
    made = add_set(mine, tmp_path, "mine", TOLD)
    stored = json.loads((made.path / "set.json").read_text())
    assert stored["schema_version"] == 1
    assert made.read_card().mapping == stored["mapping"]
