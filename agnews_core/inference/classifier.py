"""Texts -> classes and probabilities, fast. It takes lists of str and opens no user's file."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Encoding

from agnews_core.devices import choose_device
from agnews_core.evaluation.calibration import apply_temperature
from agnews_core.inference.predictions import Prediction, Progress
from agnews_core.labels import LABELS
from agnews_core.models.adapters import AdapterInfo
from agnews_core.models.backbones import load_tokenizer
from agnews_core.models.weights import LoadedModel, load_model
from agnews_core.news.tokens import encode

CHUNK_TEXTS = 2048  # tokenised and sorted by length together; bounds the memory of a long file
BATCH_TOKENS = 2048  # tokens, padding included, that go through the model at once
SMALL_BATCH_TOKENS = 512  # up to here one thread is as fast as many, and far faster where another process trains
N_THREADS = torch.get_num_threads()


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
        """Load an adapter as `weights.load_model` does, with its errors."""
        return cls(load_model(adapter_dir, backbone_name=backbone_name))

    @property
    def temperature(self) -> float:
        """What logits are divided by before they become probabilities."""
        return self.info.temperature

    def iterate(self, texts: Sequence[str]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Yield the rows of a batch, as indices into the texts, with their (n_batch, 4) logits, until all had their turn.

        Texts of like length go together, so that rows come in order of length within a chunk. The logits are the model's own:
        `calibration.apply_temperature` makes probabilities of them.
        """
        for start in range(0, len(texts), CHUNK_TEXTS):
            for rows, logits in self._iterate_encoded(self._encode(texts[start : start + CHUNK_TEXTS])):
                yield start + rows, logits

    def compute_logits(self, texts: Sequence[str], on_progress: Progress | None = None) -> NDArray[np.float32]:
        """Return the (n, 4) logits of n texts, in their order."""
        logits, n_done = np.empty((len(texts), len(LABELS)), dtype=np.float32), 0
        for rows, batch in self.iterate(texts):
            logits[rows] = batch
            n_done += len(rows)
            if on_progress is not None:
                on_progress(n_done, len(texts))
        return logits

    def compute_probabilities(self, texts: Sequence[str], on_progress: Progress | None = None) -> NDArray[np.float32]:
        """Return the (n, 4) probabilities of n texts, in their order."""
        return apply_temperature(self.compute_logits(texts, on_progress), self.temperature)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Classify a few texts, each with its logits and where it was cut; for very many use `compute_probabilities`."""
        encoded, logits = self._encode(texts), np.empty((len(texts), len(LABELS)), dtype=np.float32)
        for rows, batch in self._iterate_encoded(encoded):
            logits[rows] = batch
        shares = apply_temperature(logits, self.temperature)
        return [
            Prediction(text, int(row.argmax()), tuple(row.tolist()), tuple(raw.tolist()), _find_cut(encoding))
            for text, row, raw, encoding in zip(texts, shares, logits, encoded, strict=True)
        ]

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        if not texts:
            return []
        with self._tokenizer_lock:
            found: list[Encoding] = encode(texts, self._tokenizer, max_length=self.info.max_length).encodings
        return found

    def _iterate_encoded(self, encoded: list[Encoding]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        for rows in _batch_by_length([len(encoding.ids) for encoding in encoded]):
            yield np.array(rows, dtype=np.intp), self._compute_batch([encoded[row].ids for row in rows])

    @torch.inference_mode()
    def _compute_batch(self, ids: list[list[int]]) -> NDArray[np.float32]:
        batch = self._tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self._device)
        with _use_threads(1 if batch["input_ids"].numel() <= SMALL_BATCH_TOKENS else N_THREADS):
            logits = self._model(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
            ).logits  # (n_batch, 4)
        result: NDArray[np.float32] = logits.float().cpu().numpy()
        return result


def _find_cut(encoding: Encoding) -> int | None:
    """Return the character from which on a text was not read, or None where all of it was."""
    return max((end for _, end in encoding.offsets), default=0) if encoding.overflowing else None


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
