"""How good a model is, as a person looks at it: its evaluation on a split and the baseline beside it, found or made."""

import sys
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from agnews_core.config import TrainConfig
from agnews_core.errors import DataError, RunError
from agnews_core.evaluation.baseline import load_baseline, read_baseline
from agnews_core.evaluation.calibration import compute_calibration_error, undo_temperature
from agnews_core.evaluation.compute import compute_report
from agnews_core.evaluation.files import Evaluated, read_evaluated, write_evaluated
from agnews_core.evaluation.report import Baseline
from agnews_core.inference.catalogue import ClassifierCache, TrainedModel
from agnews_core.inference.classifier import Classifier, predict_table
from agnews_core.inference.predictions import Progress, read_probabilities
from agnews_core.news.splits import load_news


@dataclass(frozen=True)
class Assessment:
    """An evaluation and the baseline on the same rows; None where that was not computed."""

    evaluated: Evaluated
    baseline: Baseline | None


def read_assessment(model: TrainedModel, split: str) -> Assessment | None:
    """Return what is kept of a model on a split, or None where it has not been evaluated there."""
    evaluated = read_evaluated(model.folder, split)
    return None if evaluated is None else Assessment(evaluated, read_baseline(model.folder, split))


def load_assessment(
    model: TrainedModel, split: str, classifiers: ClassifierCache, on_progress: Progress | None = None
) -> Assessment:
    """Return a model's assessment with all its parts, computing what is not kept, and keep that in the run's directory.

    What is kept is of the model as it is: a run that is resumed forgets its evaluations.

    Raises:
        RunError: The model belongs to no run.
        DataError: The run's news is no longer there, or has no such split.
        CheckpointError: The model cannot be loaded.
    """
    if model.run is None:
        raise RunError(
            "A shipped model is not evaluated here, since its training texts are not known; see its own report."
        )
    config = model.run.read_resolved_config()
    evaluated = read_evaluated(model.folder, split)
    if evaluated is None or evaluated.table is None:
        from agnews_core.inference.assess import evaluate_split

        evaluated = evaluate_split(classifiers.load(model), config, split=split, is_own=True, on_progress=on_progress)
        write_evaluated(model.folder, evaluated)
    assert evaluated.table is not None  # evaluate_split always makes it
    return Assessment(evaluated, load_baseline(model.folder, split, evaluated.table, config))


def evaluate(classifier: Classifier, config: TrainConfig, *, split: str, is_own: bool = False) -> Evaluated:
    """Report how good a model is on a split, with a progress bar on standard error; otherwise as `evaluate_split`."""
    with tqdm(unit="text", file=sys.stderr) as bar:

        def show(n_done: int, n_total: int) -> None:
            bar.total = n_total
            bar.update(n_done - bar.n)

        return evaluate_split(classifier, config, split=split, is_own=is_own, on_progress=show)


def evaluate_split(
    classifier: Classifier,
    config: TrainConfig,
    *,
    split: str,
    is_own: bool = False,
    on_progress: Progress | None = None,
) -> Evaluated:
    """Classify a split of the news that `config` names and report how good the model is on it.

    Args:
        classifier: The model.
        config: Its `data`, `seed` and `max_eval_samples` say which texts; those of the model's own run give its own split.
        split: "validation" or "test".
        is_own: Whether the texts are those of the model's own run, on whose validation split its temperature was fitted.
        on_progress: Told how many texts are done, and how many there are.

    Raises:
        DataError: The news cannot be had or has no test file.
    """
    news = load_news(config)
    rows = news.validation if split == "validation" else news.test
    if rows is None:
        raise DataError(
            f"There is no test file in {news.counts.source}; evaluate on the validation split, or give news that has one."
        )
    if config.max_eval_samples is not None and config.max_eval_samples < len(rows):
        rows = rows.shuffle(seed=config.seed).select(range(config.max_eval_samples))
    texts, labels = list(rows["text"]), np.asarray(rows["label"])
    table = predict_table(classifier, texts, on_progress).assign(label=labels)
    probabilities, temperature = read_probabilities(table), classifier.info.temperature
    uncalibrated_error = None
    if is_own and split == "validation":
        uncalibrated_error = compute_calibration_error(labels, undo_temperature(probabilities, temperature))
    report = compute_report(
        texts,
        labels,
        probabilities,
        split=split,
        data_source=news.counts.source,
        data_counts=news.counts.model_dump(),
        backbone=classifier.info.backbone,
        seed=config.seed,
        temperature=temperature,
        uncalibrated_error=uncalibrated_error,
    )
    return Evaluated(report, table)
