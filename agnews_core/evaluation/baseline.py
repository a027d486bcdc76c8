"""A plain model on the same rows, so that an accuracy means something: TF-IDF of words and pairs, logistic regression.

Kept beside the evaluation it belongs to, so that it is computed once.
"""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agnews_core.whole_files import write_whole

if TYPE_CHECKING:
    import pandas as pd

    from agnews_core.config import TrainConfig
from agnews_core.evaluation.report import Baseline

MAX_TRAIN_TEXTS = 20_000  # seconds on one core; with four times as many the accuracy rises by about two points
MAX_TERMS = 50_000


def load_baseline(folder: Path, split: str, table: "pd.DataFrame", config: "TrainConfig") -> Baseline:
    """Return the baseline of an evaluation, kept from before or computed now.

    Args:
        folder: Where the evaluation is kept.
        split: Which split it is of.
        table: Its rows, with their true classes; the baseline answers for the same ones.
        config: The run's settings, which say where its training texts are.

    Raises:
        DataError: The news is no longer there.
    """
    kept = read_baseline(folder, split)
    if kept is not None and kept.rows_digest == _compute_digest(table):
        return kept
    from agnews_core.news.splits import load_news

    rows = load_news(config).train
    chosen = rows.shuffle(seed=config.seed).select(range(min(len(rows), MAX_TRAIN_TEXTS)))
    computed = compute_baseline(list(chosen["text"]), np.asarray(chosen["label"]), table, n_train_available=len(rows))
    write_baseline(folder, split, computed)
    return computed


def write_baseline(folder: Path, split: str, baseline: Baseline) -> None:
    """Keep a baseline beside the evaluation it belongs to."""
    write_whole(_find_file(folder, split), baseline.model_dump_json(indent=2) + "\n")


def read_baseline(folder: Path, split: str) -> Baseline | None:
    """Return the baseline that is kept, if one is."""
    try:
        return Baseline.model_validate_json(_find_file(folder, split).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, not text, or not what it should be
        return None


def compute_baseline(
    texts: Sequence[str], labels: NDArray[np.int64], table: "pd.DataFrame", *, n_train_available: int | None = None
) -> Baseline:
    """Train the plain model on some texts, and measure it on a table's against what the table's model said of them.

    Both answer for the same texts, so only those that one of the two has right tell them apart: McNemar's test, in the exact
    form (McNemar 1947; Dietterich 1998, "Approximate Statistical Tests for Comparing Supervised Classification Learning
    Algorithms").
    """
    from scipy.stats import binomtest
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    began = time.monotonic()
    terms = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=MAX_TERMS)
    model = make_pipeline(terms, LogisticRegression(C=10.0, solver="saga", tol=1e-2, max_iter=300, random_state=0))
    model.fit(texts, labels)
    right = model.predict(table["text"]) == table["label"].to_numpy()  # (n,) bool
    other_right = table["predicted"].to_numpy() == table["label"].to_numpy()  # (n,) bool
    n_only_model, n_only_baseline = int((other_right & ~right).sum()), int((right & ~other_right).sum())
    n_apart = n_only_model + n_only_baseline
    accuracy = float(right.mean())
    from agnews_core.evaluation.compute import compute_wilson_interval

    low, high = compute_wilson_interval(accuracy, len(table))
    return Baseline(
        accuracy=accuracy,
        accuracy_low=low,
        accuracy_high=high,
        n=len(table),
        n_only_model_right=n_only_model,
        n_only_baseline_right=n_only_baseline,
        p_value=float(binomtest(n_only_model, n_apart).pvalue) if n_apart else 1.0,
        n_train=len(texts),
        n_train_available=n_train_available or len(texts),
        fit_seconds=time.monotonic() - began,
        rows_digest=_compute_digest(table),
    )


def _find_file(folder: Path, split: str) -> Path:
    return folder / f"baseline-{split}.json"


def _compute_digest(table: "pd.DataFrame") -> str:
    digest = hashlib.sha256()
    for text, label, predicted in zip(table["text"], table["label"], table["predicted"], strict=True):
        digest.update(f"{label}\t{predicted}\t{text}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()[:16]
