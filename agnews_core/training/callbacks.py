"""What a training tells as it goes: to the run's directory, to the terminal, to TensorBoard or trackio."""

import importlib.util
import logging
import math
import time
from typing import Any

from transformers import ProgressCallback, TrainerCallback

from agnews_core.config import TrainConfig
from agnews_core.devices import read_usage
from agnews_core.errors import ConfigError, RunError
from agnews_core.runs import Run

logger = logging.getLogger(__name__)

STATUS_SECONDS = 1.0  # status.json is replaced at most this often while training


class RunCallback(TrainerCallback):
    """Writes what happens to the run's directory as it happens, and stops when a stop is asked for there."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._status_at = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record how many steps there will be."""
        self._run.update_status(max_steps=state.max_steps, step=state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Append a recorded loss; end the run when it is no number."""
        if not logs or "loss" not in logs:
            return  # an evaluation, which on_evaluate records, or Trainer's closing summary
        self._run.append_metrics(
            {"step": state.global_step, "epoch": state.epoch, "time": time.time(), **logs, **read_usage()}
        )
        if not math.isfinite(logs["loss"]):
            raise RunError(
                f"The loss is no longer a number at step {state.global_step}; use a lower learning rate (it is "
                f"{args.learning_rate:g}) or the precision fp32."
            )

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any) -> None:
        """Append an evaluation."""
        kept = {name: value for name, value in metrics.items() if name.startswith("eval_")}
        self._run.append_metrics({"step": state.global_step, "epoch": state.epoch, "time": time.time(), **kept})
        logger.info("step %d: validation accuracy %.4f", state.global_step, metrics.get("eval_accuracy", math.nan))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record progress, at the very end the loss too; stop and save when a stop is asked for."""
        if state.global_step >= state.max_steps:
            control.should_log = True
        if time.monotonic() - self._status_at > STATUS_SECONDS or state.global_step >= state.max_steps:
            self._run.update_status(step=state.global_step)
            self._status_at = time.monotonic()
        if self._run.read_stop():
            control.should_training_stop = control.should_save = True


class StderrProgress(ProgressCallback):
    """Trainer's progress bar, which shows the loss beside the ETA instead of printing every log to standard output."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Show the newest loss and accuracy in the bar."""
        if self.training_bar is not None and logs:
            shown = {name: f"{logs[name]:.3f}" for name in ("loss", "eval_accuracy") if name in logs}
            self.training_bar.set_postfix(shown, refresh=False)


def build_loggers(config: TrainConfig, run: Run, *, resumed_at: int | None) -> list[Any]:
    """Build the TensorBoard or trackio callback; TensorBoard forgets what was logged after the step that a run goes on from.

    Raises:
        ConfigError: The package is not installed.
    """
    if config.report_to == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        purge_step = None if resumed_at is None else resumed_at + 1
        return [TensorBoardCallback(SummaryWriter(log_dir=str(run.path / "tensorboard"), purge_step=purge_step))]
    if config.report_to == "trackio":
        if importlib.util.find_spec("trackio") is None:
            raise ConfigError(
                "`report_to` trackio needs the trackio package: `pip install trackio`, or use tensorboard."
            )
        from transformers.integrations import TrackioCallback

        return [TrackioCallback()]
    return []
