"""Where what can be made again is kept."""

from pathlib import Path

import pytest

from agnews_core.folders import get_cache_dir


def test_the_cache_is_where_its_variable_says_or_else_in_the_users_cache_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AGNEWS_CACHE_DIR", str(tmp_path / "mine"))
    assert get_cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("AGNEWS_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert get_cache_dir() == tmp_path / "agnews"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert get_cache_dir() == Path.home() / ".cache" / "agnews"
