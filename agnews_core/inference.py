"""Texts -> classes and probabilities, fast, and predictions -> a CSV file. It takes lists of str and opens no user's file."""

import csv
import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from agnews_core.backbones import load_tokenizer
from agnews_core.calibration import apply_temperature
from agnews_core.config import TrainConfig
from agnews_core.data import LABELS, encode, load_news
from agnews_core.devices import choose_device
from agnews_core.errors import DataError
from agnews_core.evaluation import EvaluationReport, compute_report
from agnews_core.model import AdapterInfo, LoadedModel, load_model

CHUNK_TEXTS = 2048  # tokenised and sorted by length together; bounds the memory of a long file
BATCH_TOKENS = 8192  # tokens, padding included, that go through the model at once


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

    def to_json(self) -> dict[str, Any]:
        """Return the prediction as JSON has it, probabilities by class name."""
        named = dict(zip(LABELS, self.probabilities, strict=True))
        return {"text": self.text, "label": self.label, "label_name": self.label_name, "probabilities": named}


class Classifier:
    """A trained model in memory. Texts are cut at the length it was trained with."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.info: AdapterInfo = loaded.info
        self._tokenizer = load_tokenizer(loaded.backbone)
        self._device = torch.device(choose_device())
        self._model = loaded.model.to(self._device)

    @classmethod
    def load(cls, adapter_dir: Path, *, backbone_name: str | None = None) -> Self:
        """Load an adapter as `model.load_model` does, with its errors."""
        return cls(load_model(adapter_dir, backbone_name=backbone_name))

    def predict(self, texts: Iterable[str]) -> Iterator[Prediction]:
        """Classify texts, in their order, holding one chunk of them in memory at a time."""
        rest = iter(texts)
        while chunk := tuple(itertools.islice(rest, CHUNK_TEXTS)):
            probabilities = self.compute_probabilities(chunk)
            for text, row in zip(chunk, probabilities, strict=True):
                yield Prediction(text, int(row.argmax()), tuple(row.tolist()))

    def compute_probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, 4) probabilities, rows in the order of the texts; for any number of texts use `predict`."""
        ids = encode(texts, self._tokenizer, max_length=self.info.max_length)["input_ids"]
        probabilities = np.empty((len(texts), len(LABELS)), dtype=np.float32)
        for rows in _batch_by_length([len(text_ids) for text_ids in ids]):
            probabilities[rows] = self._compute_batch([ids[row] for row in rows])
        return probabilities

    @torch.inference_mode()
    def _compute_batch(self, ids: list[list[int]]) -> NDArray[np.float32]:
        batch = self._tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self._device)
        logits = self._model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).logits  # (n_batch, 4)
        return apply_temperature(logits.float().cpu().numpy(), self.info.temperature)


def _batch_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group row numbers so that a group's texts are of like length and its padded size stays under BATCH_TOKENS."""
    batch: list[int] = []
    for row in np.argsort(lengths, kind="stable").tolist():
        if batch and (len(batch) + 1) * lengths[row] > BATCH_TOKENS:  # the newest row is the longest
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def evaluate(classifier: Classifier, config: TrainConfig, *, split: str) -> EvaluationReport:
    """Classify a split of the news that `config` names and report how good the model is on it.

    Args:
        classifier: The model.
        config: Its `data`, `seed` and `max_eval_samples` say which texts; those of the model's own run give its own split.
        split: "validation" or "test".

    Raises:
        DataError: The news cannot be had or has no test file.
    """
    news = load_news(config)
    rows = news.validation if split == "validation" else news.test
    if rows is None:
        raise DataError(
            f"There is no test file in {news.counts.source}; use --split validation, or give other news by --data."
        )
    if config.max_eval_samples is not None and config.max_eval_samples < len(rows):
        rows = rows.shuffle(seed=config.seed).select(range(config.max_eval_samples))
    texts = list(rows["text"])
    predictions = tqdm(classifier.predict(texts), total=len(texts), unit="text", file=sys.stderr)
    probabilities = np.array([prediction.probabilities for prediction in predictions], dtype=np.float32)  # (n, 4)
    return compute_report(
        texts,
        np.asarray(rows["label"]),
        probabilities,
        split=split,
        data_source=news.counts.source,
        data_counts=asdict(news.counts),
        backbone=classifier.info.backbone,
        seed=config.seed,
        temperature=classifier.info.temperature,
    )


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
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    n_rows = 0
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["ID", "Label", *["LabelName"] * label_names, *LABELS * probabilities])
            for n_rows, prediction in enumerate(predictions, start=1):
                name = [prediction.label_name] * label_names
                shares = [f"{share:.6f}" for share in prediction.probabilities] if probabilities else []
                writer.writerow([n_rows - 1, prediction.label, *name, *shares])
        temporary.replace(path)
    except OSError as error:
        raise DataError(
            f"The predictions cannot be written to {path}: {error.strerror}; choose another place with --output."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return n_rows
