"""The commands for labelled files of one's own."""

import json

import pytest

from tests.cli.commands import fails, run_command
from tests.news.files import make_set, write

FILE = (
    'id,Headline,Topic\n1,"Council, approves line",politics\n2,Striker scores,Sport\n3,,Sport\n4,Probe lands,SCIENCE\n'
)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.setenv("AGNEWS_RUNS_DIR", str(tmp_path / "runs"))
    return write(tmp_path / "mine.csv", FILE)


def test_a_file_is_added_listed_and_removed(mine, capsys):
    status, out, _ = run_command(capsys, "news", "add", mine, "--name", "mine", "--map", "politics=World")
    assert status == 0
    described = (
        "set:mine: 3 texts from mine.csv (World 1, Sports 1, Business 0, Sci/Tech 1); left out: 1 without a text."
    )
    assert out.splitlines() == [
        "Texts from 'Headline', classes from 'Topic'.",
        described,
        "Train on it with --data set:mine, or beside other news with --more-train-files set:mine.",
    ]
    assert run_command(capsys, "news", "list")[1] == described + "\n"
    listed = json.loads(run_command(capsys, "news", "list", "--json")[1])["sets"]
    assert [(one["name"], one["n_by_class"], one["mapping"]["politics"]) for one in listed] == [
        ("mine", [1, 1, 0, 1], 0)
    ]
    assert run_command(capsys, "news", "remove", "mine") == (0, "", "The set mine is removed.\n")
    assert run_command(capsys, "news", "list")[1].startswith("There are no sets in ")


def test_a_dry_run_shows_the_guess_the_rows_and_the_labels_and_adds_nothing(mine, tmp_path, capsys):
    status, out, err = run_command(capsys, "news", "add", mine, "--name", "mine", "--dry-run")
    assert status == 2
    lines = out.splitlines()
    assert lines[1].split() == ["'Headline'", "text", "texts"]
    assert lines[2].split() == ["'Topic'", "text", "classes"]
    assert lines[3] == "  1 | Council, approves line | politics"
    assert ["'politics'", "1", "?"] in [line.split() for line in lines]
    assert ["'SCIENCE'", "1", "Sci/Tech"] in [line.split() for line in lines]
    assert "'politics' (1). Map it to a class, or leave it out." in err
    assert not (tmp_path / "runs").exists()


def test_a_mapping_or_a_name_that_cannot_be_used_is_told(mine, capsys):
    assert "'Sprots' is no class" in fails(capsys, "news", "add", mine, "--name", "mine", "--map", "Sport=Sprots")
    assert "'../mine' cannot name a set" in fails(capsys, "news", "add", mine, "--name", "../mine")
    assert "There is no set mine" in fails(capsys, "news", "remove", "mine")


def test_a_damaged_set_is_listed_with_what_is_wrong_and_hides_no_other(mine, tmp_path, capsys):
    for name in ("a", "b"):
        make_set(tmp_path / "runs", name, [("text", 0)])
    write(tmp_path / "runs" / "_sets" / "a" / "set.json", "{")
    lines = run_command(capsys, "news", "list")[1].splitlines()
    assert lines[0] == "set:a: The set a has no readable set.json; remove it and add the file again."
    assert lines[1].startswith("set:b: 1 texts from mine.csv")
    problems = [one.get("problem", "") for one in json.loads(run_command(capsys, "news", "list", "--json")[1])["sets"]]
    assert [bool(problem) for problem in problems] == [True, False]
