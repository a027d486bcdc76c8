"""Writing whole files: the old text or the new one."""

import os

import pytest

from agnews_core.whole_files import replacing, write_whole


def test_a_failed_write_leaves_the_old_text_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    write_whole(path, "old")

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]
    assert path.read_text() == "old"


def test_what_is_written_in_place_of_a_file_is_seen_only_once_it_is_whole(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_replacement_that_breaks_off_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("old")

    def write(temporary):
        temporary.write_text("ne")
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"), replacing(path) as temporary:
        write(temporary)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
