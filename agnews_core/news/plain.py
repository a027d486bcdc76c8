"""The bundled texts in plain language, as people type them today, of which each has a kind: training, validation and test texts.

They are no part of the sample that `data` sample names. They are added to the training texts, whatever the news, where
`plain_repeats` asks for that; a fifth of them is never trained on, and tells how good a model is on such texts.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agnews_core.config import TrainConfig
from agnews_core.news.sources import SAMPLE_DIR
from agnews_core.whole_files import find_stamp

if TYPE_CHECKING:
    import pandas as pd

PLAIN_DIR = SAMPLE_DIR
PLAIN_VALIDATION_SHARE = 0.2
KINDS = ("headline", "sentence", "paragraph", "question", "lowercase", "typos")


def find_plain(split: Literal["train", "test"]) -> Path:
    """Return the file of a part; the validation texts are some of the one to train on."""
    return PLAIN_DIR / f"plain_{split}.jsonl"


def read_plain(split: Literal["train", "test"]) -> "pd.DataFrame":
    """Read the columns `text` (str), `label` (int 0-3) and `kind` (one of KINDS)."""
    import pandas as pd

    return pd.read_json(find_plain(split), lines=True, encoding="utf-8", dtype=False)[["text", "label", "kind"]]


def uses_plain(config: TrainConfig) -> bool:
    """Return whether a run has to do with these texts: learns from them, or is chosen by them."""
    return bool(config.plain_repeats or config.plain_weight)


def stamp_plain(config: TrainConfig) -> object:
    """Return what changes with the file that a run reads, None where it reads none."""
    return find_stamp(find_plain("train")) if uses_plain(config) else None
