"""A new study: what is asked for, whether its time is enough, and how its trials are to be."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from agnews_core.config import TrainConfig
from agnews_core.errors import ConfigError, RunError
from agnews_core.jobs.visitors import Visitor, check_settings, check_study_minutes
from agnews_core.models.lora import plan
from agnews_core.news.sets import is_set
from agnews_core.training.resolve import check_ready, resolve
from agnews_core.tuning.budget import choose_subset, estimate_cost
from agnews_core.tuning.proposals import write_space
from agnews_core.tuning.space import build_space, count_from_top
from agnews_core.tuning.study import RESUMABLE, Study, StudyStatus, create_study, find_study, list_studies

MOST_MINUTES = 60 * 24 * 30
HOLDOUT_SHARE = 0.5  # of the validation texts: as many to choose on as to report on


@dataclass(frozen=True)
class Wanted:
    """What a study is asked for: its settings, the names of those that stay as they are, the preset they come from, the time."""

    config: TrainConfig
    given: Collection[str]
    preset: str = "seed"
    minutes: float = 30.0
    max_trials: int | None = None


def begin_study(wanted: Wanted, runs_dir: Path, *, by: Visitor, name: str | None = None) -> Study:
    """Make a study, if its time is enough for one trial.

    Raises:
        ConfigError: It is not, or nothing is left to search, or the settings cannot be used.
        CheckpointError, DataError: The base model or the news cannot be had.
        RunError: The name cannot be used, or the folder cannot be written.
    """
    began = time.monotonic()
    _check_minutes(wanted.minutes)
    check_study_minutes(wanted.minutes, by)
    check_settings(wanted.config, by)
    check_ready(wanted.config, runs_dir=runs_dir)
    config = prepare(wanted.config, runs_dir)
    n_layers = plan(config).n_layers
    space = build_space(config, n_layers=n_layers, given=wanted.given)
    if not space:
        raise ConfigError("All settings that could be searched are given; leave some of them out.")
    cost = estimate_cost(config)
    n_subset = choose_subset(cost, wanted.minutes)
    status = StudyStatus(
        owner=by.key,
        config=config,
        preset=wanted.preset,
        space=write_space(space),
        minutes=wanted.minutes,
        spent_seconds=time.monotonic() - began,
        max_trials=wanted.max_trials,
        n_subset=n_subset,
        notes=(_describe_size(n_subset, cost.n_train),),
    )
    return create_study(runs_dir, status, name=name)


def _check_minutes(minutes: float) -> None:
    if not 0 < minutes <= MOST_MINUTES:
        raise ConfigError(f"A study takes a number of minutes above 0 and up to {MOST_MINUTES:,}, got {minutes:g}.")


def prepare(config: TrainConfig, runs_dir: Path | None = None) -> TrainConfig:
    """Return the settings of the preset's trial: layers counted from the top, a part of the validation texts held out."""
    found = resolve(config, missing=[], runs_dir=runs_dir).apply_to(config)
    config = count_from_top(config, n_layers=plan(found).n_layers)
    sets = ("data", "more_train_files") if any(map(is_set, (config.data, *config.more_train_files))) else ()
    located = {name: getattr(found, name) for name in sets}  # its trials are planned apart from the folder of all runs
    return config.model_copy(update={"holdout_share": config.holdout_share or HOLDOUT_SHARE, **located})


def _describe_size(n_subset: int | None, n_train: int) -> str:
    if n_subset is None:
        return f"Each trial is trained on all {n_train:,} texts."
    return f"The search is on {n_subset:,} of {n_train:,} texts; the best of it are trained again on all."


def resume_study(runs_dir: Path, name: str | None, *, minutes: float | None = None) -> Study:
    """Return a study to go on with, by name or the newest that can, with another budget of time if one is given.

    Raises:
        RunError: There is none, or it is carried out already or at its end.
    """
    if minutes is not None:
        _check_minutes(minutes)
    if name:
        study = find_study(runs_dir, name)
    else:
        study = next((one for one in list_studies(runs_dir) if one.read().state in RESUMABLE), None) or _none_to_resume(
            runs_dir
        )
    state = study.read().state
    if state not in RESUMABLE:
        raise RunError(
            f"The study {study.name} is {state}; only one that was stopped or interrupted, or failed, can go on."
        )
    with study.own():
        study.clear_stop()
        if minutes is not None:
            study.write(study.read().model_copy(update={"minutes": minutes}))
    return study


def _none_to_resume(runs_dir: Path) -> NoReturn:
    raise RunError(f"There is no study to go on with in {runs_dir}; begin one.")
