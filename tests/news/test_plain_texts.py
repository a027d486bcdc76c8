"""The bundled plain texts themselves: enough of each class and kind, each of them new, nothing in them that nobody would type."""

import itertools
import json
from collections import Counter, defaultdict

import pytest

from agnews_core.news.plain import KINDS, read_plain
from agnews_core.news.sources import SAMPLE_DIR
from tests.news.files import N_LABELS

MOST_SHARED = 0.1
"""Of two texts' runs of five words: what reads as another text has next to none in common."""
LEAST = {"train": (300, 30), "test": (100, 7)}
"""Texts of each class, and of each kind of a class."""


def read(name: str) -> list[dict]:
    return [json.loads(line) for line in (SAMPLE_DIR / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def find_shingles(text: str) -> set[tuple[str, ...]]:
    """Return a text's runs of five words; of a shorter text, its words."""
    words = "".join(char.lower() if char.isalnum() else " " for char in text).split()
    return {tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))}


def find_near_duplicates(texts: list[str]) -> list[tuple[str, str]]:
    holders, runs = defaultdict(list), [find_shingles(text) for text in texts]
    for number, own in enumerate(runs):
        for run in own:
            holders[run].append(number)
    shared = Counter(pair for numbers in holders.values() for pair in itertools.combinations(numbers, 2))
    return [(texts[a], texts[b]) for (a, b), n in shared.items() if n / len(runs[a] | runs[b]) > MOST_SHARED]


def test_near_duplicates_are_found():
    text = "A seal climbed into the harbour master's boat and slept there until noon"
    assert find_near_duplicates([text, "Another thing happened", text.replace("noon", "one")])
    assert find_near_duplicates(["Goals, goals, goals!", "goals goals goals"])


def test_no_two_texts_are_near_duplicates_nor_is_one_of_them_in_the_sample():
    texts = [row["text"] for name in ("plain_train", "plain_test", "train", "test") for row in read(name)]
    assert find_near_duplicates(texts) == []


@pytest.mark.parametrize("split", ["train", "test"])
def test_there_are_enough_texts_of_each_class_and_kind(split):
    rows = read_plain(split)
    of_class, of_kind = LEAST[split]
    assert set(rows["kind"]) == set(KINDS)
    assert rows["label"].value_counts().reindex(range(N_LABELS)).min() >= of_class
    assert rows.groupby(["label", "kind"]).size().min() >= of_kind


@pytest.mark.parametrize("split", ["train", "test"])
def test_texts_are_printable_and_of_three_to_seventy_words(split):
    for row in read(f"plain_{split}"):
        text = row["text"]
        assert text.isprintable(), text
        assert text == " ".join(text.split()), text
        assert 3 <= len(text.split()) <= 70, text


@pytest.mark.parametrize("split", ["train", "test"])
def test_texts_in_lower_case_are(split):
    rows = read_plain(split)
    texts = rows["text"][rows["kind"] == "lowercase"]
    assert [text for text in texts if text != text.lower()] == []
