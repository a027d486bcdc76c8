"""How good a model is on labelled texts: its evaluation, and the baseline beside it, found where they are kept or made."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from datasets import Dataset
from numpy.typing import NDArray

from agnews_core.config import TrainConfig
from agnews_core.errors import ConfigError, DataError, RunError
from agnews_core.evaluation.baseline import load_baseline
from agnews_core.evaluation.calibration import apply_temperature, fit_temperature
from agnews_core.evaluation.compute import compute_report, compute_share
from agnews_core.evaluation.files import Assessment, Evaluated, read_evaluated, read_layers, write_evaluated
from agnews_core.evaluation.report import Split
from agnews_core.inference.catalogue import ClassifierCache, TrainedModel, identify
from agnews_core.inference.classifier import Classifier
from agnews_core.inference.predictions import Progress
from agnews_core.inference.tables import build_table
from agnews_core.news.counts import DataCounts
from agnews_core.news.sets import as_set
from agnews_core.news.sources import find_news
from agnews_core.news.splits import load_all, load_news, take
from agnews_core.runs import Run


@dataclass(frozen=True)
class LabelledTexts:
    """Texts to measure a model on, and where they come from.

    Attributes:
        labels: (n,) their true classes, 0-3.
        counts: The news they are of.
        seed: What split it.
        is_own: Whether they are validation texts of the model's own run, on which its best checkpoint was chosen and its
            temperature fitted.
        plain: Plain validation texts of that run, or those that are held out from it too, measured beside them; see `News`.
        is_held_out: Whether they are validation texts that the model's run has never seen.
    """

    texts: list[str]
    labels: NDArray[np.int64]
    split: Split
    counts: DataCounts
    seed: int
    is_own: bool = False
    is_held_out: bool = False
    plain: Dataset | None = None

    @classmethod
    def of(cls, rows: Dataset, **where: Any) -> Self:
        """Build them from rows with the columns `text` and `label`."""
        return cls(list(rows["text"]), np.asarray(rows["label"]), **where)

    def sample(self, at_most: int | None) -> Self:
        """Return all texts, or some that keep the classes' shares."""
        rows = take(pd.DataFrame({"text": self.texts, "label": self.labels}), at_most, self.seed).index
        return replace(self, texts=[self.texts[row] for row in rows], labels=self.labels[rows])


def load_texts(config: TrainConfig, *, split: Split, is_own: bool = False, at_most: int | None = None) -> LabelledTexts:
    """Load a split of the news that `config` names, all of it, or a sample that keeps the classes' shares.

    Of the validation split, `config.max_eval_samples` leaves as many as the run itself was validated on. Of a set, the test split
    is all of it.

    Raises:
        DataError: The news cannot be had or has no test file.
    """
    folder = find_news(config.data)
    if split == "test" and as_set(folder.path):
        rows, counts = load_all(folder)
        return LabelledTexts.of(rows, split=split, counts=counts, seed=config.seed).sample(at_most)
    news = load_news(config)
    rows = news.validation if split == "validation" else news.test
    if rows is None:
        raise DataError(
            f"There is no test file in {news.counts.source}; evaluate on the validation split, or give news that has one."
        )
    is_own = is_own and split == "validation"
    plain = news.plain_validation if is_own else None
    texts = LabelledTexts.of(rows, split=split, counts=news.counts, seed=config.seed, is_own=is_own, plain=plain)
    return texts.sample(at_most)


def load_holdout(config: TrainConfig) -> LabelledTexts:
    """Load the validation texts that a run of these settings does not see.

    Raises:
        DataError: The news cannot be had.
        ConfigError: There are none, since `holdout_share` is 0.
    """
    news = load_news(config)
    if news.holdout is None:
        raise ConfigError("These settings keep no validation texts from the run; give `holdout_share`.")
    return LabelledTexts.of(
        news.holdout,
        split="validation",
        counts=news.counts,
        seed=config.seed,
        is_held_out=True,
        plain=news.plain_holdout,
    )


def evaluate(classifier: Classifier, texts: LabelledTexts, on_progress: Progress | None = None) -> Evaluated:
    """Evaluate a classifier as it is."""
    logits = _compute_logits(classifier, texts, on_progress)
    return _assess_logits(classifier, texts, logits, temperature=classifier.temperature)


def calibrate(classifier: Classifier, texts: LabelledTexts, on_progress: Progress | None = None) -> Evaluated:
    """Fit a classifier's temperature on texts, and evaluate it with that one, which the report then has."""
    logits = _compute_logits(classifier, texts, on_progress)
    temperature = fit_temperature(logits[: len(texts.labels)], texts.labels)
    return _assess_logits(classifier, texts, logits, temperature=temperature)


def load_assessment(
    model: TrainedModel, split: Split, classifiers: ClassifierCache, on_progress: Progress | None = None
) -> Assessment:
    """Return a model's assessment with all its parts, computing what is not kept, and keep that in the run's directory.

    What is kept is of the model as it is: a run that is resumed forgets its evaluations.

    Raises:
        RunError: The model belongs to no run, or became another one meanwhile.
        DataError: The run's news is no longer there, or has no such split.
        CheckpointError: The model cannot be loaded.
    """
    config = check_has_run(model).read_resolved_config()
    evaluated = read_evaluated(model.folder, split)
    if evaluated is None:
        with unchanged(model):
            evaluated = evaluate(classifiers.load(model), load_texts(config, split=split, is_own=True), on_progress)
        write_evaluated(model.folder, evaluated)
    baseline = load_baseline(model.folder, evaluated, config)
    return Assessment(evaluated.report, baseline, read_layers(model.folder, split))


def check_has_run(model: TrainedModel) -> Run:
    """Return the run that a model belongs to.

    Raises:
        RunError: There is none.
    """
    if model.run is None:
        raise RunError(
            "A bundled model is not evaluated here, since its training texts are not known; see its own report."
        )
    return model.run


@contextmanager
def unchanged(model: TrainedModel) -> Iterator[None]:
    """Refuse what was measured meanwhile if the model has become another one.

    Raises:
        RunError: It has.
    """
    identity = identify(model)
    yield
    if identify(model) != identity:
        raise RunError(f"{model.title} was trained on meanwhile; evaluate it again when it has ended.")


def _compute_logits(classifier: Classifier, texts: LabelledTexts, on_progress: Progress | None) -> NDArray[np.float32]:
    """Compute the logits of the texts, and after them those of the plain ones."""
    plain = list(texts.plain["text"]) if texts.plain else []
    return classifier.compute_logits([*texts.texts, *plain], on_progress)


def _assess_logits(
    classifier: Classifier, texts: LabelledTexts, logits: NDArray[np.float32], *, temperature: float
) -> Evaluated:
    logits, plain_logits = logits[: len(texts.labels)], logits[len(texts.labels) :]
    probabilities = apply_temperature(logits, temperature)
    report = compute_report(
        texts.texts,
        texts.labels,
        probabilities,
        own_logits=logits if texts.is_own else None,
        plain=compute_share(plain_logits.argmax(-1) == np.asarray(texts.plain["label"])) if texts.plain else None,
        split=texts.split,
        data_source=texts.counts.source,
        data_counts=texts.counts.model_dump(mode="json"),
        backbone=classifier.info.backbone,
        seed=texts.seed,
        temperature=temperature,
        lora_update_scale=classifier.info.lora_update_scale,
        engine=classifier.engine.title,
        is_held_out=texts.is_held_out,
    )
    return Evaluated(report, build_table(probabilities, texts=texts.texts, labels=texts.labels))
