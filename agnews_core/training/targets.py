"""What a run learns of a training text where that is more than its label: a share of each class, and how much the text counts.

The two are one row of four numbers: the shares, times the weight. They are computed once and kept beside the checkpoints, so that
a run that goes on has the same ones, whatever has become of its teachers.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from agnews_core.config import TrainConfig
from agnews_core.evaluation.contradictions import CERTAIN, find_contradicted
from agnews_core.labels import LABELS
from agnews_core.news.splits import load_news
from agnews_core.news.tables import read_split
from agnews_core.processes import share
from agnews_core.runs import Run
from agnews_core.training.parts import Parts
from agnews_core.training.records import enter, note
from agnews_core.training.teachers import ask_teachers, check_teachers, describe_overlap
from agnews_core.whole_files import replacing

TARGETS = "targets.safetensors"
EXAMPLES = 3  # of contradicted texts, noted in the run


def set_targets(run: Run, parts: Parts) -> Parts:
    """Return parts whose training labels are such rows, where the settings ask for more than labels."""
    config = parts.config
    if not _has_teachers(config) and config.contradicted_weight == 1 and config.class_weight == "none":
        return parts
    targets = share(lambda: _load(run, len(parts.train)) or _compute(run, parts))
    tokens = parts.train_tokens.remove_columns("labels").add_column("labels", targets)
    return replace(parts, train_tokens=tokens)


def check_own_teachers(run: Run) -> None:
    """Refuse to begin with teachers that cannot be asked; a run that has asked them needs them no longer.

    Raises:
        ConfigError: As `teachers.check_teachers`.
    """
    config = run.read_resolved_config()
    if _has_teachers(config) and not _find_path(run).exists():
        check_teachers(config, run.path.parent, pupil=run)


def _has_teachers(config: TrainConfig) -> bool:
    return bool(config.teachers and config.teacher_weight)


def _find_path(run: Run) -> Path:
    return run.checkpoints_dir / TARGETS


def _load(run: Run, n_texts: int) -> list[list[float]] | None:
    """Return what is kept, if that is whole."""
    try:
        targets = load_file(_find_path(run))["targets"]
    except (OSError, SafetensorError, KeyError):
        return None
    return targets.tolist() if targets.shape == (n_texts, len(LABELS)) else None


def _compute(run: Run, parts: Parts) -> list[list[float]]:
    config, texts, labels = parts.config, list(parts.train["text"]), np.asarray(parts.train["label"])
    smoothing = config.label_smoothing_factor
    targets = np.eye(len(LABELS), dtype=np.float32)[labels] * (1 - smoothing) + smoothing / len(LABELS)
    if _has_teachers(config):
        taught = ask_teachers(run, config, texts)
        note(run, _describe_teaching(config, float((taught.argmax(1) == labels).mean())))
        for name in config.teachers:
            note(run, describe_overlap(name, run.path.parent, list(parts.validation["text"])))
        targets = (1 - config.teacher_weight) * targets + config.teacher_weight * taught
    if config.contradicted_weight < 1:
        targets = targets * _weigh(run, parts, texts, labels)[:, None]
    if config.class_weight == "balanced":
        targets = targets * _weigh_classes(run, parts, labels)[:, None]
    kept = torch.from_numpy(targets.astype(np.float32))
    run.checkpoints_dir.mkdir(exist_ok=True)
    with replacing(_find_path(run)) as temporary:
        save_file({"targets": kept}, temporary)
    found: list[list[float]] = kept.tolist()
    return found


def _weigh(run: Run, parts: Parts, texts: list[str], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how much each of n texts counts: (n,). Another form of a text counts as much as the text, and judges none."""
    enter(run, "checking labels")
    other = np.arange(len(texts)) if parts.other is None else parts.other
    contradicted = find_contradicted(texts[: len(other)], labels[: len(other)], seed=parts.config.seed)
    note(run, _describe_contradicted(parts.config, texts[: len(other)], contradicted))
    weights = np.ones(len(texts))
    weights[: len(other)] = weights[other] = np.where(contradicted, parts.config.contradicted_weight, 1)
    return weights


def _weigh_classes(run: Run, parts: Parts, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how much each of n texts counts so that all classes count alike: (n,), 1 on average over a pass.

    n / (classes x texts of the class), as scikit-learn's "balanced" has it; another form of a text counts as much as the text.
    """
    classes = labels if parts.other is None else labels[: len(parts.other)]
    counts = np.bincount(classes, minlength=len(LABELS))
    weights = len(classes) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    each = ", ".join(f"{name} {weight:.2g}" for name, weight, n in zip(LABELS, weights, counts, strict=True) if n)
    note(run, f"Texts count by their class, so that all classes count alike (`class_weight` balanced): {each}.")
    of_texts: NDArray[np.float64] = weights[labels]
    return of_texts


def _describe_teaching(config: TrainConfig, agreement: float) -> str:
    return (
        f"The mean of what {', '.join(config.teachers)} said of the training texts is {config.teacher_weight:.0%} of what is "
        f"learned; it chose the label in {agreement:.1%} of them."
    )


def _describe_contradicted(config: TrainConfig, texts: list[str], contradicted: NDArray[np.bool_]) -> str:
    """Describe how many texts there are, with the rows that some of them have in the news' own files."""
    n, places = int(contradicted.sum()), np.flatnonzero(contradicted)
    file = read_split(load_news(config).folder.path, "train")["text"]
    rows = [str(row + 1) for row in np.flatnonzero(file.isin([texts[place] for place in places]))[:EXAMPLES]]
    examples = f" (of the news, rows {', '.join(rows)}{' and others' if n > len(rows) else ''})" if rows else ""
    counts = f"count {config.contradicted_weight:g} times" if config.contradicted_weight else "are left out"
    return (
        f"A plain model, trained on the others, contradicts the labels of {n:,} of {len(texts):,} training texts with more than "
        f"{CERTAIN:.0%}{examples}; they {counts}."
    )
