"""The news and the examples that are bundled."""

import csv
import itertools
import json
from collections import Counter, defaultdict
from pathlib import Path

import pandas as pd

from agnews_core.config import TrainConfig
from agnews_core.news.sources import SAMPLE_DIR
from agnews_core.news.splits import load_news
from tests.news.files import N_LABELS

ASSETS = SAMPLE_DIR.parent


def read_sample() -> dict[str, list[dict]]:
    return {
        split: [json.loads(line) for line in (SAMPLE_DIR / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
        for split in ("train", "test")
    }


def shingles(text: str) -> set[tuple[str, ...]]:
    words = "".join(char.lower() if char.isalnum() else " " for char in text).split()
    return {tuple(words[start : start + 3]) for start in range(len(words) - 2)}


def find_near_duplicates(texts: list[str], others: list[str] | None = None) -> list[tuple[str, str]]:
    """Return pairs that share a fifth of their three-word runs; with `others`, pairs of one of each."""
    both = texts + (others or [])
    runs = [shingles(text) for text in both]
    holders = defaultdict(list)
    for number, own in enumerate(runs):
        for run in own:
            holders[run].append(number)
    shared = Counter(pair for numbers in holders.values() for pair in itertools.combinations(numbers, 2))
    return [
        (both[a], both[b])
        for (a, b), count in shared.items()
        if count / len(runs[a] | runs[b]) >= 0.2 and (others is None or a < len(texts) <= b)
    ]


def test_the_search_for_near_duplicates_finds_one():
    text = "Stocks rose on Monday as oil prices fell and investors took heart"
    assert find_near_duplicates([text, "Something else altogether happened", text.replace("Monday", "Tuesday")])


def test_the_sample_has_at_least_200_texts_of_each_class():
    rows = [row for split in read_sample().values() for row in split]
    assert len(rows) >= 800
    assert all(Counter(row["label"] for row in rows)[label] >= 200 for label in range(N_LABELS))


def test_every_class_is_in_both_parts_of_the_sample():
    for split, rows in read_sample().items():
        assert {row["label"] for row in rows} == set(range(N_LABELS)), split


def test_every_text_of_the_sample_has_25_to_60_words():
    lengths = {row["text"]: len(row["text"].split()) for rows in read_sample().values() for row in rows}
    assert {text: words for text, words in lengths.items() if not 25 <= words <= 60} == {}


def test_no_two_texts_of_the_sample_are_near_duplicates():
    assert find_near_duplicates([row["text"] for rows in read_sample().values() for row in rows]) == []


def test_nothing_of_the_sample_is_left_out_when_it_is_read():
    counts = load_news(TrainConfig(data="sample")).counts
    assert (counts.n_empty, counts.n_duplicates, counts.n_in_test, counts.n_test_empty) == (0, 0, 0, 0)


def test_no_example_is_a_text_of_the_sample():
    examples = (
        sorted(ASSETS.glob("examples/*.csv"))
        + sorted(ASSETS.glob("examples/*.jsonl"))
        + sorted(ASSETS.glob("examples/*.txt"))
    )
    texts = [text for path in examples for text in read_example(path)]
    pickle = ASSETS / "examples" / "test_unlabelled.pkl"
    if pickle.exists():
        texts += list(pd.read_pickle(pickle)["text"])  # our own file
    sample = [row["text"] for rows in read_sample().values() for row in rows]
    assert find_near_duplicates(texts, sample) == []


def read_example(path: Path) -> list[str]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return [row["text"] for row in csv.DictReader(file) if row.get("text")]
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines] if path.suffix == ".jsonl" else lines
