"""What `train` reports when a run is at its end. A schema: nothing heavy is here."""

from dataclasses import asdict, dataclass
from typing import Any

from agnews_core.models.plan import Plan
from agnews_core.runs import State


@dataclass(frozen=True)
class TrainResult:
    """What a run came to; accuracies are of the best model on the validation split."""

    plan: Plan
    run_dir: str
    state: State
    data_source: str
    n_train: int
    n_validation: int
    eval_accuracy: float | None
    eval_f1: float | None
    train_runtime_seconds: float
    train_samples_per_second: float
    stopped_early: bool

    def to_json(self) -> dict[str, Any]:
        """Return plan and result as one flat mapping."""
        own = {name: value for name, value in asdict(self).items() if name != "plan"}
        return {**self.plan.to_json(), **own}
