"""Which checkpoint of a run was written to its end."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from transformers import TrainerState

from agnews_core.models.adapters import ADAPTER_WEIGHTS
from agnews_core.runs import Run


def find_checkpoint(run: Run) -> Path | None:
    """Return the newest checkpoint that was written to its end, or None."""
    found = sorted(
        run.checkpoints_dir.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True
    )
    return next((path for path in found if _is_complete(path)), None)


def _is_complete(checkpoint: Path) -> bool:
    # Trainer writes trainer_state.json last.
    try:
        TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        with safe_open(checkpoint / ADAPTER_WEIGHTS, framework="pt"):
            return (checkpoint / "optimizer.pt").is_file()
    except (OSError, ValueError, TypeError, SafetensorError):
        return False
