"""What a config leaves open, decided for this machine: base model, news, device, precision, the rank of each layer.

The plan that people look at and the training itself ask here and nowhere else; what a run began with is recorded in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from agnews_core.config import TrainConfig
from agnews_core.devices import check_optimizer, choose_device, choose_precision, describe_spare_gpus
from agnews_core.errors import AgNewsError
from agnews_core.inference.engines import choose_engine
from agnews_core.models.backbones import BackboneSource, choose_name, count_layers, load_backbone, look_for_backbone
from agnews_core.models.lora import plan
from agnews_core.models.plan import HeadModules, Plan, resolve_layer_ranks
from agnews_core.news.counts import TextCounts
from agnews_core.news.sets import locate_set
from agnews_core.news.sources import NewsSource, find_news, look_for_news
from agnews_core.processes import count_processes
from agnews_core.runs import Replay, Resolved
from agnews_core.runs.resolved import Evaluations
from agnews_core.training.evaluations import plan_evaluations
from agnews_core.training.replay_choice import choose_replay
from agnews_core.training.teachers import check_teachers, find_reference

Found = TypeVar("Found")


def resolve(
    config: TrainConfig,
    *,
    missing: list[AgNewsError] | None = None,
    n_processes: int | None = None,
    runs_dir: Path | None = None,
) -> Resolved:
    """Decide what a config leaves open, downloading what that takes.

    Args:
        config: The settings.
        missing: Where it is given, nothing is downloaded, and what cannot be had is added to it instead of raised.
        n_processes: How many will train together, where that is not yet so.
        runs_dir: The folder of all runs, whose sets can be named; None is the default one.

    Raises:
        ConfigError: The settings, or AGNEWS_ENGINE, ask for what this machine or the base model does not have.
        CheckpointError, DataError: The base model or the news cannot be had.
    """
    device, n_processes = choose_device(), n_processes or count_processes()
    check_optimizer(config.optim, device=device)
    precision = choose_precision(config.precision, device=device)
    find_backbone, find = (load_backbone, find_news) if missing is None else (look_for_backbone, look_for_news)
    backbone = _find(find_backbone, config.backbone, missing)
    news = _find(partial(find, runs_dir=runs_dir), config.data, missing) or NewsSource(data=config.data, source="")
    more = [_find(partial(locate_set, runs_dir=runs_dir), name, missing) or name for name in config.more_train_files]
    backbone = backbone or BackboneSource(name=choose_name(config.backbone), source="", reason="")
    return Resolved(
        backbone=backbone.reference,
        backbone_name=backbone.name,
        backbone_source=backbone.source,
        data=news.data,
        data_source=news.source,
        device=device,
        precision=precision.name,
        layer_ranks=resolve_layer_ranks(config.layer_ranks, n_layers=count_layers(backbone.reference)),
        engine=choose_engine(),
        n_processes=n_processes,
        teachers=tuple(map(find_reference, config.teachers)),
        more_train_files=tuple(more),
        notes=tuple(
            filter(
                None,
                (
                    backbone.reason,
                    news.reason,
                    precision.reason,
                    describe_spare_gpus(device, n_processes=n_processes),
                    _describe_steps(config, n_processes),
                ),
            )
        ),
    )


def _describe_steps(config: TrainConfig, n_processes: int) -> str:
    if n_processes == 1:
        return ""
    n_texts, n_batches = config.per_device_train_batch_size, config.gradient_accumulation_steps
    product = f"{n_processes} processes x {n_texts} texts x {n_batches} = {n_processes * n_texts * n_batches} a step"
    return f"{product}, at a learning rate of {config.learning_rate:g}."


def check_ready(
    config: TrainConfig,
    *,
    runs_dir: Path | None = None,
    head: HeadModules | None = None,
    with_teachers: bool = True,
) -> None:
    """Refuse settings that no run could begin with, as far as can be told without a download.

    Args:
        config: The settings.
        runs_dir: The folder in which a run is to be made, whose sets can be named; its teachers are checked where this is given.
        head: The modules of the head that are trained; by default all.
        with_teachers: Whether that is done; a run that is trained has its teachers checked elsewhere.

    Raises:
        ConfigError, CheckpointError, DataError: As `resolve`, and where the model cannot be built or there is no news file.
    """
    if runs_dir is not None and with_teachers:
        check_teachers(config, runs_dir)
    missing: list[AgNewsError] = []
    plan(resolve(config, missing=missing, runs_dir=runs_dir).apply_to(config), head=head)
    if missing:
        raise missing[0]


@dataclass(frozen=True)
class Passes:
    """What texts go through: frozen layers once or in each pass; evaluations."""

    replay: Replay
    evaluations: Evaluations


def resolve_passes(config: TrainConfig, resolved: Resolved, built: Plan, texts: TextCounts) -> Passes:
    """Decide what depends on how many texts there are: whether frozen layers are computed once, when to evaluate, on what."""
    config = resolved.count_as_one(config)
    replay = choose_replay(config, resolved, texts)
    evaluations = plan_evaluations(
        config,
        texts,
        n_computed=built.n_trained_layers if replay.used else built.n_layers,
        n_trained=built.n_trained_layers,
    )
    return Passes(replay, evaluations)


def _find(find: Callable[[str], Found], name: str, missing: list[AgNewsError] | None) -> Found | None:
    try:
        return find(name)
    except AgNewsError as error:
        if missing is None:
            raise
        missing.append(error)
        return None
