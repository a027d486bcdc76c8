"""What dropout drops: how many, which, and the same again for the same step."""

import math

import pytest
import torch

from agnews_core.training.dropout import Drawn, Dropout

N = 4_000_000


def _mask(drawn: Drawn, n: int, p: float) -> torch.Tensor:
    """True where an element is dropped."""
    return torch.zeros(n, dtype=torch.bool).index_fill_(0, drawn.draw(n, p), True)


def _is_near(count: torch.Tensor, n: int, p: float) -> bool:
    """Whether a count of n chances of p is within five standard deviations."""
    return abs(int(count) - n * p) < 5 * math.sqrt(n * p * (1 - p))


@pytest.mark.parametrize("p", [1e-4, 0.05, 0.1, 0.5, 0.97])
def test_each_element_is_dropped_with_the_probability_that_was_set_independently_of_its_neighbours(p):
    mask = _mask(Drawn(seed=1), N, p)
    assert _is_near(mask.sum(), N, p)
    for distance in (1, 2, 768):
        assert _is_near((mask[distance:] & mask[:-distance]).sum(), N - distance, p * p)
    assert _is_near(mask[: N // 7].sum(), N // 7, p)
    assert _is_near(mask[-(N // 7) :].sum(), N // 7, p)


def test_layers_steps_seeds_and_processes_drop_independently_of_each_other():
    drawn = Drawn(seed=1)
    first, second = _mask(drawn, N, 0.1), _mask(drawn, N, 0.1)
    drawn.begin_step(1)
    others = [second, _mask(drawn, N, 0.1), _mask(Drawn(seed=2), N, 0.1), _mask(Drawn(seed=1, rank=1), N, 0.1)]
    for place, other in enumerate(others):
        assert _is_near((first & other).sum(), N, 0.01), place


def test_the_same_step_of_the_same_run_drops_the_same():
    drawn = Drawn(seed=7)
    drawn.begin_step(3)
    first = [drawn.draw(1000, 0.1), drawn.draw(1000, 0.1)]
    again = Drawn(seed=7)
    again.draw(50, 0.5)
    again.begin_step(3)
    assert torch.equal(first[0], again.draw(1000, 0.1))
    assert torch.equal(first[1], again.draw(1000, 0.1))
    assert not torch.equal(*first)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_few_elements_can_be_dropped_too(n):
    drawn = Drawn(seed=1)
    drops = [_mask(drawn, n, 0.25) for _ in range(4000)]
    assert _is_near(sum(int(mask.sum()) for mask in drops), 4000 * n, 0.25) or n == 0


def test_where_too_few_were_drawn_it_is_drawn_on(monkeypatch):
    enough = Drawn._draw_places
    monkeypatch.setattr(Drawn, "_draw_places", lambda self, n, p: enough(self, n, p)[: n // 40])
    mask = _mask(Drawn(seed=1), 400_000, 0.1)
    assert _is_near(mask.sum(), 400_000, 0.1)
    assert _is_near(mask[-100_000:].sum(), 100_000, 0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_kept_is_scaled_so_that_the_mean_stays_and_gradients_take_the_same_way(dtype):
    x = torch.full((1000, 768), 2.0, dtype=dtype, requires_grad=True)
    y = Dropout(0.1, Drawn(seed=1))(x)
    kept = torch.tensor(2 / 0.9).to(dtype)
    assert set(y.unique().tolist()) == {0.0, kept.item()}
    assert y.detach().float().mean() == pytest.approx(2, abs=0.01)
    y.backward(torch.ones_like(y))
    assert torch.equal(x.grad, torch.where(y == 0, 0.0, torch.tensor(1 / 0.9)).to(dtype))


def test_nothing_is_dropped_while_a_model_is_evaluated_or_where_p_is_0():
    x = torch.ones(100)
    assert Dropout(0.5, Drawn(seed=1)).eval()(x) is x
    assert Dropout(0.0, Drawn(seed=1))(x) is x
