"""Texts as token ids. It knows nothing of models beyond the tokenizer it is handed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agnews_core.characters import mend

if TYPE_CHECKING:
    from datasets import Dataset

MEAN_TOKENS = 55  # of a text, the median of AG News being 50


def tokenize(dataset: "Dataset", tokenizer: Any, *, max_length: int) -> "Dataset":
    """Turn texts into token ids, cut at `max_length` and not padded (batches are padded as they are made).

    Returns:
        A Dataset with `input_ids`, `attention_mask` (lists of int), `labels` (int) and `length` (tokens).
    """
    from datasets import Dataset

    encoded = encode(list(dataset["text"]), tokenizer, max_length=max_length)
    lengths = [len(ids) for ids in encoded["input_ids"]]
    return Dataset.from_dict({**encoded, "labels": list(dataset["label"]), "length": lengths})


def encode(texts: Sequence[str], tokenizer: Any, *, max_length: int) -> Any:
    """Return `input_ids` and `attention_mask` of each text, without padding, at most `max_length` tokens long.

    It is a fast tokenizer's transformers.BatchEncoding, whose `encodings` tell what was cut.
    """
    mended = [mend(text) for text in texts]
    return tokenizer(mended, truncation=True, max_length=max_length, return_token_type_ids=False)
