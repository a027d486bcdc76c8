"""The order of a training's batches: texts of like length together, shuffled anew each epoch."""

from collections.abc import Iterator

import torch
from datasets import Dataset
from transformers.trainer_pt_utils import LengthGroupedSampler


class SeededLengthSampler(LengthGroupedSampler):
    """Groups texts of like length, shuffled anew each epoch from (seed, epoch)."""

    def __init__(self, batch_size: int, *, lengths: list[int], dataset: Dataset, seed: int) -> None:
        super().__init__(batch_size, dataset=dataset, lengths=lengths, generator=torch.Generator())
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that comes next, as Trainer does, also after a resume."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self.generator.manual_seed(self._seed * 1_000_003 + self._epoch)
        yield from super().__iter__()
