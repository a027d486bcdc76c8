"""Named sets: found, listed, named in settings, trained beside other news, checked, removed."""

import shutil
from collections import Counter

import pytest

from agnews_core.config import TrainConfig, build_config
from agnews_core.errors import AgNewsError, DataError, RunError
from agnews_core.inference.assess import load_texts
from agnews_core.jobs.visitors import HOST, Visitor, check_settings
from agnews_core.news.sets import CARD, find_set, list_sets, locate_set
from agnews_core.news.sources import find_news
from agnews_core.news.splits import load_news
from agnews_core.news.tables import stamp_news
from agnews_core.runs import create_run, list_runs
from agnews_core.runs.sets import remove
from tests.news.files import make_rows, make_set, write


@pytest.fixture
def runs_dir(tmp_path, monkeypatch):
    """A folder of runs, the default one, with the set `mine` of 40 texts."""
    monkeypatch.setenv("AGNEWS_RUNS_DIR", str(tmp_path / "runs"))
    make_set(tmp_path / "runs", "mine", make_rows(40))
    return tmp_path / "runs"


def test_a_set_is_news_under_its_name_wherever_the_folder_of_runs_is(runs_dir, monkeypatch):
    path = runs_dir / "_sets" / "mine"
    assert find_news("set:mine").path == path
    monkeypatch.delenv("AGNEWS_RUNS_DIR")
    found = find_news("set:mine", runs_dir)
    assert (found.path, found.data, found.source) == (path, str(path), "set mine (mine.csv)")
    assert find_news(f"set:{path}").path == path


def test_sets_are_no_runs(runs_dir):
    assert list_runs(runs_dir) == []
    with pytest.raises(RunError, match=r"'_sets' cannot name a run"):
        create_run(runs_dir, build_config(), name="_sets")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("set:other", r"^There is no set other in .*runs; there are: mine\. Add one with `news add`\.$"),
        ("set:../mine", r"^There is no set in the folder \.\./mine; give the name of one\.$"),
        ("set:", r"^'' cannot name a set; use up to 64 letters"),
        ("mine", r"^There is no news folder mine; .*\(The set of this name is written set:mine\.\)$"),
    ],
)
def test_a_set_that_is_not_there_is_told(runs_dir, data, message):
    with pytest.raises(AgNewsError, match=message):
        find_news(data)


def test_a_set_that_is_gone_is_told_by_its_name(runs_dir):
    located = locate_set("set:mine")
    shutil.rmtree(runs_dir / "_sets" / "mine")
    for name in (located, located.removeprefix("set:")):
        with pytest.raises(
            DataError, match=r"^The set 'mine' is no longer in .*_sets; add it again with `news add`\.$"
        ):
            find_news(name)


def test_texts_that_are_not_as_they_were_added_are_refused(runs_dir):
    path = find_set("mine").texts_path
    damaged = path.read_bytes()
    path.write_bytes(damaged[:-100] + bytes(100))
    message = r"^The texts of the set mine are damaged: .* Remove the set and add mine\.csv again\.$"
    with pytest.raises(DataError, match=message):
        load_news(TrainConfig(data="set:mine"))
    with pytest.raises(DataError, match=message):
        load_texts(TrainConfig(data="set:mine"), split="test")
    path.unlink()
    with pytest.raises(DataError, match=message):
        find_set("mine").check()


def test_a_card_that_cannot_be_read_is_told_and_does_not_keep_the_set_from_being_removed(runs_dir):
    write(runs_dir / "_sets" / "mine" / CARD, "{")
    with pytest.raises(
        DataError, match=r"^The set mine has no readable set\.json; remove it and add the file again\.$"
    ):
        find_news("set:mine")
    remove(runs_dir, "mine")
    assert list_sets(runs_dir) == []
    assert list((runs_dir / "_sets").iterdir()) == []


@pytest.mark.parametrize("name", ["../mine", "/tmp/mine", ""])
def test_what_is_removed_is_named_and_no_path(runs_dir, name):
    with pytest.raises(RunError, match="cannot name a set"):
        remove(runs_dir, name)


@pytest.mark.parametrize("settings", [{"data": "set:mine"}, {"more_train_files": "set:mine"}])
def test_a_set_that_a_run_waits_for_is_not_removed(runs_dir, settings):
    run = create_run(runs_dir, build_config(settings), name="waiting")
    with pytest.raises(RunError, match=r"^The run waiting, which is queued, needs the set mine; stop it first\.$"):
        remove(runs_dir, "mine")
    run.stop()
    remove(runs_dir, "mine")
    assert list_sets(runs_dir) == []


def test_all_texts_of_a_set_beside_other_news_are_trained_on_and_none_validated_on(runs_dir, tiny_news):
    alone = load_news(TrainConfig(data=str(tiny_news)))
    both = load_news(TrainConfig(data=str(tiny_news), more_train_files=("set:mine",)))
    assert Counter(both.train["text"]) - Counter(alone.train["text"]) == Counter(text for text, _ in make_rows(40))
    assert list(both.validation["text"]) == list(alone.validation["text"])
    assert (both.counts.n_train, both.counts.n_by_class) == (
        184,
        tuple(Counter(both.train["label"])[n] for n in range(4)),
    )
    assert both.digest != alone.digest
    located = load_news(TrainConfig(data=str(tiny_news), more_train_files=(locate_set("set:mine"),)))
    assert located.digest == both.digest
    assert stamp_news(tiny_news, ("set:mine",)) != stamp_news(tiny_news)


def test_a_model_is_measured_on_all_of_a_set_as_its_test_texts(runs_dir):
    texts = load_texts(TrainConfig(data="set:mine"), split="test")
    assert list(zip(texts.texts, texts.labels, strict=True)) == make_rows(40)
    assert (texts.counts.n_test, texts.counts.source) == (40, "set mine (mine.csv)")
    assert len(load_texts(TrainConfig(data="set:mine"), split="validation").texts) == 4


@pytest.mark.parametrize("settings", [{"data": "set:mine"}, {"more_train_files": "set:mine"}])
def test_visitors_of_an_open_page_train_on_no_sets(settings):
    config = build_config({"data": "sample", **settings})
    check_settings(config, HOST)
    with pytest.raises(AgNewsError, match=r"is not on offer on a page that everybody can open"):
        check_settings(config, Visitor("somebody"))
