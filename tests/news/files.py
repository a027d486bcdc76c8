"""Files of news, written for a test."""

import json
from pathlib import Path

from agnews_core.labels import LABELS

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
