import pytest

from agnews_core.errors import DataError
from agnews_core.publishing import kept
from agnews_core.publishing.kept import fetch_kept, keep_texts


def test_texts_are_kept_on_disk_and_fetched_as_they_were():
    texts = ["Shares fell", "", "A goal 🎉\nin the last minute"]
    assert list(fetch_kept(keep_texts(texts))["text"]) == texts


def test_what_is_gone_is_asked_for_again():
    path = keep_texts(["Shares fell"])
    path.unlink()
    for gone in (path, None):
        with pytest.raises(DataError, match=r"^This file is no longer kept here; upload it again\.$"):
            fetch_kept(gone)


def test_all_visitors_files_together_stay_within_a_bound(monkeypatch):
    monkeypatch.setattr(kept, "MAX_KEPT_BYTES", kept.measure_downloads() + 2000)
    keep_texts(["Shares fell"])
    with pytest.raises(
        DataError, match=r"no room to keep another file at the moment; try again in an hour, or with a smaller"
    ):
        keep_texts(["Shares fell"] * 200)
