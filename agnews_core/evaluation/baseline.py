"""A plain model on the same rows, so that an accuracy means something: TF-IDF of words and pairs, logistic regression."""

import hashlib
import time
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from agnews_core.config import TrainConfig
from agnews_core.evaluation.comparison import compute_p_value
from agnews_core.evaluation.compute import compute_interval, compute_share
from agnews_core.evaluation.files import Evaluated, read_baseline, write_baseline
from agnews_core.evaluation.report import Baseline, EvaluationReport
from agnews_core.news.splits import load_news

MAX_TERMS = 50_000


def load_baseline(folder: Path, evaluated: Evaluated, config: TrainConfig) -> Baseline:
    """Return the baseline of an evaluation, kept from before or computed now: of the very rows that the run was trained on.

    Plain texts are among them as often as the run repeats them. One that an older version trained on some of the rows, or did
    not measure on the evaluation's plain texts, is computed anew.

    Args:
        folder: Where the evaluation is kept.
        evaluated: The evaluation; the baseline answers for the same texts.
        config: The run's settings, which say where its training texts are.

    Raises:
        DataError: The news is no longer there.
    """
    report, table = evaluated.report, evaluated.table
    kept = read_baseline(folder, report.split)
    if kept and kept.rows_digest == _compute_digest(table) and _is_whole(kept, report):
        return kept
    news = load_news(config)
    plain = news.plain_holdout if report.is_held_out else news.plain_validation
    computed = compute_baseline(news.train, table, plain=plain if report.plain else None)
    write_baseline(folder, report.split, computed)
    return computed


def _is_whole(kept: Baseline, report: EvaluationReport) -> bool:
    return kept.n_train == kept.n_train_available and bool(kept.plain) == bool(report.plain)


def compute_baseline(train: Dataset, table: pd.DataFrame, *, plain: Dataset | None = None) -> Baseline:
    """Train the plain model on some texts, and measure it on a table's against what the table's model said of them.

    Both answer for the same texts, so only those that one of the two has right tell them apart.

    Args:
        train: The texts that it is trained on.
        table: What it is measured on.
        plain: Plain texts that it is measured on too.
    """
    began = time.monotonic()
    model = build_plain_model()
    model.fit(list(train["text"]), np.asarray(train["label"]))
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
        n_train=len(train),
        n_train_available=len(train),
        fit_seconds=time.monotonic() - began,
        rows_digest=_compute_digest(table),
        plain=compute_share(model.predict(list(plain["text"])) == np.asarray(plain["label"])) if plain else None,
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
