"""How transformers' Trainer is set up for a run: its arguments, the order of its batches, and what it reports as it goes.

It knows nothing of where news and models come from, nor of what becomes of the result; `training` does.
"""

import logging
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput

from agnews_core.config import TrainConfig
from agnews_core.evaluation.metrics import compute_metrics
from agnews_core.models.top_layer import compute_first_token_alone
from agnews_core.processes import is_first
from agnews_core.runs import Resolved, Run
from agnews_core.training.average import WeightAverage
from agnews_core.training.batches import SeededLengthSampler
from agnews_core.training.callbacks import RunCallback, StderrProgress, build_loggers
from agnews_core.training.checkpoints import CheckpointCallback, is_over, read_state
from agnews_core.training.dropout import Drawn, DropoutCallback
from agnews_core.training.fast_model import speed_up
from agnews_core.training.layer_rates import split_by_layer
from agnews_core.training.parts import Parts
from agnews_core.training.replay_texts import ReadAhead, ReplayedTexts

logger = logging.getLogger(__name__)

ACCURACY, SCORE = "eval_accuracy", "eval_score"  # of the model that is chosen; the score weighs plain texts too


class NewsTrainer(Trainer):
    """Trainer with batches of texts of like length whose order depends on seed and epoch alone.

    Attributes:
        record: Tells the run how it goes.
        layer_lr_decay: See the setting.
        average: Of the weights of the last steps, where that was asked for.
        other: For each training text the row of its other form, where texts are varied.
        is_plain: Which of the texts that are evaluated are plain ones.
    """

    record: RunCallback
    layer_lr_decay = 1.0
    average: WeightAverage | None = None
    other: NDArray[np.intp] | None = None
    is_plain: NDArray[np.bool_]

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """Build the optimizer as Trainer does, with a learning rate for each layer where that was asked for."""
        is_new = self.optimizer is None
        optimizer: torch.optim.Optimizer = super().create_optimizer(*args, **kwargs)
        if is_new and self.layer_lr_decay < 1:
            split_by_layer(optimizer, self.model, self.layer_lr_decay)
        return optimizer

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **kwargs: Any) -> Any:
        """Compute the loss as Trainer does where a text has a label, and against (n_batch, 4) targets where it has those.

        A text whose targets sum to less than 1 counts less; a batch is divided by its number of texts all the same.
        """
        if not inputs["labels"].is_floating_point():
            return super().compute_loss(model, inputs, return_outputs, **kwargs)
        targets = inputs.pop("labels")
        outputs = model(**inputs)
        loss = torch.nn.functional.cross_entropy(outputs["logits"].float(), targets)
        return (loss, outputs) if return_outputs else loss

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the model as Trainer does, and beside it what is averaged so far; a checkpoint's other files come later."""
        super().save_model(output_dir, _internal_call)
        if self.average and output_dir and is_first():
            self.average.save(Path(output_dir))

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        texts, sampler = self.train_dataset, self._build_sampler()
        return ReadAhead(sampler, texts.expect) if isinstance(texts, ReplayedTexts) else sampler

    def _build_sampler(self) -> SeededLengthSampler:
        args = self.args
        batch_size = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        lengths = list(self.train_dataset["length"])
        return SeededLengthSampler(lengths, batch_size=batch_size, seed=args.seed, other=self.other)

    def num_examples(self, dataloader: DataLoader[Any]) -> int:
        """Return how many texts a pass has; other forms of them make it no longer."""
        n_rows = super().num_examples(dataloader)
        return len(self.other) if self.other is not None and n_rows == len(self.train_dataset) else n_rows

    def compute_padding_share(self) -> float:
        """Return, and log, which share of the tokens of an epoch is padding."""
        share = self._build_sampler().compute_padding_share(self.args.train_batch_size)
        logger.info("padding: %.1f %% of the tokens of an epoch", 100 * share)
        return share

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> EvalLoopOutput:
        """Evaluate as Trainer does, but with the loss of each text counted once.

        Trainer's is of whole batches, with the texts in them that several processes are given to fill their last ones. Plain
        texts have an accuracy of their own, and no part in the loss.
        """
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        logits, labels = (torch.from_numpy(of_all[~self.is_plain]) for of_all in (output.predictions, output.label_ids))
        smoothing = self.args.label_smoothing_factor
        loss = torch.nn.functional.cross_entropy(logits.float(), labels, label_smoothing=smoothing)
        output.metrics[f"{metric_key_prefix}_loss"] = loss.item()
        return output

    def measure(self) -> float:
        """Return what models are chosen by, of the model as it is, on the texts that evaluations were on while it trained."""
        metrics = self.predict(self.eval_dataset, metric_key_prefix="eval").metrics
        figure: float = metrics[self.args.metric_for_best_model]
        return figure

    def find_best_accuracy(self) -> float | None:
        """Return the accuracy on validation texts of the best checkpoint; of the average, where models are chosen by accuracy."""
        if self.args.metric_for_best_model == ACCURACY:
            figure: float | None = self.state.best_metric
            return figure
        best = (row for row in self.state.log_history if row["step"] == self.state.best_global_step and ACCURACY in row)
        return next((float(row[ACCURACY]) for row in best), None)

    def go_on(self, checkpoint: Path | None) -> dict[str, float]:
        """Train to the end, from a checkpoint if there is one, load the best model, and return Trainer's figures."""
        if self.average and checkpoint:
            self.average.load(checkpoint)
        if checkpoint and is_over(state := read_state(checkpoint)):
            # Trainer would train one step more before it looks at how many there should be.
            self.state = state
            best = checkpoint.with_name(f"checkpoint-{state.best_global_step}")
            self.model.load_adapter(str(best if best.is_dir() else checkpoint), "default")
            return {"train_runtime": 0.0, "train_samples_per_second": 0.0}
        try:
            figures: dict[str, float] = self.train(
                resume_from_checkpoint=str(checkpoint) if checkpoint else None
            ).metrics
        finally:
            with suppress(OSError):  # a full disk, which the error that comes here tells of too
                self.record.flush()
        return figures


def build_trainer(run: Run, parts: Parts, *, resumed_at: int | None = None) -> NewsTrainer:
    """Build the Trainer of a run, which tells its progress there and looks there whether to stop.

    Args:
        run: The run.
        parts: What it trains with.
        resumed_at: The step that it goes on from; what was logged after it is no longer true.

    Raises:
        ConfigError: The logger asked for is not installed.
    """
    config, resolved = parts.config, parts.resolved
    args = _build_arguments(run, config, resolved)
    drawn = Drawn(config.seed, args.process_index)
    speed_up(parts.model, drawn, device=resolved.device, precision=resolved.precision)
    if config.pooling == "cls":
        compute_first_token_alone(parts.model.get_base_model())
    record = RunCallback(run)
    callbacks: list[Any] = [record, DropoutCallback(drawn), CheckpointCallback(config)]
    if sys.stderr.isatty():
        callbacks.append(StderrProgress())
    if config.early_stopping_patience:
        callbacks.append(EarlyStoppingCallback(config.early_stopping_patience))
    trainer = NewsTrainer(
        model=parts.model,
        args=args,
        train_dataset=parts.train_tokens,
        eval_dataset=parts.validation_tokens,
        data_collator=parts.collate,
        processing_class=parts.tokenizer,
        compute_metrics=partial(compute_metrics, is_plain=parts.is_plain, plain_weight=config.plain_weight),
        callbacks=callbacks + (build_loggers(config, run, resumed_at=resumed_at) if is_first() else []),
    )
    trainer.record, trainer.layer_lr_decay = record, config.layer_lr_decay
    trainer.other, trainer.is_plain = parts.other, parts.is_plain
    if config.average_last:
        trainer.average = WeightAverage(trainer.model, config.average_last)
        trainer.add_callback(trainer.average)
    # The models' loss is the mean of a batch. Trainer takes it for a sum over all that a step has, since their forward passes
    # take any keywords, and multiplies the gradients by batches and processes.
    trainer.model_accepts_loss_kwargs = False
    trainer.remove_callback(PrinterCallback)
    # It says at every checkpoint that it orders them by their numbers, which is what they should be ordered by.
    logging.getLogger("transformers.trainer_utils").setLevel(logging.ERROR)
    return trainer


def _build_arguments(run: Run, config: TrainConfig, resolved: Resolved) -> TrainingArguments:
    same_name = (
        "num_train_epochs", "learning_rate", "lr_scheduler_type", "warmup_steps", "per_device_train_batch_size",
        "per_device_eval_batch_size", "gradient_accumulation_steps", "weight_decay", "max_grad_norm",
        "label_smoothing_factor", "seed", "logging_steps",
    )  # fmt: skip
    evaluations = resolved.evaluations
    eval_steps = evaluations.every_steps if evaluations else config.eval_steps
    args = TrainingArguments(
        output_dir=str(run.checkpoints_dir),
        max_steps=config.max_steps or -1,
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=eval_steps,
        save_steps=eval_steps,  # the best model can only be one that was saved; CheckpointCallback saves between
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=SCORE if config.plain_weight else ACCURACY,
        greater_is_better=True,
        label_names=["labels"],  # a PeftModel hides its signature, and evaluation would lose its metrics
        # The same in one pass over each weight: 2 % of a step.
        optim="adamw_torch_fused" if config.optim == "adamw_torch" else config.optim,
        # On a processor, `speed_up` does without autocast.
        bf16=resolved.precision == "bf16" and resolved.device == "cuda",
        fp16=resolved.precision == "fp16",
        use_cpu=resolved.device == "cpu",
        dataloader_pin_memory=resolved.device == "cuda",
        logging_nan_inf_filter=False,  # a loss that is no number ends the run; it is not smoothed over
        restore_callback_states_from_checkpoint=True,  # early stopping's patience
        ddp_find_unused_parameters=False,  # every step uses all that is trained
        disable_tqdm=True,  # StderrProgress instead
        report_to="none",  # build_loggers
        **{name: getattr(config, name) for name in same_name},
    )
    args._n_gpu = min(args.n_gpu, 1)  # with more, Trainer copies the model to each and multiplies the batch
    return args
