"""A plain model on the same rows, so that an accuracy means something: TF-IDF of words and pairs, logistic regression."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from agnews_core.config import TrainConfig
from agnews_core.evaluation.comparison import compute_p_value
from agnews_core.evaluation.compute import compute_interval
from agnews_core.evaluation.files import read_baseline, write_baseline
from agnews_core.evaluation.report import Baseline
from agnews_core.news.splits import load_news

MAX_TERMS = 50_000


def load_baseline(folder: Path, split: str, table: pd.DataFrame, config: TrainConfig) -> Baseline:
    """Return the baseline of an evaluation, kept from before or computed now: of the very rows that the run was trained on.

    Plain texts are among them as often as the run repeats them. One that an older version trained on some of the rows is
    computed anew.

    Args:
        folder: Where the evaluation is kept.
        split: Which split it is of.
        table: Its rows, with their true classes; the baseline answers for the same ones.
        config: The run's settings, which say where its training texts are.

    Raises:
        DataError: The news is no longer there.
    """
    kept = read_baseline(folder, split)
    if kept is not None and kept.rows_digest == _compute_digest(table) and kept.n_train == kept.n_train_available:
        return kept
    rows = load_news(config).train
    computed = compute_baseline(list(rows["text"]), np.asarray(rows["label"]), table)
    write_baseline(folder, split, computed)
    return computed


def compute_baseline(texts: Sequence[str], labels: NDArray[np.int64], table: pd.DataFrame) -> Baseline:
    """Train the plain model on some texts, and measure it on a table's against what the table's model said of them.

    Both answer for the same texts, so only those that one of the two has right tell them apart.
    """
    began = time.monotonic()
    model = build_plain_model()
    model.fit(texts, labels)
    right = model.predict(table["text"]) == table["label"].to_numpy()  # (n,) bool
    other_right = table["predicted"].to_numpy() == table["label"].to_numpy()  # (n,) bool
    n_only_model, n_only_baseline = int((other_right & ~right).sum()), int((right & ~other_right).sum())
    low, high = compute_interval(int(right.sum()), len(table))
    return Baseline(
        accuracy=float(right.mean()),
        accuracy_low=low,
        accuracy_high=high,
        n=len(table),
        n_only_model_right=n_only_model,
        n_only_baseline_right=n_only_baseline,
        p_value=compute_p_value(n_only_model, n_only_baseline),
        n_train=len(texts),
        n_train_available=len(texts),
        fit_seconds=time.monotonic() - began,
        rows_digest=_compute_digest(table),
    )


def build_plain_model() -> Pipeline:
    """Build the plain model, which is fitted on texts and labels."""
    terms = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=MAX_TERMS)
    return make_pipeline(terms, LogisticRegression(C=10.0, solver="saga", tol=1e-2, max_iter=300, random_state=0))


def _compute_digest(table: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for text, label, predicted in zip(table["text"], table["label"], table["predicted"], strict=True):
        digest.update(f"{label}\t{predicted}\t{text}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()[:16]
