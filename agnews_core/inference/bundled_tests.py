"""A model on the bundled test texts, which are never trained on: short news as a wire has it, and plain language by kind."""

import numpy as np
import pandas as pd

from agnews_core.evaluation.compute import compute_share
from agnews_core.evaluation.figures import Figures
from agnews_core.inference.classifier import Classifier
from agnews_core.news.plain import KINDS, read_plain
from agnews_core.news.sources import SAMPLE_DIR
from agnews_core.news.tables import read_split

WIRE, PLAIN = "bundled wire texts", "bundled plain texts"


def measure_bundled_tests(classifier: Classifier) -> Figures:
    """Return the accuracies on the wire texts, on all plain texts, and on each kind of them."""
    plain, wire = read_plain("test"), read_split(SAMPLE_DIR, "test")
    right = _find_right(classifier, plain)
    shares = {WIRE: compute_share(_find_right(classifier, wire)), PLAIN: compute_share(right)}
    kinds = plain["kind"].to_numpy()
    of_kinds = {f"{PLAIN}, {kind}": compute_share(right[kinds == kind]) for kind in KINDS if (kinds == kind).any()}
    return Figures(shares=shares | of_kinds)


def _find_right(classifier: Classifier, rows: pd.DataFrame) -> "np.typing.NDArray[np.bool_]":
    predicted = classifier.compute_logits(list(rows["text"])).argmax(-1)
    right: np.typing.NDArray[np.bool_] = predicted == rows["label"].to_numpy()
    return right
