"""One training run with transformers' Trainer, from news to a saved adapter, told step by step to the run's directory.

Synchronous and without threads; who wants a run in the background uses `jobs`. It watches for a request to stop in the run's
directory and for nothing else.
"""

import logging
import math
import shutil
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from safetensors import SafetensorError, safe_open
from torch.utils.data import Sampler
from transformers import (
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_pt_utils import LengthGroupedSampler

from agnews_core.backbones import Backbone, load_backbone, load_tokenizer
from agnews_core.calibration import apply_temperature, fit_temperature
from agnews_core.config import TrainConfig
from agnews_core.data import News, load_news, tokenize
from agnews_core.devices import check_optimizer, choose_device, choose_precision, read_gpu_usage
from agnews_core.errors import AgNewsError, ConfigError, RunError
from agnews_core.evaluation import (
    EvaluationReport,
    compute_calibration_error,
    compute_metrics,
    compute_report,
    read_versions,
)
from agnews_core.model import ADAPTER_WEIGHTS, Plan, build_model, plan, read_plan, save_adapter, write_adapter_info
from agnews_core.runs import Phase, Run, now, write_whole

logger = logging.getLogger(__name__)

STATUS_SECONDS = 1.0  # status.json is replaced at most this often while training
SPARE_BYTES = 8 * 2**20  # for metrics, logs and the report


@dataclass(frozen=True)
class TrainResult:
    """What a run came to; accuracies are of the best model on the validation split."""

    plan: Plan
    run_dir: str
    state: str
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


@dataclass(frozen=True)
class _Parts:
    """What a run trains with, once everything is loaded."""

    config: TrainConfig
    news: News
    backbone: Backbone
    tokenizer: Any
    model: Any
    plan: Plan


def train(run: Run, *, resume: bool = False) -> TrainResult:
    """Train a run to its end: finished, or stopped because somebody asked for that.

    Args:
        run: Made by `runs.create_run`; its config.json has the settings.
        resume: Go on from the last complete checkpoint, if there is one.

    Raises:
        ConfigError, DataError, CheckpointError: The settings cannot be carried out.
        RunError: The run failed; status.json has the reason, traceback.txt the place.
    """
    with run.own(), _log_to(run.path / "log.txt"):
        if not resume:
            run.clear_stop()
        run.update_status(state="running", started_at=now(), ended_at="", reason="", versions=read_versions())
        try:
            return _train(run, resume=resume)
        except KeyboardInterrupt:
            _end(run, "stopped", "Interrupted before the model could be saved.")
            raise
        except AgNewsError as error:
            _end(run, "failed", str(error))
            raise
        except Exception as error:
            # Whatever it is, the run has failed, and those who watch it learn of it only from its directory.
            reason = _explain(error, run)
            _write_traceback(run)
            _end(run, "failed", reason)
            raise RunError(reason) from error


def _train(run: Run, *, resume: bool) -> TrainResult:
    run.clear_stop()
    checkpoint = _find_checkpoint(run) if resume else None
    parts = _load_parts(run)
    trainer = _build_trainer(run, parts)
    if resume:
        step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
        run.drop_metrics_after(step)
        _note(run, f"Resumed from step {step}.")
    _enter(run, "training")
    output = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return _finish(run, parts, trainer, output.metrics)


def _load_parts(run: Run) -> _Parts:
    """Load news, backbone and model, cheapest and likeliest to fail first, and record what was chosen."""
    config = run.read_resolved_config()
    device = choose_device()
    check_optimizer(config.optim, device=device)
    precision = choose_precision(config.precision, device=device)
    plan(config)
    _enter(run, "preparing data")
    news = load_news(config)
    _note(run, news.counts.describe())
    recorded = run.read_status().data
    if recorded and recorded != asdict(news.counts):
        raise RunError(f"The news of run {run.name} has changed since it began; start a new run instead.")
    _enter(run, "loading the backbone")
    backbone = load_backbone(config.backbone)
    _note(run, backbone.reason)
    _note(run, precision.reason)
    model = build_model(config, backbone)
    built = read_plan(model, backbone.name, config)
    _check_disk(run, built)
    run.update_status(
        device=device,
        precision=precision.name,
        backbone_source=backbone.source,
        plan=built.to_json(),
        data=asdict(news.counts),
        resolved={"backbone": config.backbone if backbone.source == "folder" else backbone.name, "data": news.folder.data},
    )
    return _Parts(config, news, backbone, load_tokenizer(backbone), model, built)


def _check_disk(run: Run, built: Plan) -> None:
    # A checkpoint holds the weights and AdamW's two moments in fp32; three exist for a moment, beside the adapter.
    needed = built.trainable_parameters * 4 * (3 * 3 + 1) + SPARE_BYTES
    free = shutil.disk_usage(run.path).free
    if free < needed:
        raise RunError(
            f"The runs folder {run.path.parent} has {free / 1e6:,.0f} MB free and this run needs about {needed / 1e6:,.0f} MB; "
            "make room or choose another with --runs-dir."
        )


class NewsTrainer(Trainer):  # type: ignore[misc]  # transformers ships no types here
    """Trainer with batches of texts of like length whose order depends on seed and epoch alone.

    transformers' own length grouping draws from the global random state, so that a resumed run would see another order.
    """

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        batch_size = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return SeededLengthSampler(batch_size, lengths=list(self.train_dataset["length"]), dataset=dataset, seed=self.args.seed)


class SeededLengthSampler(LengthGroupedSampler):  # type: ignore[misc]
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
        return super().__iter__()


class RunCallback(TrainerCallback):  # type: ignore[misc]
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
        self._run.append_metrics({"step": state.global_step, "epoch": state.epoch, "time": time.time(), **logs, **self._gpu()})
        if not math.isfinite(logs["loss"]):
            raise RunError(
                f"The loss is no longer a number at step {state.global_step}; use a lower learning rate (it is "
                f"{args.learning_rate:g}) or --precision fp32."
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

    def _gpu(self) -> dict[str, Any]:
        return read_gpu_usage() if torch.cuda.is_available() else {}


class StderrProgress(ProgressCallback):  # type: ignore[misc]
    """Trainer's progress bar, which shows the loss beside the ETA instead of printing every log to standard output."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Show the newest loss and accuracy in the bar."""
        if self.training_bar is not None and logs:
            shown = {name: f"{logs[name]:.3f}" for name in ("loss", "eval_accuracy") if name in logs}
            self.training_bar.set_postfix(shown, refresh=False)


def _build_trainer(run: Run, parts: _Parts) -> NewsTrainer:
    config = parts.config
    callbacks: list[Any] = [RunCallback(run), StderrProgress()]
    if config.early_stopping_patience:
        callbacks.append(EarlyStoppingCallback(config.early_stopping_patience))
    callbacks += _build_loggers(config, run)
    tokens = tokenize(parts.news.validation, parts.tokenizer, max_length=config.max_length)
    trainer = NewsTrainer(
        model=parts.model,
        args=_build_arguments(config, run),
        train_dataset=tokenize(parts.news.train, parts.tokenizer, max_length=config.max_length),
        # By length, so that batches read in order are of like length; `_finish` puts the texts in the same order.
        eval_dataset=tokens.select(_by_length(tokens)),
        data_collator=DataCollatorWithPadding(parts.tokenizer),
        processing_class=parts.tokenizer,
        compute_metrics=compute_metrics,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _by_length(tokens: Dataset) -> Any:
    return np.argsort(np.asarray(tokens["length"]), kind="stable")


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
            raise ConfigError("`report_to` trackio needs the trackio package: `pip install trackio`, or use tensorboard.")
        from transformers.integrations import TrackioCallback

        return [TrackioCallback()]
    return []


def _finish(run: Run, parts: _Parts, trainer: NewsTrainer, metrics: dict[str, float]) -> TrainResult:
    """Save the best model, or what a stopped run has; a run that came to its end is also evaluated in full."""
    stop = run.read_stop()
    report = None
    if stop != "discard":
        _enter(run, "saving")
        info = save_adapter(parts.model, run.adapter_dir, parts.config, parts.backbone)
    if not stop:
        _enter(run, "evaluating")
        report = _evaluate_best(parts, trainer)
        write_adapter_info(info.model_copy(update={"temperature": report.temperature}), run.adapter_dir)
        write_whole(run.path / "report.json", report.model_dump_json(indent=2))
    if stop != "keep":
        shutil.rmtree(run.checkpoints_dir, ignore_errors=True)  # nothing is left to resume
    result = TrainResult(
        plan=parts.plan,
        run_dir=str(run.path),
        state="stopped" if stop else "finished",
        data_source=parts.news.counts.source,
        n_train=parts.news.counts.n_train,
        n_validation=parts.news.counts.n_validation,
        eval_accuracy=report.accuracy if report else trainer.state.best_metric,
        eval_f1=report.f1_macro if report else None,
        train_runtime_seconds=metrics["train_runtime"],
        train_samples_per_second=metrics["train_samples_per_second"],
        stopped_early=trainer.state.global_step < trainer.state.max_steps,
    )
    reasons = {"": "", "keep": "Stopped; the best model so far was kept.", "discard": "Stopped; the model was discarded."}
    run.update_status(step=trainer.state.global_step, result=result.to_json())
    _end(run, result.state, reasons[stop])
    return result


def _evaluate_best(parts: _Parts, trainer: NewsTrainer) -> EvaluationReport:
    predictions = trainer.predict(trainer.eval_dataset).predictions  # (n, 4), in the order of eval_dataset
    logits = np.asarray(predictions, dtype=np.float32)
    news = parts.news.validation.select(_by_length(tokenize(parts.news.validation, parts.tokenizer, max_length=parts.config.max_length)))
    labels = np.asarray(news["label"])
    temperature = fit_temperature(logits, labels)
    return compute_report(
        news["text"],
        labels,
        apply_temperature(logits, temperature),
        split="validation",
        data_source=parts.news.counts.source,
        data_counts=asdict(parts.news.counts),
        backbone=parts.backbone.name,
        seed=parts.config.seed,
        temperature=temperature,
        uncalibrated_error=compute_calibration_error(labels, apply_temperature(logits, 1.0)),
    )


def _find_checkpoint(run: Run) -> Path | None:
    """Return the newest checkpoint that was written to its end, or None."""
    found = sorted(run.checkpoints_dir.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    return next((path for path in found if _is_complete(path)), None)


def _is_complete(checkpoint: Path) -> bool:
    # Trainer writes trainer_state.json last.
    try:
        TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        with safe_open(checkpoint / ADAPTER_WEIGHTS, framework="pt"):
            return (checkpoint / "optimizer.pt").is_file()
    except (OSError, ValueError, TypeError, SafetensorError):
        return False


def _enter(run: Run, phase: Phase) -> None:
    logger.info("%s", phase)
    run.update_status(phase=phase)


def _note(run: Run, note: str) -> None:
    logger.info("%s", note)
    run.add_note(note)


def _end(run: Run, state: str, reason: str) -> None:
    logger.log(logging.ERROR if state == "failed" else logging.INFO, "run %s %s. %s", run.name, state, reason)
    try:
        run.update_status(state=state, reason=reason, ended_at=now(), phase="done")
    except OSError as error:  # a full disk is a likely reason to be here; the run then reads as interrupted
        logger.error("status.json could not be written: %s", error)


def _explain(error: Exception, run: Run) -> str:
    # safetensors, torch and Python each report a full disk in their own way.
    if shutil.disk_usage(run.path).free < SPARE_BYTES:
        return f"The disk that holds {run.path.parent} is full; make room, then go on with --resume."
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "There was not enough memory; use a smaller batch, a shorter max_length or a smaller backbone."
    return f"Training failed: {type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"


def _write_traceback(run: Run) -> None:
    try:
        (run.path / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
    except OSError as error:
        logger.error("traceback.txt could not be written: %s", error)


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Copy what this package logs to the run's log.txt while it trains."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"))
    package = logging.getLogger("agnews_core")
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)
        handler.close()
