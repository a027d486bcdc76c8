"""What a config would train, and what that would take here. A schema; `estimate` computes it."""

from dataclasses import dataclass

from agnews_core.models.plan import Plan


@dataclass(frozen=True)
class Estimate:
    """Ranges: seconds of training, evaluations included, and bytes of memory of the training process."""

    seconds_low: float
    seconds_high: float
    bytes_low: float
    bytes_high: float
    n_steps: int
    device: str
    precision: str


@dataclass(frozen=True)
class Inputs:
    """What a run would begin with.

    Attributes:
        n_train: Texts to train on; the hub's, where news cannot be had.
        n_validation: Texts to validate on; likewise.
        notes: Which base model, news and precision these are, and what they stand in for, in sentences.
        missing: Why the run cannot be started on this machine, or "".
    """

    n_train: int
    n_validation: int
    notes: tuple[str, ...]
    missing: str


@dataclass(frozen=True)
class Assessment:
    """What a config would train, the time and memory that would take, and what it would begin with."""

    plan: Plan
    estimate: Estimate
    inputs: Inputs
