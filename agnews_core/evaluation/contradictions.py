"""Labels that are probably wrong: those that a plain model, trained on the other texts, contradicts.

Leaving such texts out helps more on AG News with wrong labels than smoothing all labels does (NoisyAG-News, arXiv:2407.06579).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from agnews_core.evaluation.baseline import build_plain_model

FOLDS = 5
CERTAIN = 0.95  # of another class, out of fold


def find_contradicted(texts: Sequence[str], labels: NDArray[np.int64], *, seed: int) -> NDArray[np.bool_]:
    """Return which of n labels a plain model contradicts that was trained on the other folds' texts: (n,).

    A text that is there several times is in one fold. Where a class has one text alone, nothing can be told.
    """
    rows, unique = pd.factorize(np.asarray(texts, dtype=object))
    own = np.zeros(len(unique), dtype=np.int64)
    own[rows] = labels
    classes, counts = np.unique(own, return_counts=True)
    n_folds = min(FOLDS, int(counts.min()))
    if n_folds < 2:
        return np.zeros(len(texts), dtype=np.bool_)
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    shares = cross_val_predict(
        build_plain_model(), unique, own, cv=folds, method="predict_proba"
    )  # (n_unique, n_classes)
    is_other: NDArray[np.bool_] = (classes[shares.argmax(1)] != own) & (shares.max(1) > CERTAIN)
    return is_other[rows]
