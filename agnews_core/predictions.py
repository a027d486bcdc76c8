"""Predictions of many texts as one table: built, counted, searched, kept in a file. It does not predict."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agnews_core.data import LABELS

if TYPE_CHECKING:
    from agnews_core.inference import Classifier, Prediction

EXAMPLE_FILE = Path(__file__).parent.parent / "assets" / "examples" / "test_unlabelled.pkl"
SLICE_TEXTS = 512  # sorted by length together; a second or two of work
Progress = Callable[[int, int], None]  # (texts done, texts in all)


def build_table(
    texts: Sequence[str], probabilities: NDArray[np.float32], labels: NDArray[np.int64] | None = None
) -> pd.DataFrame:
    """Build the table of predictions.

    Args:
        texts: n texts.
        probabilities: (n, 4), in order of LABELS.
        labels: (n,) true classes, where they are known.

    Returns:
        n rows with the columns text (str), label (int, only where known), predicted (int), confidence (float), and one for
        each class's probability, named by the class.
    """
    shares = {name: probabilities[:, number] for number, name in enumerate(LABELS)}
    known = {} if labels is None else {"label": labels}
    predicted = {"predicted": probabilities.argmax(-1), "confidence": probabilities.max(-1)}
    return pd.DataFrame({"text": list(texts), **known, **predicted, **shares})


def predict_table(classifier: "Classifier", texts: Sequence[str], on_progress: Progress | None = None) -> pd.DataFrame:
    """Classify texts, telling after each slice of them how far it is."""
    probabilities = np.empty((len(texts), len(LABELS)), dtype=np.float32)
    for start in range(0, len(texts), SLICE_TEXTS):
        stop = min(start + SLICE_TEXTS, len(texts))
        probabilities[start:stop] = classifier.compute_probabilities(texts[start:stop])
        if on_progress is not None:
            on_progress(stop, len(texts))
    return build_table(texts, probabilities)


def read_probabilities(table: pd.DataFrame) -> NDArray[np.float32]:
    """Return the table's (n, 4) probabilities."""
    result: NDArray[np.float32] = table[list(LABELS)].to_numpy(dtype=np.float32)
    return result


def iterate_predictions(table: pd.DataFrame) -> Iterator["Prediction"]:
    """Give the table's rows as `inference.Prediction`s, as `write_predictions` wants them."""
    from agnews_core.inference import Prediction

    for text, label, row in zip(table["text"], table["predicted"], read_probabilities(table), strict=True):
        yield Prediction(text, int(label), tuple(row.tolist()))


def count_classes(table: pd.DataFrame) -> dict[str, int]:
    """Return how many texts were given each class, every class named."""
    counts = table["predicted"].value_counts()
    return {name: int(counts.get(number, 0)) for number, name in enumerate(LABELS)}


def select_cell(table: pd.DataFrame, *, label: int, predicted: int) -> pd.DataFrame:
    """Return the rows of one true and one predicted class, the most confident first."""
    rows = table[(table["label"] == label) & (table["predicted"] == predicted)]
    return rows.sort_values("confidence", ascending=False, kind="stable")


def filter_table(table: pd.DataFrame, *, label_name: str | None = None, query: str = "") -> pd.DataFrame:
    """Return the rows of one predicted class (all, where none is named) whose text holds the words searched for."""
    kept = pd.Series(True, index=table.index)
    if label_name in LABELS:
        kept &= table["predicted"] == LABELS.index(label_name)
    if query.strip():
        kept &= table["text"].str.contains(query.strip(), case=False, regex=False)
    return table[kept]


def write_csv(table: pd.DataFrame, path: Path, *, label_names: bool = False, probabilities: bool = False) -> int:
    """Write the table as `inference.write_predictions` does, and return how many rows it has."""
    from agnews_core.inference import write_predictions

    return write_predictions(path, iterate_predictions(table), label_names=label_names, probabilities=probabilities)
