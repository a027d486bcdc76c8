"""The order in which a training reads its texts."""

import numpy as np
import pytest
from transformers.trainer_pt_utils import LengthGroupedSampler

from agnews_core.training.batches import SeededLengthSampler, fill_up


def _draw_lengths(n: int) -> list[int]:
    """Lengths spread as those of AG News: median 50 tokens, 1 % above 100."""
    spread = np.random.default_rng(0).normal(np.log(50), 0.3, n)
    return np.clip(np.exp(spread).round().astype(int), 8, 128).tolist()


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 1600, 1601, 5000])
def test_every_text_is_read_once_in_an_epoch(n):
    sampler = SeededLengthSampler(_draw_lengths(n), batch_size=32, seed=1)
    assert len(sampler) == n
    assert sorted(sampler) == list(range(n))


@pytest.mark.parametrize("n", [1800, 2000, 8000, 40_000])
def test_less_than_a_twentieth_is_padding(n):
    lengths = _draw_lengths(n)
    sampler = SeededLengthSampler(lengths, batch_size=32, seed=1)
    share = sampler.compute_padding_share(32)
    rows = list(sampler)
    batches = [[lengths[row] for row in rows[at : at + 32]] for at in range(0, n, 32)]
    assert share == pytest.approx(1 - sum(lengths) / sum(len(batch) * fill_up(max(batch)) for batch in batches))
    assert share < 0.05


def test_few_texts_have_less_padding_than_in_transformers_order():
    lengths = _draw_lengths(2000)
    sampler = SeededLengthSampler(lengths, batch_size=32, seed=1)
    theirs = list(LengthGroupedSampler(32, lengths=lengths))
    ours = sampler.compute_padding_share(32)
    sampler.__class__ = type("Theirs", (SeededLengthSampler,), {"__iter__": lambda self: iter(theirs)})
    assert ours < sampler.compute_padding_share(32)


def test_no_text_is_no_padding():
    assert SeededLengthSampler([], batch_size=32, seed=1).compute_padding_share(32) == 0


def test_the_order_is_another_in_each_epoch_and_for_each_seed_and_else_the_same():
    lengths = _draw_lengths(2000)

    def order(seed: int, epoch: int) -> list[int]:
        sampler = SeededLengthSampler(lengths, batch_size=32, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_the_longest_batch_comes_first_a_part_of_one_last_and_the_others_in_no_order():
    lengths = _draw_lengths(2000)
    rows = list(SeededLengthSampler(lengths, batch_size=32, seed=1))
    longest = [max(lengths[row] for row in rows[at : at + 32]) for at in range(0, len(rows), 32)]
    assert longest[0] == max(lengths)
    assert len(rows) % 32 == 16
    assert abs(np.corrcoef(np.arange(len(longest) - 2), longest[1:-1])[0, 1]) < 0.5
