"""The texts of a run as tokens: those that it trains on, in all their forms, and those that are evaluated while it trains."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset, concatenate_datasets
from numpy.typing import NDArray

from agnews_core.config import TrainConfig
from agnews_core.news.splits import News, take
from agnews_core.news.tokens import tokenize
from agnews_core.news.variations import vary
from agnews_core.runs.resolved import Evaluations


@dataclass(frozen=True)
class TrainTexts:
    """What a run trains on.

    Attributes:
        train: The texts, and after them other forms of some where they are varied (`vary_texts`).
        train_tokens: Their tokens, row by row.
        other: (n,), for each text the row of its other form, or its own; None where texts are not varied.
    """

    train: Dataset
    train_tokens: Any
    other: NDArray[np.intp] | None


@dataclass(frozen=True)
class EvaluatedTexts:
    """What is evaluated while a run trains.

    Attributes:
        validation_tokens: Sorted by length: batches are read in order, and of like length need little padding.
        is_plain: (n,), which of them are plain ones; there are some where these count (`plain_weight`).
    """

    validation_tokens: Any
    is_plain: NDArray[np.bool_]


def tokenize_training(news: News, tokenizer: Any, config: TrainConfig) -> TrainTexts:
    """Tokenize the training texts, with other forms of the news where it is varied; plain texts stay as they are."""
    train, other = news.train, None
    if config.vary_texts:
        train, other = vary(news.train, n_texts=len(news.train) - news.counts.n_plain_train, seed=config.seed)
    return TrainTexts(train, tokenize(train, tokenizer, max_length=config.max_length), other)


def tokenize_validation(
    news: News, evaluations: Evaluations | None, tokenizer: Any, config: TrainConfig
) -> EvaluatedTexts:
    """Tokenize what is evaluated while a run trains."""
    rows = take(news.validation.to_pandas(), evaluations.n_texts if evaluations else None, config.seed)
    texts = [news.validation.select(rows.index)]
    if news.plain_validation and config.plain_weight:
        texts.append(news.plain_validation.select_columns(["text", "label"]))
    tokens = tokenize(concatenate_datasets(texts), tokenizer, max_length=config.max_length)
    by_length = np.argsort(np.asarray(tokens["length"]), kind="stable")
    return EvaluatedTexts(tokens.select(by_length), by_length >= len(texts[0]))
