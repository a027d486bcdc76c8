"""Texts -> classes and probabilities, fast. It takes lists of str and opens no user's file."""

import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from agnews_core.characters import mend
from agnews_core.devices import choose_device
from agnews_core.evaluation.calibration import apply_temperature
from agnews_core.inference.predictions import Prediction, Progress, build_table
from agnews_core.labels import LABELS
from agnews_core.models.adapters import AdapterInfo
from agnews_core.models.backbones import load_tokenizer
from agnews_core.models.weights import LoadedModel, load_model
from agnews_core.news.tokens import encode

SLICE_TEXTS = 512  # between two reports of progress; a second or two of work
CHUNK_TEXTS = 2048  # tokenised and sorted by length together; bounds the memory of a long file
SMALL_BATCH_TOKENS = 512  # up to here one thread is as fast as many, and far faster where another process trains
N_THREADS = torch.get_num_threads()
BATCH_TOKENS = 8192  # tokens, padding included, that go through the model at once


class Classifier:
    """A trained model in memory. Texts are cut at the length it was trained with."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.info: AdapterInfo = loaded.info
        self._tokenizer = load_tokenizer(loaded.backbone)
        self._tokenizer_lock = threading.Lock()  # a fast tokenizer refuses a second caller while it sets its truncation
        self._device = torch.device(choose_device())
        self._model = loaded.model.to(self._device)

    @classmethod
    def load(cls, adapter_dir: Path, *, backbone_name: str | None = None) -> Self:
        """Load an adapter as `adapters.load_model` does, with its errors."""
        return cls(load_model(adapter_dir, backbone_name=backbone_name))

    def predict(self, texts: Iterable[str]) -> Iterator[Prediction]:
        """Classify texts, in their order, holding one chunk of them in memory at a time."""
        rest = iter(texts)
        while chunk := tuple(itertools.islice(rest, CHUNK_TEXTS)):
            probabilities = self.compute_probabilities(chunk)
            for text, row in zip(chunk, probabilities, strict=True):
                yield Prediction(text, int(row.argmax()), tuple(row.tolist()))

    def compute_probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, 4) probabilities, rows in the order of the texts; for any number of texts use `predict`."""
        return apply_temperature(self.compute_logits(texts), 1.0)

    def compute_logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, 4) logits, already divided by the model's temperature, rows in the order of the texts."""
        ids = self._encode(texts)
        logits = np.empty((len(texts), len(LABELS)), dtype=np.float32)
        for rows in _batch_by_length([len(text_ids) for text_ids in ids]):
            logits[rows] = self._compute_batch([ids[row] for row in rows])
        return logits / np.float32(self.info.temperature)

    def find_read_end(self, text: str) -> int:
        """Return how many characters of a text are read before it is cut off."""
        with self._tokenizer_lock:
            encoded = self._tokenizer(
                mend(text), truncation=True, max_length=self.info.max_length, return_offsets_mapping=True
            )
        return max((int(end) for _, end in encoded["offset_mapping"]), default=0)

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        with self._tokenizer_lock:
            return encode(texts, self._tokenizer, max_length=self.info.max_length)["input_ids"]

    @torch.inference_mode()
    def _compute_batch(self, ids: list[list[int]]) -> NDArray[np.float32]:
        batch = self._tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self._device)
        with _use_threads(1 if batch["input_ids"].numel() <= SMALL_BATCH_TOKENS else N_THREADS):
            logits = self._model(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
            ).logits  # (n_batch, 4)
        result: NDArray[np.float32] = logits.float().cpu().numpy()
        return result


@contextmanager
def _use_threads(number: int) -> Iterator[None]:
    """Compute with this many threads for a while.

    Threads that wait for each other at every layer stand still whenever another process has one of their cores. Two callers at
    once may get each other's number: that costs time, never correctness.
    """
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(N_THREADS)


def _batch_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group row numbers so that a group's texts are of like length and its padded size stays under BATCH_TOKENS."""
    batch: list[int] = []
    for row in np.argsort(lengths, kind="stable").tolist():
        if batch and (len(batch) + 1) * lengths[row] > BATCH_TOKENS:  # the newest row is the longest
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def predict_slices(classifier: Classifier, texts: Sequence[str]) -> Iterator[NDArray[np.float32]]:
    """Give the (n_slice, 4) probabilities of a slice of texts at a time, so that one may tell how far it is, or leave off."""
    for start in range(0, len(texts), SLICE_TEXTS):
        yield classifier.compute_probabilities(texts[start : start + SLICE_TEXTS])


def predict_table(classifier: Classifier, texts: Sequence[str], on_progress: Progress | None = None) -> pd.DataFrame:
    """Classify texts, telling after each slice of them how far it is."""
    slices, n_done = [np.empty((0, len(LABELS)), dtype=np.float32)], 0
    for probabilities in predict_slices(classifier, texts):
        slices.append(probabilities)
        n_done += len(probabilities)
        if on_progress is not None:
            on_progress(n_done, len(texts))
    return build_table(texts, np.concatenate(slices))
