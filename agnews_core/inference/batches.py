"""Batches for an engine: token ids of like length together, padded. It knows neither texts nor what the engine computes."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from agnews_core.inference.engines import Batch, Engine

BATCH_TOKENS = 2048  # tokens, padding included, that go through the model at once
MIN_BATCH_TOKENS = 128  # below which a batch is not worth parting among the cores
GPU_BATCH_TOKENS = 32_768  # which a GPU wants more of to be busy


def batch_by_length(lengths: Sequence[int], engine: Engine) -> Iterator[list[int]]:
    """Group row numbers so that a group's texts are of like length, and an engine has something to do for all its streams."""
    most = GPU_BATCH_TOKENS if engine.name == "cuda" else BATCH_TOKENS
    most = min(most, max(MIN_BATCH_TOKENS, sum(lengths) // engine.n_streams))  # tokens, padding included
    batch: list[int] = []
    for row in np.argsort(lengths, kind="stable").tolist():
        if batch and (len(batch) + 1) * lengths[row] > most:  # the newest row is the longest
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def pad(ids: Sequence[Sequence[int] | NDArray[np.int64]], pad_token_id: int) -> Batch:
    """Return (n_batch, n_tokens) token ids, filled up to the longest, and the attention mask that tells them from padding."""
    input_ids = np.full((len(ids), max(map(len, ids))), pad_token_id, dtype=np.int64)
    attention_mask = np.zeros_like(input_ids)
    for row, known in enumerate(ids):
        input_ids[row, : len(known)] = known
        attention_mask[row, : len(known)] = 1
    return input_ids, attention_mask
