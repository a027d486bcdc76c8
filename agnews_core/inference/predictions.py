"""What a model said of texts: one prediction, a table of many, a CSV file of them. It does not predict."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agnews_core.errors import DataError
from agnews_core.labels import LABELS
from agnews_core.whole_files import replacing

EXAMPLE_FILE = Path(__file__).parents[2] / "assets" / "examples" / "test_unlabelled.pkl"
Progress = Callable[[int, int], None]  # (texts done, texts in all)
UNSURE_MARGIN = 0.2  # of calibrated probability, between the first class and the second


@dataclass(frozen=True)
class Prediction:
    """What the model says of one text; `probabilities` are the four classes', in order of LABELS."""

    text: str
    label: int
    probabilities: tuple[float, ...]

    @property
    def label_name(self) -> str:
        """The class's name."""
        return LABELS[self.label]

    @property
    def is_unsure(self) -> bool:
        """Whether the second class comes so close that the first one should not be taken for certain."""
        first, second = sorted(self.probabilities, reverse=True)[:2]
        return first - second < UNSURE_MARGIN

    def to_json(self) -> dict[str, Any]:
        """Return the prediction as JSON has it, probabilities by class name."""
        named = dict(zip(LABELS, self.probabilities, strict=True))
        return {"text": self.text, "label": self.label, "label_name": self.label_name, "probabilities": named}


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


def read_probabilities(table: pd.DataFrame) -> NDArray[np.float32]:
    """Return the table's (n, 4) probabilities."""
    result: NDArray[np.float32] = table[list(LABELS)].to_numpy(dtype=np.float32)
    return result


def iterate_predictions(table: pd.DataFrame) -> Iterator[Prediction]:
    """Give the table's rows as `write_predictions` wants them."""
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
    """Write the table as `write_predictions` does, and return how many rows it has."""
    return write_predictions(path, iterate_predictions(table), label_names=label_names, probabilities=probabilities)


def write_predictions(
    path: Path, predictions: Iterable[Prediction], *, label_names: bool = False, probabilities: bool = False
) -> int:
    """Write a CSV with the header ID,Label: IDs 0..n-1 in order, integer labels, no index column.

    The file is written in constant memory under a temporary name and moved into place, so that it is whole or not there.

    Args:
        path: The CSV file; replaced if it is there.
        predictions: In the order of the input file.
        label_names: Add the column LabelName.
        probabilities: Add a column for each class.

    Returns:
        How many rows were written.

    Raises:
        DataError: The file cannot be written.
    """
    n_rows = 0
    try:
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["ID", "Label", *["LabelName"] * label_names, *LABELS * probabilities])
            for n_rows, prediction in enumerate(predictions, start=1):
                name = [prediction.label_name] * label_names
                shares = [f"{share:.6f}" for share in prediction.probabilities] if probabilities else []
                writer.writerow([n_rows - 1, prediction.label, *name, *shares])
    except OSError as error:
        raise DataError(
            f"The predictions cannot be written to {path}: {error.strerror}; choose another place."
        ) from error
    return n_rows
