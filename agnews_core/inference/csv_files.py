"""The CSV file of predictions, written piece by piece while the texts are classified: in constant memory for any number."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agnews_core.errors import DataError
from agnews_core.evaluation.calibration import apply_temperature
from agnews_core.inference.classifier import Classifier
from agnews_core.inference.predictions import Progress
from agnews_core.labels import LABELS
from agnews_core.whole_files import replacing


def iterate_probabilities(
    classifier: Classifier, texts: Sequence[str], on_progress: Progress | None = None
) -> Iterator[NDArray[np.float32]]:
    """Yield the (n_piece, 4) probabilities of piece after piece of the texts, in their order."""
    held: list[tuple[NDArray[np.intp], NDArray[np.float32]]] = []
    n_held = n_yielded = last = 0
    for rows, logits in classifier.iterate(texts):
        held.append((rows, logits))
        n_held, last = n_held + len(rows), max(last, int(rows.max()))
        if on_progress is not None:
            on_progress(n_yielded + n_held, len(texts))
        if last + 1 == n_yielded + n_held:  # none before the last is wanting
            order = np.argsort(np.concatenate([rows for rows, _ in held]))
            yield apply_temperature(np.concatenate([logits for _, logits in held])[order], classifier.temperature)
            held, n_held, n_yielded = [], 0, last + 1


def write_csv(
    pieces: Iterable[NDArray[np.float32]], path: Path, *, label_names: bool = False, probabilities: bool = False
) -> None:
    """Write a CSV with the header ID,Label: IDs 0..n-1 in order, integer labels, no index column; whole or not at all.

    Args:
        pieces: (n_piece, 4) probabilities, one piece after the other in the order of the input file.
        path: The CSV file; replaced if it is there, when the last piece is written.
        label_names: Add the column LabelName.
        probabilities: Add a column for each class.

    Raises:
        DataError: The file cannot be written.
    """
    columns = ["ID", "Label", *["LabelName"] * label_names, *LABELS * probabilities]
    try:
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            n_written = 0
            pd.DataFrame(columns=columns).to_csv(file, index=False, lineterminator="\n")
            for piece in pieces:
                rows = _build_rows(piece, first_id=n_written)[columns]
                rows.to_csv(file, index=False, header=False, float_format="%.6f", lineterminator="\n")
                n_written += len(piece)
    except OSError as error:
        reason = error.strerror or str(error)  # pandas' own has no strerror
        raise DataError(f"The predictions cannot be written to {path}: {reason}; choose another place.") from error


def _build_rows(probabilities: NDArray[np.float32], *, first_id: int) -> pd.DataFrame:
    predicted = probabilities.argmax(-1)
    ids, names = np.arange(first_id, first_id + len(predicted)), np.array(LABELS)[predicted]
    shares = {name: probabilities[:, number] for number, name in enumerate(LABELS)}
    return pd.DataFrame({"ID": ids, "Label": predicted, "LabelName": names, **shares})
