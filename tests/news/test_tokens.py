"""Texts as a model reads them."""

from pathlib import Path

import pytest

from agnews_core.config import TrainConfig
from agnews_core.models.backbones import load_backbone, load_tokenizer
from agnews_core.news.splits import News, load_news
from agnews_core.news.tokens import encode, tokenize


def load(folder: Path, **settings) -> News:
    return load_news(TrainConfig(data=str(folder), **settings))


@pytest.fixture(scope="module")
def tokenizer(tiny_backbone):
    return load_tokenizer(load_backbone(str(tiny_backbone)))


def test_texts_are_cut_at_max_length_and_not_padded(tokenizer):
    ids = encode(["short", "long " * 500], tokenizer, max_length=16)["input_ids"]
    assert len(ids[0]) < 16
    assert len(ids[1]) == 16


def test_a_text_of_a_megabyte_is_cut(tokenizer):
    assert len(encode(["news " * 200_000], tokenizer, max_length=128)["input_ids"][0]) == 128


def test_tokens_have_labels_and_lengths(tiny_news, tokenizer):
    news = load(tiny_news).validation
    tokens = tokenize(news, tokenizer, max_length=32)
    assert set(tokens.column_names) == {"input_ids", "attention_mask", "labels", "length"}
    assert tokens["labels"][:] == news["label"][:]
    assert tokens["length"][:] == [len(ids) for ids in tokens["input_ids"]]
