"""Trained models that a run learns from: found, checked before a run is made, and asked what they say of its training texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from agnews_core.config import TrainConfig
from agnews_core.errors import AgNewsError, CheckpointError, ConfigError, quote
from agnews_core.evaluation.calibration import apply_temperature
from agnews_core.inference.catalogue import read_run_model
from agnews_core.inference.classifier import Classifier
from agnews_core.labels import LABELS
from agnews_core.models.adapters import ADAPTER_WEIGHTS, find_backbone, read_adapter_info
from agnews_core.models.backbones import Backbone, look_for_backbone
from agnews_core.news.splits import load_news
from agnews_core.runs import Run, find_run, is_name
from agnews_core.training.records import enter, note
from agnews_core.training.watch import Watch


@dataclass(frozen=True)
class Teacher:
    """A model to learn from: an adapter, where its backbone is, and the run that made it, if one here did."""

    name: str
    adapter_dir: Path
    backbone: str
    run: Run | None = None


def find_reference(name: str) -> str:
    """Return what finds the same teacher again from any working directory."""
    return name if is_name(name) else str(Path(name).expanduser().resolve())


def check_teachers(config: TrainConfig, runs_dir: Path, *, pupil: Run | None = None) -> None:
    """Refuse teachers that cannot be asked, as far as can be told without loading them.

    Args:
        config: The settings.
        runs_dir: The folder of the runs that may be teachers.
        pupil: The run that is to learn, where it is made already.

    Raises:
        ConfigError: One is not there, is damaged, has other classes, has no base model here, or is the run itself.
    """
    for name in config.teachers:
        if pupil is not None and name == pupil.name:
            raise ConfigError(f"The run {name} cannot be its own teacher; name another one.")
        try:
            _check(_find_teacher(name, runs_dir))
        except AgNewsError as error:
            raise _explain(name, error) from error


def _find_teacher(name: str, runs_dir: Path) -> Teacher:
    """Find a run by its name, and an adapter by its folder, which is no such name."""
    if is_name(name):
        run = find_run(runs_dir, name)
        model = read_run_model(run)
        return Teacher(name, model.adapter_dir, model.backbone, run)
    folder = Path(name).expanduser()
    return Teacher(name, folder, read_adapter_info(folder).backbone)


def _check(teacher: Teacher) -> None:
    info = read_adapter_info(teacher.adapter_dir)
    if isinstance(
        look_for_backbone(teacher.backbone, replaceable=False), Backbone
    ):  # else it is downloaded when it is asked
        find_backbone(info, teacher.adapter_dir, backbone_name=teacher.backbone)
    weights = teacher.adapter_dir / ADAPTER_WEIGHTS
    try:
        with safe_open(weights, framework="pt"):
            pass
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"The adapter's weights {weights} are missing or damaged.") from error


def _explain(name: str, error: AgNewsError) -> ConfigError:
    is_folder = "" if not is_name(name) else " (A folder is written ./NAME.)"
    return ConfigError(f"The teacher {quote(name)} cannot be asked. {error}{is_folder}")


def ask_teachers(run: Run, config: TrainConfig, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the mean of what a run's teachers say of n texts, at its temperature: (n, 4) probabilities.

    What each says is calibrated first, so that they can be compared. Progress is recorded in the run.

    Raises:
        ConfigError: One cannot be asked.
        StoppedEarlyError: A stop was asked for meanwhile.
    """
    enter(run, "asking teachers")
    watch = Watch(run, len(texts) * len(config.teachers), "teachers were asked")
    mean = np.zeros((len(texts), len(LABELS)), dtype=np.float32)
    for number, name in enumerate(config.teachers):
        try:
            teacher = _find_teacher(name, run.path.parent)
            classifier = Classifier.load(teacher.adapter_dir, backbone_name=teacher.backbone)
        except AgNewsError as error:
            raise _explain(name, error) from error
        logits = classifier.compute_logits(texts, partial(_tell, watch, number))
        note(run, classifier.engine.reason)
        mean += apply_temperature(logits, classifier.temperature * config.teacher_temperature) / len(config.teachers)
    return mean


def _tell(watch: Watch, n_before: int, n_done: int, n_texts: int) -> None:
    watch.reach(n_before * n_texts + n_done)


def describe_overlap(name: str, runs_dir: Path, validation: Sequence[str]) -> str:
    """Describe how many of a run's validation texts its teacher was trained on, as far as that can be known; else ""."""
    run = _find_teacher(name, runs_dir).run
    resolved = run.read_status().resolved if run else None
    if run is None or resolved is None:
        return ""
    try:
        news = load_news(run.read_resolved_config())
    except AgNewsError:  # it is no longer there
        return ""
    n = len(set(news.train["text"]) & set(validation))
    if not n or news.digest != resolved.data_digest:
        return ""
    return (
        f"The teacher {name} was trained on {n:,} of this run's {len(validation):,} validation texts, since its news was split "
        "otherwise; what it passes on may make this run look better than it is."
    )
