"""Texts as what enters the lowest trained layer, for Trainer: one by one, and padded to a batch."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import Sampler

from agnews_core.training.batches import fill_up
from agnews_core.training.replay_file import HiddenStates

AHEAD_ROWS = 512  # asked for before they are wanted; some ten batches


class ReplayedTexts(torch.utils.data.Dataset[dict[str, Any]]):
    """Rows of hidden states with their labels, in place of the token ids that they were computed from.

    As in a datasets.Dataset, a name in place of a row gives a column.
    """

    def __init__(self, states: HiddenStates, tokens: Dataset, *, first: int) -> None:
        self._states, self._first = states, first
        self._columns = {name: list(tokens[name]) for name in ("labels", "length")}

    def __len__(self) -> int:
        return len(self._columns["labels"])

    def __getitem__(self, row: int | str) -> Any:
        if isinstance(row, str):
            return self._columns[row]
        return {"inputs_embeds": self._states[self._first + row], "labels": self._columns["labels"][row]}

    def expect(self, row: int) -> None:
        """Have a row read from the disk before it is wanted."""
        self._states.expect(self._first + row)


def pad_states(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Put rows into a batch: `inputs_embeds` (n_batch, n_tokens, hidden_size), `attention_mask`, `labels`."""
    states = [row["inputs_embeds"] for row in rows]
    lengths = torch.tensor([len(of_text) for of_text in states])
    n_tokens = fill_up(int(lengths.max()))
    padded = states[0].new_zeros(len(states), n_tokens, states[0].shape[-1])
    for of_text, place in zip(states, padded, strict=True):
        place[: len(of_text)] = of_text
    return {
        "inputs_embeds": padded,
        "attention_mask": (torch.arange(n_tokens) < lengths[:, None]).long(),
        "labels": torch.tensor([row["labels"] for row in rows]),
    }


class ReadAhead(Sampler[int]):
    """A sampler's rows, each expected a while before it is yielded."""

    def __init__(self, sampler: Any, expect: Callable[[int], None]) -> None:
        self._sampler, self._expect = sampler, expect

    def set_epoch(self, epoch: int) -> None:
        """Pass on the epoch that comes next."""
        self._sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[int]:
        waiting: deque[int] = deque()
        for row in self._sampler:
            self._expect(row)
            waiting.append(row)
            if len(waiting) > AHEAD_ROWS:
                yield waiting.popleft()
        yield from waiting
