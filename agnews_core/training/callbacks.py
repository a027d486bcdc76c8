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
from agnews_core.processes import share_flag
from agnews_core.runs import Run

logger = logging.getLogger(__name__)

TELL_SECONDS = (
    0.25  # what was recorded is written, and a request to stop looked for, this often; every step is recorded
)
STATUS_SECONDS = 1.0  # status.json, which is put safely on the disk, is replaced this often


class RunCallback(TrainerCallback):
    """Writes what happens to the run's directory, a few times a second, and stops when a stop is asked for there."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._rows: list[dict[str, Any]] = []  # not written yet
        self._written_at = self._looked_at = self._status_at = -math.inf

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record how many steps there will be."""
        self._run.update_status(max_steps=state.max_steps, step=state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Record a loss; end the run when it is no number."""
        if not logs or "loss" not in logs:
            return  # an evaluation, which on_evaluate records, or Trainer's closing summary
        self._record(state, {**logs, **read_usage()})
        if not math.isfinite(logs["loss"]):
            raise RunError(
                f"The loss is no longer a number at step {state.global_step}; use a lower learning rate (it is "
                f"{args.learning_rate:g}) or the precision fp32."
            )
        # A run that is resumed from a checkpoint has all rows up to there.
        if control.should_save or time.monotonic() - self._written_at >= TELL_SECONDS:
            self.flush()

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any) -> None:
        """Write an evaluation, and the losses before it."""
        self._record(state, {name: value for name, value in metrics.items() if name.startswith("eval_")})
        self.flush()
        logger.info(
            "step %d: validation accuracy %.1f%%", state.global_step, 100 * metrics.get("eval_accuracy", math.nan)
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write progress, at the very end the loss too; stop and save when a stop is asked for."""
        is_last = state.global_step >= state.max_steps
        control.should_log |= is_last
        is_time = time.monotonic() - self._looked_at >= TELL_SECONDS or is_last
        # All processes stop at the same step: the one at which the first one sees the request.
        if share_flag(is_time and self._tell(state.global_step, is_last=is_last)):
            control.should_training_stop = control.should_save = True

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write what is left."""
        self.flush()

    def _tell(self, step: int, *, is_last: bool) -> bool:
        """Write how far the training is, and return whether a stop was asked for."""
        self._looked_at = time.monotonic()
        if self._looked_at - self._status_at >= STATUS_SECONDS or is_last:
            self._run.update_status(step=step)
            self._status_at = self._looked_at
        return bool(self._run.read_stop())

    def _record(self, state: Any, values: dict[str, Any]) -> None:
        self._rows.append({"step": state.global_step, "epoch": state.epoch, "time": time.time(), **values})

    def flush(self) -> None:
        """Write what was recorded."""
        if self._rows:
            self._run.append_metrics(*self._rows)
            self._rows.clear()
        self._written_at = time.monotonic()


class StderrProgress(ProgressCallback):
    """Trainer's progress bar, which shows the loss beside the ETA instead of printing every log to standard output."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Show the newest loss and accuracy in the bar."""
        if self.training_bar is not None and logs:
            looks = {"loss": "{:.3f}", "eval_accuracy": "{:.1%}"}
            shown = {name: look.format(logs[name]) for name, look in looks.items() if name in logs}
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
