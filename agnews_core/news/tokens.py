"""Texts as token ids. It knows nothing of models beyond the tokenizer it is handed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agnews_core.characters import mend
from agnews_core.config import TrainConfig
from agnews_core.news.counts import TextCounts

if TYPE_CHECKING:
    from datasets import Dataset

MEAN_TOKENS = 55  # of a text, the median of AG News being 50
MEAN_PLAIN_TOKENS = 25  # of a plain text
# Of news that is varied, in words of the same news as it is: what is shown in a pass, and all forms of it together. Measured on
# AG News.
VARIED_SHOWN, VARIED_STORED = 0.92, 1.4


def count_train_tokens(config: TrainConfig, texts: TextCounts, *, stored: bool = False) -> float:
    """Return how many tokens the training texts are expected to have: of a pass, or of all forms of each text together."""
    varied = (VARIED_STORED if stored else VARIED_SHOWN) if config.vary_texts else 1.0
    n_news = texts.n_train - texts.n_plain_train
    return _cut(MEAN_TOKENS, config) * varied * n_news + _cut(MEAN_PLAIN_TOKENS, config) * texts.n_plain_train


def count_validation_tokens(config: TrainConfig, n_news: int, n_plain: int) -> float:
    """Return how many tokens validation texts are expected to have."""
    return float(_cut(MEAN_TOKENS, config) * n_news + _cut(MEAN_PLAIN_TOKENS, config) * n_plain)


def _cut(n_tokens: int, config: TrainConfig) -> int:
    return min(n_tokens, config.max_length)


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
