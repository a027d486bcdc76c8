"""The file of frozen layers' output, with numbers that no model made."""

import mmap
import multiprocessing

import numpy as np
import pytest
import torch
from safetensors import safe_open

from agnews_core.training import replay_file
from agnews_core.training.replay_file import HiddenStates, Layout, fill, find_unfilled, lay_out

HIDDEN = 8


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(replay_file, "BLOCK_TEXTS", 4)


def build_layout(*, dtype: str = "bf16", texts: str = "a") -> Layout:
    lengths = np.random.default_rng(0).integers(1, 9, size=18)
    return Layout(key={"tokens": texts}, lengths=lengths, hidden_size=HIDDEN, dtype=dtype)


def compute(layout: Layout, rows: range) -> torch.Tensor:
    """Return what a text's place says, so that no two texts are alike."""
    return torch.cat([torch.full((int(layout.lengths[row]), HIDDEN), row + 0.5) for row in rows])


def fill_all(path, layout: Layout) -> list[int]:
    lay_out(path, layout)
    blocks = find_unfilled(path, layout, lambda n_texts: None)
    fill(path, layout, blocks, lambda rows: compute(layout, rows))
    return blocks


def assert_whole(path, layout: Layout) -> None:
    states = HiddenStates(path, layout)
    assert len(states) == 18
    for row in range(18):
        assert states[row].shape == (layout.lengths[row], HIDDEN)
        assert (states[row] == row + 0.5).all()


@pytest.fixture
def filled(tmp_path):
    path, layout = tmp_path / "states.safetensors", build_layout()
    assert fill_all(path, layout) == [0, 1, 2, 3, 4]
    return path, layout


@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_what_was_computed_is_read_text_by_text(tmp_path, dtype):
    layout = build_layout(dtype=dtype)
    fill_all(tmp_path / "states.safetensors", layout)
    assert_whole(tmp_path / "states.safetensors", layout)
    assert HiddenStates(tmp_path / "states.safetensors", layout)[3].dtype == {"bf16": torch.bfloat16}.get(
        dtype, torch.float32
    )


def test_the_file_says_to_any_reader_of_safetensors_what_it_holds(filled):
    path, layout = filled
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"format": "agnews-replay-1", "tokens": "a"}
        assert file.get_tensor("hidden_states").shape == (layout.lengths.sum(), HIDDEN)
        assert file.get_tensor("offsets").tolist() == layout.offsets.tolist()
    assert path.stat().st_size == layout.n_bytes


def test_a_file_that_is_whole_is_not_computed_again(filled):
    assert fill_all(*filled) == []


def flip(path, layout: Layout) -> None:
    with path.open("r+b") as file:
        file.seek(layout.place_of(2)[0] + 5)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


def truncate(path, layout: Layout) -> None:
    with path.open("r+b") as file:
        file.truncate(layout.place_of(3)[0] + 7)


def lengthen(path, layout: Layout) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def overwrite(path, layout: Layout) -> None:
    path.write_bytes(b"something else entirely")


def write_older_version(path, layout: Layout) -> None:
    path.write_bytes(path.read_bytes().replace(b"agnews-replay-1", b"agnews-replay-0"))


def tear_header(path, layout: Layout) -> None:
    with path.open("r+b") as file:
        file.truncate(20)


def empty(path, layout: Layout) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "blocks"),
    [
        (flip, [2]),
        (truncate, [3, 4]),
        (lengthen, []),
        (overwrite, [0, 1, 2, 3, 4]),
        (write_older_version, [0, 1, 2, 3, 4]),
        (tear_header, [0, 1, 2, 3, 4]),
        (empty, [0, 1, 2, 3, 4]),
    ],
)
def test_damage_is_noticed_and_what_it_hit_is_computed_again(filled, damage, blocks):
    path, layout = filled
    damage(path, layout)
    assert fill_all(path, layout) == blocks
    assert_whole(path, layout)
    assert path.stat().st_size == layout.n_bytes


def test_a_file_of_other_texts_is_replaced_whole(filled):
    path, _ = filled
    assert fill_all(path, build_layout(texts="b")) == [0, 1, 2, 3, 4]


def test_a_filling_that_broke_off_goes_on_where_it_stopped(tmp_path):
    path, layout = tmp_path / "states.safetensors", build_layout()
    lay_out(path, layout)

    def break_off(rows: range) -> torch.Tensor:
        if rows.start == 8:
            raise KeyboardInterrupt
        return compute(layout, rows)

    with pytest.raises(KeyboardInterrupt):
        fill(path, layout, range(5), break_off)
    found = []
    assert find_unfilled(path, layout, found.append) == [2, 3, 4]
    assert found == [4, 8]
    assert fill_all(path, layout) == [2, 3, 4]
    assert_whole(path, layout)


def _fill_share(path, share: int) -> None:
    replay_file.BLOCK_TEXTS = 4
    layout = build_layout()
    fill(path, layout, range(share, 5, 2), lambda rows: compute(layout, rows))


def test_several_processes_fill_one_file_each_its_share(tmp_path):
    path, layout = tmp_path / "states.safetensors", build_layout()
    lay_out(path, layout)
    with multiprocessing.get_context("forkserver").Pool(2) as pool:
        pool.starmap(_fill_share, [(path, 0), (path, 1)])
    assert find_unfilled(path, layout, lambda n_texts: None) == []
    assert_whole(path, layout)


def test_a_text_may_be_asked_for_before_it_is_read(filled):
    path, layout = filled
    states = HiddenStates(path, layout)
    assert hasattr(mmap, "MADV_WILLNEED")  # this platform can
    for row in range(len(states)):
        states.expect(row)
    assert_whole(path, layout)
