"""Who asks the queue for something, and what that allows.

The host may do everything. A visitor of a page that others can open too may train the models and news on offer, within limits,
and change only the runs that they started. Who is the host is not decided here; `hosting` does.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from agnews_core.config import TrainConfig
from agnews_core.errors import ConfigError, RunError, quote
from agnews_core.models.backbones import KNOWN_CONFIGS
from agnews_core.news.sets import is_set
from agnews_core.runs import Run, is_name

OPEN_BACKBONES = ("auto", *KNOWN_CONFIGS)
OPEN_NEWS = ("auto", "hub", "sample")
MOST_TEXTS = 400_000  # trained on, and evaluated, in one run: three epochs of AG News are 324,000
MOST_STEPS = 20_000
MOST_IN_BATCH = 256
MOST_STUDY_MINUTES = 60  # of a study, whose trials take turns with everybody's runs
NEWS_TEXTS, VALIDATION_TEXTS = 108_000, 12_000  # of AG News, the largest news on offer


class Owned(Protocol):
    """What names the visitor who started it, as a run's status does."""

    @property
    def owner(self) -> str:
        """The `key` of that visitor."""


@dataclass(frozen=True)
class Visitor:
    """Whoever asks; `key` tells one browser from others and is kept with its runs. Without one nobody owns anything."""

    key: str = ""
    is_host: bool = False

    def owns(self, status: Owned) -> bool:
        """Return whether the run or study with this status may be changed; one that cannot be read belongs to the host."""
        return self.is_host or bool(self.key and status.owner == self.key)


HOST = Visitor(is_host=True)


def check_owner(run: Run, by: Visitor, *, action: str) -> None:
    """Refuse what only the visitor who started a run, or the host, may do with it.

    Raises:
        RunError: It is another's run.
    """
    if not by.owns(run.read_status_or_damage()):
        raise RunError(f"The run {run.name} was not started in this browser; only who started it can {action} it.")


def check_settings(config: TrainConfig, by: Visitor) -> None:
    """Refuse settings that would read this machine's folders, fill its disk from the hub, or keep it busy for days.

    Raises:
        ConfigError: A visitor may not train with them, and why.
    """
    if by.is_host:
        return
    for name, value, offered in (("backbone", config.backbone, OPEN_BACKBONES), ("data", config.data, OPEN_NEWS)):
        if value not in offered:
            raise ConfigError(
                f"`{name}` {quote(value)} is not on offer on a page that everybody can open; choose one of "
                f"{', '.join(offered)}, or start the program on your own machine."
            )
    for name in filter(is_set, config.more_train_files):
        raise ConfigError(
            f"The set {quote(name)} is not on offer on a page that everybody can open; leave it out of `more_train_files`, or "
            "start the program on your own machine."
        )
    for name in config.teachers:
        if not is_name(name):
            raise ConfigError(
                f"The teacher {quote(name)} is a folder; on a page that everybody can open only runs can be teachers. Name "
                "one, or start the program on your own machine."
            )
    for count, most, what, way_out in _count_work(config):
        if count > most:
            raise ConfigError(
                f"These settings come to {count:,} {what}; on a page that everybody can open a run may have {most:,} at most. "
                f"{way_out}, or start the program on your own machine."
            )


def check_study_minutes(minutes: float, by: Visitor) -> None:
    """Refuse a study that would keep the machine busy for hours.

    Raises:
        ConfigError: A visitor may not have one that long, and why.
    """
    if not by.is_host and minutes > MOST_STUDY_MINUTES:
        raise ConfigError(
            f"On a page that everybody can open a study may take {MOST_STUDY_MINUTES} minutes at most, since its trials take "
            f"turns with everybody's runs, got {minutes:g}. Set fewer, or start the program on your own machine."
        )


def _count_work(config: TrainConfig) -> tuple[tuple[int, int, str, str], ...]:
    """Return (how many, at most, of what, the way out), as if the news were as long as AG News."""
    rows = min(config.max_train_samples or NEWS_TEXTS, NEWS_TEXTS)
    steps = config.count_steps(rows)
    evaluations = math.ceil(steps / config.count_eval_steps(steps))
    evaluated = evaluations * min(config.max_eval_samples or VALIDATION_TEXTS, VALIDATION_TEXTS)
    largest = max(config.per_device_train_batch_size, config.per_device_eval_batch_size)
    fewer = "Lower `num_train_epochs`, `max_steps` or `max_train_samples`"
    return (
        (steps * config.step_texts, MOST_TEXTS, "texts trained on", fewer),
        (steps, MOST_STEPS, "steps", f"{fewer}, or take larger batches"),
        (evaluated, MOST_TEXTS, "texts evaluated", "Raise `eval_steps` or lower `max_eval_samples`"),
        (rows * len(config.teachers), MOST_TEXTS, "texts that teachers are asked about", "Name fewer `teachers`"),
        (largest, MOST_IN_BATCH, "texts in a batch", "Lower the batch sizes"),
    )
