"""Where news is found, and what is said when it cannot be had."""

from pathlib import Path

import huggingface_hub
import pandas as pd
import pytest

from agnews_core import hub
from agnews_core.config import TrainConfig
from agnews_core.errors import DataError
from agnews_core.news import sources as news_sources
from agnews_core.news.sources import HUB_DATASET, find_news
from agnews_core.news.splits import load_news


@pytest.mark.parametrize("name", ["/nope", "~nobody-here/x", "x" * 5000, "x\0"])
def test_a_folder_that_is_not_there_is_told(name):
    with pytest.raises(DataError, match=r"There is no news folder .*; give a folder that holds train"):
        find_news(name)


def test_a_file_instead_of_a_folder_is_told(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\n")
    with pytest.raises(DataError, match="There is no news folder"):
        find_news(str(tmp_path / "train.csv"))


def test_a_folder_is_called_the_same_from_wherever_it_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "news").mkdir()
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


def test_auto_is_the_sample_without_a_hub_and_says_why():
    folder = find_news("auto")
    assert folder.data == "sample"
    assert folder.reason == "The news is the bundled sample, since the hub, where AG News is, does not answer."


def test_the_sample_found_by_auto_is_called_as_the_sample_asked_for():
    assert find_news("auto").source == find_news("sample").source == "sample (bundled with this program)"


def test_the_hub_that_cannot_be_reached_is_told_with_the_ways_out():
    with pytest.raises(
        DataError,
        match=r"AG News \(fancyzhx/ag_news\) is not in .* downloaded now; connect to the hub, or set `data` to a folder",
    ):
        find_news("hub")


@pytest.fixture
def hub_news(tmp_path, monkeypatch) -> Path:
    """AG News as a snapshot of the hub has it; only the call to the hub is replaced."""
    for split, count in (("train", 80), ("test", 8)):
        path = tmp_path / "hub" / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame(
            {"text": [f"{split} {number}" for number in range(count)], "label": [0, 1, 2, 3] * (count // 4)}
        )
        frame.to_parquet(path)

    def snapshot_download(repo_id, *, repo_type, local_files_only=False, allow_patterns=None):
        assert (repo_id, repo_type) == (HUB_DATASET, "dataset")
        if local_files_only:
            raise huggingface_hub.errors.LocalEntryNotFoundError("not cached")
        assert allow_patterns == ["*.parquet"]
        return str(tmp_path / "hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    for module in (hub, news_sources):
        monkeypatch.setattr(module, "hub_answers", lambda: True)
    return tmp_path / "hub"


@pytest.mark.parametrize("name", ["auto", "hub"])
def test_news_comes_from_the_hub_where_it_answers(hub_news, name):
    news = load_news(TrainConfig(data=name))
    assert (news.folder.path, news.folder.data) == (hub_news, "hub")
    assert (news.counts.source, news.counts.n_read, news.counts.n_test) == ("hub (fancyzhx/ag_news)", 80, 8)


def test_a_download_of_news_that_was_cut_off_does_not_count_as_cached(hub_news, monkeypatch):
    (hub_news / "data" / "test-00000-of-00001.parquet").unlink()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *args, **kwargs: str(hub_news))
    assert hub.find_in_hub_cache(HUB_DATASET, repo_type="dataset") is None


def test_auto_says_when_the_hub_answers_but_the_news_cannot_be_downloaded(monkeypatch):
    def snapshot_download(*args, local_files_only=False, **kwargs):
        raise huggingface_hub.errors.LocalEntryNotFoundError("x") if local_files_only else OSError(28, "No space left")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    for module in (hub, news_sources):
        monkeypatch.setattr(module, "hub_answers", lambda: True)
    assert find_news("auto").reason == "The news is the bundled sample, since AG News could not be downloaded."
