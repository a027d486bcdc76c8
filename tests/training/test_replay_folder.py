"""The folder of frozen layers' output: its limit, what makes room, who fills a file."""

import os
import shutil

import pytest

from agnews_core.errors import ConfigError
from agnews_core.runs.locks import hold_shared
from agnews_core.training.replay_folder import (
    MOST_BYTES,
    get_replay_dir,
    locking,
    make_room,
    mark_use,
    read_limit,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("AGNEWS_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("AGNEWS_REPLAY_GB", "1e-6")  # 1,000 bytes
    get_replay_dir().mkdir()
    return get_replay_dir()


def write(path, *, used_at: int, n_bytes: int = 400):
    path.write_bytes(bytes(n_bytes))
    os.utime(path, (used_at, used_at))
    return path


def test_what_was_used_longest_ago_makes_room(folder):
    oldest, older = write(folder / "b.safetensors", used_at=1), write(folder / "a.safetensors", used_at=2)
    assert make_room(folder / "new.safetensors", 500)
    assert (oldest.exists(), older.exists()) == (False, True)


def test_a_file_that_is_used_again_stays_longer(folder):
    first, second = write(folder / "a.safetensors", used_at=1), write(folder / "b.safetensors", used_at=2)
    mark_use(first)
    assert make_room(folder / "new.safetensors", 500)
    assert (first.exists(), second.exists()) == (True, False)


def test_nothing_goes_where_there_is_room(folder):
    other = write(folder / "a.safetensors", used_at=1)
    assert make_room(folder / "new.safetensors", 600)
    assert other.exists()


def test_nothing_goes_for_a_file_that_would_not_fit_anyway(folder):
    other = write(folder / "a.safetensors", used_at=1)
    assert not make_room(folder / "new.safetensors", 1001)
    assert other.exists()


def test_the_files_own_place_counts_as_room(folder):
    own, other = write(folder / "own.safetensors", used_at=1), write(folder / "a.safetensors", used_at=2)
    assert make_room(own, 500)
    assert own.exists()
    assert other.exists()


def test_a_file_in_use_stays_and_there_may_be_no_room(folder):
    used = write(folder / "a.safetensors", used_at=1, n_bytes=800)
    with used.open("rb") as file:
        hold_shared(file)
        assert not make_room(folder / "new.safetensors", 500)
        assert used.exists()
    assert make_room(folder / "new.safetensors", 500)
    assert not used.exists()


def test_a_file_that_is_being_filled_stays(folder):
    filling = write(folder / "a.safetensors", used_at=1, n_bytes=800)
    with locking(filling, pytest.fail):
        assert not make_room(folder / "new.safetensors", 500)
    assert make_room(folder / "new.safetensors", 500)
    assert list(folder.iterdir()) == []  # its lock went with it


def test_who_wants_a_file_that_another_fills_waits_and_may_give_up(folder):
    class GaveUpError(Exception):
        pass

    def give_up() -> None:
        raise GaveUpError

    path = folder / "a.safetensors"
    with locking(path, pytest.fail), pytest.raises(GaveUpError), locking(path, give_up):
        pytest.fail("two at once")


@pytest.mark.parametrize(("wanted", "n_bytes"), [("2", 2_000_000_000), ("0.5", 500_000_000), ("0", 0)])
def test_the_limit_is_what_the_variable_says(folder, monkeypatch, wanted, n_bytes):
    monkeypatch.setenv("AGNEWS_REPLAY_GB", wanted)
    assert read_limit() == n_bytes


@pytest.mark.parametrize("wanted", ["much", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_is_refused(folder, monkeypatch, wanted):
    monkeypatch.setenv("AGNEWS_REPLAY_GB", wanted)
    with pytest.raises(
        ConfigError, match=f"AGNEWS_REPLAY_GB must be a number of gigabytes, 0 for none, got '{wanted}'."
    ):
        read_limit()


def test_without_one_it_is_a_quarter_of_the_free_disk_and_20_gb_at_most(folder, monkeypatch):
    monkeypatch.delenv("AGNEWS_REPLAY_GB")
    shutil.rmtree(folder)  # not there yet, as on a first run
    free = shutil.disk_usage(folder.parent).free
    assert read_limit() == pytest.approx(min(MOST_BYTES, free / 4), rel=0.05)
