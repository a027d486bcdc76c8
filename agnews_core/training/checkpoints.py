"""When checkpoints are written, which of a run's was written to its end, and how far it is."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import TrainerCallback, TrainerState

from agnews_core.config import TrainConfig
from agnews_core.models.adapters import ADAPTER_WEIGHTS
from agnews_core.runs import Run


class CheckpointCallback(TrainerCallback):
    """Saves as often as the settings would evaluate: fewer evaluations do not mean that more is lost when a run is killed."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save at these steps too; Trainer itself saves where it evaluates."""
        if state.global_step % self._config.count_eval_steps(state.max_steps) == 0:
            control.should_save = True


def find_checkpoint(run: Run) -> Path | None:
    """Return the newest checkpoint that was written to its end, or None."""
    found = sorted(run.checkpoints_dir.glob("checkpoint-*"), key=find_step, reverse=True)
    resolved = run.read_status().resolved
    n_processes = resolved.n_processes if resolved else 1
    return next((path for path in found if _is_complete(path, n_processes)), None)


def find_step(checkpoint: Path | None) -> int:
    """Return the step of a checkpoint, 0 for none."""
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def read_state(checkpoint: Path) -> TrainerState:
    """Read what Trainer knew when it wrote a checkpoint; it is the last file that it writes."""
    return TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))


def is_over(state: TrainerState) -> bool:
    """Return whether all steps were trained, or early stopping had lost its patience."""
    stopper = state.stateful_callbacks.get("EarlyStoppingCallback")
    if (
        stopper
        and stopper["attributes"]["early_stopping_patience_counter"] >= stopper["args"]["early_stopping_patience"]
    ):
        return True
    return bool(state.global_step >= state.max_steps)


def _is_complete(checkpoint: Path, n_processes: int) -> bool:
    states = [checkpoint / f"rng_state_{rank}.pth" for rank in range(n_processes)] if n_processes > 1 else []
    try:
        read_state(checkpoint)
        with safe_open(checkpoint / ADAPTER_WEIGHTS, framework="pt"):
            return all(path.is_file() for path in (checkpoint / "optimizer.pt", *states))
    except (OSError, ValueError, TypeError, SafetensorError):
        return False
