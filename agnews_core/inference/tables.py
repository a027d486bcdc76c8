"""What a model says of many texts, as a table, and what people look up in it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agnews_core.labels import LABELS


def build_table(
    probabilities: NDArray[np.float32], *, texts: Sequence[str] | None = None, labels: NDArray[np.int64] | None = None
) -> pd.DataFrame:
    """Build the table of predictions.

    Args:
        probabilities: (n, 4), in order of LABELS.
        texts: n texts, where they are wanted beside what was said of them.
        labels: (n,) true classes, where they are known.

    Returns:
        n rows with the columns text (str) and label (int), where given, predicted (int), confidence (float), and one for each
        class's probability, named by the class.
    """
    given = {"text": None if texts is None else list(texts), "label": labels}
    shares = {name: probabilities[:, number] for number, name in enumerate(LABELS)}
    predicted = {"predicted": probabilities.argmax(-1), "confidence": probabilities.max(-1)}
    return pd.DataFrame({**{name: it for name, it in given.items() if it is not None}, **predicted, **shares})


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
