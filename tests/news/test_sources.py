"""Where news is found, and what is said when it cannot be had."""

import pytest

from agnews_core.config import TrainConfig
from agnews_core.errors import DataError
from agnews_core.hub import hub_answers
from agnews_core.news.sources import NewsFolder, find_news, look_for_news
from agnews_core.news.splits import load_news


@pytest.mark.parametrize("name", ["/nope", "~nobody-here/x", "x" * 5000, "x\0"])
def test_a_folder_that_is_not_there_is_told(name):
    with pytest.raises(DataError, match=r"There is no news folder .*; give a folder that holds train"):
        find_news(name)


def test_a_folder_of_something_else_is_told_before_it_is_read(tmp_path):
    with pytest.raises(DataError, match=r"The folder .* holds no train file; wanted one of train\.parquet"):
        look_for_news(str(tmp_path))


def test_a_file_instead_of_a_folder_is_told(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\n")
    with pytest.raises(DataError, match="There is no news folder"):
        find_news(str(tmp_path / "train.csv"))


def test_a_folder_is_called_the_same_from_wherever_it_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "news").mkdir()
    (tmp_path / "news" / "train.csv").touch()
    first = find_news("news")
    assert first == find_news(first.data)


def test_auto_takes_the_folder_in_the_environment(tiny_news, monkeypatch):
    monkeypatch.setenv("AGNEWS_DATA_DIR", str(tiny_news))
    assert find_news("auto").path == tiny_news


@pytest.mark.parametrize("name", ["/nope", "auto"])
def test_a_folder_in_the_environment_that_is_not_there_is_told_with_the_variable(monkeypatch, name):
    monkeypatch.setenv("AGNEWS_DATA_DIR", name)
    with pytest.raises(DataError, match=rf"no news folder {name} \(AGNEWS_DATA_DIR\); give a folder"):
        find_news("auto")


WITHOUT_HUB = "AG News (fancyzhx/ag_news) is not in the hub's cache, and the hub does not answer"


def test_auto_is_the_sample_without_a_hub_and_says_why():
    folder = find_news("auto")
    assert folder.data == "sample"
    assert folder.reason == f"The news is the bundled sample, since {WITHOUT_HUB}."


def test_the_sample_found_by_auto_is_called_as_the_sample_asked_for():
    assert find_news("auto").source == find_news("sample").source == "sample (bundled with this program)"


def test_the_hub_that_cannot_be_reached_is_told_with_the_ways_out():
    with pytest.raises(DataError) as caught:
        find_news("hub")
    assert str(caught.value) == (
        f"{WITHOUT_HUB}; connect to the hub once, or set `data` to a folder of news or to sample, the bundled news."
    )


@pytest.mark.parametrize("name", ["auto", "hub"])
def test_news_comes_from_the_hub_where_it_answers_and_from_the_cache_afterwards(hub_news, name):
    news = load_news(TrainConfig(data=name))
    assert (news.folder.data, news.folder.reason) == ("hub", "")
    assert (news.counts.source, news.counts.n_read, news.counts.n_test) == ("hub (fancyzhx/ag_news)", 80, 8)
    hub_news.stop()
    hub_answers.forget()
    assert find_news(name) == news.folder


@pytest.mark.parametrize("name", ["auto", "hub"])
def test_a_look_at_what_news_there_would_be_downloads_nothing(hub_news, name):
    found = look_for_news(name)
    assert (found.data, found.source, found.reason) == ("hub", "hub (fancyzhx/ag_news)", "")
    assert not isinstance(found, NewsFolder)
    assert hub_news.asked == [("HEAD", "/")]


def test_a_download_of_news_that_was_cut_off_does_not_count_as_cached(hub_news):
    (find_news("hub").path / "data" / "test-00000-of-00001.parquet").unlink()
    assert not isinstance(look_for_news("hub"), NewsFolder)


def test_auto_says_when_the_hub_answers_but_the_news_cannot_be_downloaded(hub_news):
    hub_news.fail("reset", ".parquet")
    assert find_news("auto").reason == (
        "The news is the bundled sample, since AG News (fancyzhx/ag_news) is not in the hub's cache, and its download broke off."
    )
