"""How transformers' Trainer is set up for a run: its arguments, the order of its batches, and what it reports as it goes.

It knows nothing of where news and models come from, nor of what becomes of the result; `training` does.
"""

import logging
import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import (
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_pt_utils import LengthGroupedSampler

from agnews_core.config import TrainConfig
from agnews_core.devices import choose_device, choose_precision, read_gpu_usage, read_memory_mib
from agnews_core.errors import ConfigError, RunError
from agnews_core.evaluation.compute import compute_metrics
from agnews_core.runs import Run

logger = logging.getLogger(__name__)

STATUS_SECONDS = 1.0  # status.json is replaced at most this often while training


class NewsTrainer(Trainer):
    """Trainer with batches of texts of like length whose order depends on seed and epoch alone.

    transformers' own length grouping draws from the global random state, so that a resumed run would see another order.
    """

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        batch_size = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return SeededLengthSampler(
            batch_size, lengths=list(self.train_dataset["length"]), dataset=dataset, seed=self.args.seed
        )


class SeededLengthSampler(LengthGroupedSampler):
    """Groups texts of like length, shuffled anew each epoch from (seed, epoch)."""

    def __init__(self, batch_size: int, *, lengths: list[int], dataset: Dataset, seed: int) -> None:
        super().__init__(batch_size, dataset=dataset, lengths=lengths, generator=torch.Generator())
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Trainer says which epoch comes next, also after a resume."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self.generator.manual_seed(self._seed * 1_000_003 + self._epoch)
        yield from super().__iter__()


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
            {"step": state.global_step, "epoch": state.epoch, "time": time.time(), **logs, **self._usage()}
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
        """Record progress; evaluate at the very end too; stop and save when a stop is asked for."""
        if state.global_step >= state.max_steps:
            control.should_evaluate = control.should_save = True
        if time.monotonic() - self._status_at > STATUS_SECONDS or state.global_step >= state.max_steps:
            self._run.update_status(step=state.global_step)
            self._status_at = time.monotonic()
        if self._run.read_stop():
            control.should_training_stop = control.should_save = True

    def _usage(self) -> dict[str, Any]:
        return {"memory_mib": read_memory_mib(), **(read_gpu_usage() if torch.cuda.is_available() else {})}


class StderrProgress(ProgressCallback):
    """Trainer's progress bar, which shows the loss beside the ETA instead of printing every log to standard output."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Show the newest loss and accuracy in the bar."""
        if self.training_bar is not None and logs:
            shown = {name: f"{logs[name]:.3f}" for name in ("loss", "eval_accuracy") if name in logs}
            self.training_bar.set_postfix(shown, refresh=False)


def build_trainer(
    run: Run, config: TrainConfig, *, model: Any, tokenizer: Any, datasets: tuple[Dataset, Dataset]
) -> NewsTrainer:
    """Build the Trainer of a run.

    Args:
        run: Where progress is told, and a stop asked for.
        config: The settings.
        model: From `model.build_model`.
        tokenizer: Its backbone's.
        datasets: Training and validation, from `data.tokenize`; read in order, validation is fastest sorted by length.

    Raises:
        ConfigError: The logger asked for is not installed.
    """
    callbacks: list[Any] = [RunCallback(run), StderrProgress()]
    if config.early_stopping_patience:
        callbacks.append(EarlyStoppingCallback(config.early_stopping_patience))
    train_dataset, eval_dataset = datasets
    trainer = NewsTrainer(
        model=model,
        args=_build_arguments(config, run),
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        compute_metrics=compute_metrics,
        callbacks=callbacks + _build_loggers(config, run),
    )
    trainer.remove_callback(PrinterCallback)
    # It says at every checkpoint that it orders them by their numbers, which is what they should be ordered by.
    logging.getLogger("transformers.trainer_utils").setLevel(logging.ERROR)
    return trainer


def _build_arguments(config: TrainConfig, run: Run) -> TrainingArguments:
    device = choose_device()
    precision = choose_precision(config.precision, device=device).name
    same_name = (
        "num_train_epochs", "learning_rate", "lr_scheduler_type", "warmup_steps", "per_device_train_batch_size",
        "per_device_eval_batch_size", "gradient_accumulation_steps", "optim", "weight_decay", "max_grad_norm",
        "label_smoothing_factor", "seed", "eval_steps", "logging_steps",
    )  # fmt: skip
    return TrainingArguments(
        output_dir=str(run.checkpoints_dir),
        max_steps=config.max_steps or -1,
        eval_strategy="steps",
        save_strategy="steps",
        save_steps=config.eval_steps,  # the best model can only be one that was saved
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_accuracy",
        greater_is_better=True,
        label_names=["labels"],  # a PeftModel hides its signature, and evaluation would lose its metrics
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=device == "cpu",
        dataloader_pin_memory=device == "cuda",
        logging_nan_inf_filter=False,  # a loss that is no number ends the run; it is not smoothed over
        restore_callback_states_from_checkpoint=True,  # early stopping's patience
        disable_tqdm=True,  # StderrProgress instead
        report_to="none",  # _build_loggers
        **{name: getattr(config, name) for name in same_name},
    )


def _build_loggers(config: TrainConfig, run: Run) -> list[Any]:
    """Build the TensorBoard or trackio callback.

    Raises:
        ConfigError: The package is not installed.
    """
    if config.report_to == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        return [TensorBoardCallback(SummaryWriter(log_dir=str(run.path / "tensorboard")))]
    if config.report_to == "trackio":
        import importlib.util

        if importlib.util.find_spec("trackio") is None:
            raise ConfigError(
                "`report_to` trackio needs the trackio package: `pip install trackio`, or use tensorboard."
            )
        from transformers.integrations import TrackioCallback

        return [TrackioCallback()]
    return []
