"""Dropout on a processor, where PyTorch draws a random number for each element, one by one: a third of a training step and more.

Here it is drawn how far it is from one dropped element to the next, which takes a tenth or a twentieth as many numbers and drops
each element with the same probability, independently of all others. What is drawn depends on the run's seed, on the training
step and on the order in which a model asks: a resumed run drops the same elements, and the batches that are accumulated for one
step each drop others.
"""

import math
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback


class Drawn:
    """Which elements are dropped.

    Args:
        seed: The run's.
        rank: This process's among those that train together; each drops others.
    """

    def __init__(self, seed: int, rank: int = 0) -> None:
        self._seed, self._rank = seed, rank
        self.begin_step(0)

    def begin_step(self, step: int) -> None:
        """Draw from here on what belongs to a training step."""
        self._generator = np.random.Generator(np.random.SFC64((self._seed, step, self._rank)))

    def draw(self, n: int, p: float) -> torch.Tensor:
        """Return the places, among n and in order, of those that are dropped, each with a probability of p; int64."""
        places = self._draw_places(n, p)
        while n and places[-1] < n:  # once in a thousand million times
            places = torch.cat([places, places[-1] + 1 + self._draw_places(n, p)])
        return places[: torch.searchsorted(places, n)]

    def _draw_places(self, n: int, p: float) -> torch.Tensor:
        n_enough = round(n * p + 6 * math.sqrt(n * p)) + 16  # six standard deviations more than are to be expected
        uniform = torch.from_numpy(self._generator.random(n_enough, dtype=np.float32))  # in [0, 1), 24 bits
        steps = uniform.neg_().log1p_().mul_(1 / math.log1p(-p)).long()  # P(steps = k) = p (1 - p)^k
        return steps.add_(1).cumsum_(0).sub_(1)


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, dropped: torch.Tensor, scale: float) -> torch.Tensor:
        ctx.save_for_backward(dropped)
        ctx.scale = scale
        return drop_(x.contiguous() * scale, dropped)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (dropped,) = ctx.saved_tensors
        return drop_(grad.contiguous() * ctx.scale, dropped), None, None


def drop_(x: torch.Tensor, dropped: torch.Tensor | None) -> torch.Tensor:
    """Drop elements of a contiguous tensor in place."""
    if dropped is not None:
        x.view(-1).index_fill_(0, dropped, 0.0)
    return x


class Dropout(torch.nn.Module):
    """Does what torch.nn.Dropout does."""

    def __init__(self, p: float, drawn: Drawn) -> None:
        super().__init__()
        self.p, self._drawn = p, drawn

    @property
    def scale(self) -> float:
        """What is kept is multiplied with this."""
        return 1 / (1 - self.p) if self.training else 1.0

    def draw(self, n: int) -> torch.Tensor | None:
        """Return which of n elements are dropped now, or None where nothing is."""
        return self._drawn.draw(n, self.p) if self.training and self.p else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x, scaled and with elements dropped while training."""
        dropped = self.draw(x.numel())
        kept: torch.Tensor = x if dropped is None else _Drop.apply(x, dropped, self.scale)
        return kept


class DropoutCallback(TrainerCallback):
    """Tells what is drawn of each step that begins."""

    def __init__(self, drawn: Drawn) -> None:
        self._drawn = drawn

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin a step; the batches that are accumulated for it come one after the other."""
        self._drawn.begin_step(state.global_step)
