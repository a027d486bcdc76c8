"""Texts -> classes and probabilities, fast. It takes texts and opens no user's file; `engines` makes the numbers."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Encoding

from agnews_core.errors import CheckpointError
from agnews_core.evaluation.calibration import apply_temperature
from agnews_core.inference.batches import batch_by_length, pad
from agnews_core.inference.engines import Batch, Engine, load_engine
from agnews_core.inference.predictions import Prediction, Progress
from agnews_core.inference.read_ahead import read_ahead
from agnews_core.labels import LABELS
from agnews_core.libraries import import_libraries
from agnews_core.models.adapters import AdapterInfo, compute_model_key, find_backbone, read_adapter_info
from agnews_core.models.backbones import load_tokenizer
from agnews_core.news.tokens import encode

CHUNK_TEXTS = 2048  # tokenised and sorted by length together; bounds the memory of a long file
_FORM = "first token alone"  # of what is built of a model: what was compiled of another one is not taken for it

Rows = NDArray[np.intp]
Logits = NDArray[np.float32]


class _LogitsOnly(torch.nn.Module):
    """A classification model that returns the one tensor that an engine wants."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the (n_batch, 4) logits."""
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


class Classifier:
    """A trained model in memory. Texts are cut at the length it was trained with.

    Attributes:
        info: What its adapter says of itself.
        engine: What makes its numbers.
    """

    def __init__(self, info: AdapterInfo, tokenizer: Any, engine: Engine) -> None:
        self.info = info
        self.engine = engine
        self._tokenizer = tokenizer
        self._tokenizer_lock = threading.Lock()  # a fast tokenizer refuses a second caller while it sets its truncation

    @classmethod
    def load(cls, adapter_dir: Path, *, backbone_name: str | None = None) -> Self:
        """Load an adapter as `weights.load_model` does, with its errors; what was compiled before is not built again."""
        info = read_adapter_info(adapter_dir)
        backbone = find_backbone(info, adapter_dir, backbone_name=backbone_name)
        model_key = compute_model_key(info, adapter_dir)
        build = partial(_build_module, adapter_dir, backbone_name, model_key=model_key)
        return cls(info, load_tokenizer(backbone), load_engine(build, key=f"{model_key} {_FORM}"))

    @property
    def temperature(self) -> float:
        """What logits are divided by before they become probabilities."""
        return self.info.temperature

    def iterate(self, texts: Iterable[str]) -> Iterator[tuple[Rows, Logits]]:
        """Yield the rows of a batch, as indices into the texts, with their (n_batch, 4) logits, until all had their turn.

        Texts of like length go together, so that rows come in order of length within a chunk; one chunk is tokenised while
        another is computed, and no more than a few are in memory. The logits are the model's own:
        `calibration.apply_temperature` makes probabilities of them.
        """
        return self._compute(read_ahead(self._encode(chunk) for chunk in _cut_in_chunks(texts)))

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
        for rows, batch in self._compute([encoded]):
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

    def _compute(self, chunks: Iterable[list[Encoding]]) -> Iterator[tuple[Rows, Logits]]:
        computing: deque[Rows] = deque()

        def make_batches() -> Iterator[Batch]:
            start = 0
            for encoded in chunks:
                ids = [encoding.ids for encoding in encoded]
                for rows in batch_by_length(list(map(len, ids)), self.engine):
                    computing.append(start + np.array(rows, dtype=np.intp))
                    yield pad([ids[row] for row in rows], self._tokenizer.pad_token_id)
                start += len(ids)

        for logits in self.engine.map(make_batches()):
            yield computing.popleft(), logits


def _build_module(adapter_dir: Path, backbone_name: str | None, *, model_key: str) -> _LogitsOnly:
    """Build what an engine computes, at once or where it fails later.

    Raises:
        CheckpointError: The model cannot be loaded, or is another one by now.
    """
    import_libraries()
    from agnews_core.models.top_layer import compute_first_token_alone
    from agnews_core.models.weights import load_model

    loaded = load_model(adapter_dir, backbone_name=backbone_name)
    if compute_model_key(loaded.info, adapter_dir) != model_key:
        raise CheckpointError(f"The model in {adapter_dir} has become another one meanwhile; load it again.")
    if loaded.info.pooling == "cls":
        compute_first_token_alone(loaded.model)
    return _LogitsOnly(loaded.model).eval()


def _cut_in_chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    source = iter(texts)
    while chunk := list(islice(source, CHUNK_TEXTS)):
        yield chunk


def _find_cut(encoding: Encoding) -> int | None:
    """Return the character from which on a text was not read, or None where all of it was."""
    return max((end for _, end in encoding.offsets), default=0) if encoding.overflowing else None
