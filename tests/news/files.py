"""Files of news, written for a test."""

import json
from pathlib import Path

import pandas as pd

from agnews_core.labels import LABELS
from agnews_core.news.sets import CARD, NewsSet, SetCard, adding_set, compute_digest, find_set

N_LABELS = len(LABELS)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_split(folder: Path, split: str, rows: list[tuple[object, object]]) -> None:
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    write(folder / f"{split}.jsonl", lines)


def make_rows(count: int, *, prefix: str = "text") -> list[tuple[str, int]]:
    return [(f"{prefix} {number}", number % N_LABELS) for number in range(count)]


def make_set(runs_dir: Path, name: str, rows: list[tuple[str, int]]) -> NewsSet:
    """Make a named set without a file that it came from."""
    with adding_set(runs_dir, name) as made:
        pd.DataFrame(rows, columns=["text", "label"]).to_parquet(made.texts_path)
        write_card(made, [label for _, label in rows])
    return find_set(name, runs_dir)


def write_card(made: NewsSet, labels: list[int]) -> None:
    """Write the card of a set whose texts are there."""
    card = SetCard(
        source="mine.csv", kind="csv", text_columns=("text",), label_column="label", n_read=len(labels), n_empty=0,
        n_unlabelled=0,
        mapping={str(number): number for number in range(N_LABELS)}, n_by_class=tuple(map(labels.count, range(N_LABELS))),
        n_unmapped=0, digest=compute_digest(made.texts_path), created_at="2026-11-24T20:00:00+00:00",
    )  # fmt: skip
    write(made.path / CARD, card.model_dump_json())
