"""One training run with transformers' Trainer, from news to a saved adapter, told step by step to the run's directory.

Synchronous and without threads; who wants a run in the background uses `jobs`. It watches for a request to stop in the run's
directory and for nothing else.
"""

import logging
import shutil
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray

from agnews_core.config import TrainConfig
from agnews_core.devices import check_optimizer, choose_device, choose_precision
from agnews_core.errors import AgNewsError, RunError, StoppedEarlyError
from agnews_core.evaluation.calibration import apply_temperature, compute_calibration_error, fit_temperature
from agnews_core.evaluation.compute import compute_report
from agnews_core.evaluation.files import REPORT, Evaluated, forget_evaluated, write_evaluated
from agnews_core.inference.predictions import build_table, read_probabilities
from agnews_core.libraries import read_versions
from agnews_core.models.adapters import write_adapter_info
from agnews_core.models.backbones import Backbone, load_backbone, load_tokenizer
from agnews_core.models.lora import build_model, plan, read_plan
from agnews_core.models.plan import Plan
from agnews_core.models.weights import save_adapter
from agnews_core.news.splits import DataCounts, load_news
from agnews_core.news.tokens import tokenize
from agnews_core.runs import Phase, Run, now
from agnews_core.training.checkpoints import find_checkpoint
from agnews_core.training.trainer import NewsTrainer, build_trainer
from agnews_core.whole_files import write_whole

logger = logging.getLogger(__name__)

CALIBRATION_TEXTS = 1000  # of a run that was stopped; seconds of work
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
    """What a run trains with, once everything is loaded. `validation` and its tokens are sorted by length."""

    config: TrainConfig
    counts: DataCounts
    train_tokens: Dataset
    validation: Dataset
    validation_tokens: Dataset
    backbone: Backbone
    tokenizer: Any
    model: Any
    plan: Plan


def train(run: Run, *, resume: bool = False) -> TrainResult:
    """Own a run and train it, as `train_owned` does.

    Raises:
        RunError: Another process is training it; otherwise as `train_owned`.
    """
    with run.own():
        return train_owned(run, resume=resume)


def train_owned(run: Run, *, resume: bool = False) -> TrainResult:
    """Train a run that this process owns to its end: finished, or stopped because somebody asked for that.

    A request to stop that is there already is obeyed. Who resumes a stopped run withdraws it (`Run.clear_stop`), and owns the run
    by then: it may be meant for another process that is training it.

    Args:
        run: Made by `runs.create_run`; its config.json has the settings.
        resume: Go on from the last complete checkpoint, if there is one.

    Raises:
        ConfigError, DataError, CheckpointError: The settings cannot be carried out.
        StoppedEarlyError: A stop was asked for before there was anything to keep.
        RunError: The run failed; status.json has the reason, traceback.txt the place.
    """
    with _log_to(run.path / "log.txt"):
        (run.path / "traceback.txt").unlink(missing_ok=True)  # of an earlier failure
        run.update_status(
            state="running",
            started_at=now(),
            earlier_seconds=_sum_earlier_seconds(run),
            ended_at="",
            reason="",
            versions=read_versions(),
        )
        try:
            return _train(run, resume=resume)
        except StoppedEarlyError as error:
            _end(run, "stopped", str(error))
            raise
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


def _sum_earlier_seconds(run: Run) -> float:
    """Return what a run took until the last row that it recorded, whatever ended it then."""
    status, rows = run.read_status(), run.read_metrics()
    if not status.started_at or not rows:
        return status.earlier_seconds
    began = datetime.fromisoformat(status.started_at).timestamp()
    return status.earlier_seconds + max(0.0, float(rows[-1].get("time", 0.0)) - began)


def _train(run: Run, *, resume: bool) -> TrainResult:
    checkpoint = find_checkpoint(run) if resume else None
    parts = _load_parts(run)
    trainer = build_trainer(
        run,
        parts.config,
        model=parts.model,
        tokenizer=parts.tokenizer,
        datasets=(parts.train_tokens, parts.validation_tokens),
    )
    if resume:
        step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
        run.drop_metrics_after(step)
        _note(run, f"Resumed from step {step}.")
        forget_evaluated(run.path)
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
    _note(run, news.folder.reason)
    _note(run, news.counts.describe())
    recorded = run.read_status().data
    if recorded and {**recorded, "source": ""} != {**asdict(news.counts), "source": ""}:
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
        resolved={"backbone": backbone.reference, "data": news.folder.data},
    )
    tokenizer = load_tokenizer(backbone)
    train_tokens = tokenize(news.train, tokenizer, max_length=config.max_length)
    validation_tokens = tokenize(news.validation, tokenizer, max_length=config.max_length)
    # Batches are read in order; sorted, their texts are of like length and need little padding.
    by_length = np.argsort(np.asarray(validation_tokens["length"]), kind="stable")
    return _Parts(
        config=config,
        counts=news.counts,
        train_tokens=train_tokens,
        validation=news.validation.select(by_length),
        validation_tokens=validation_tokens.select(by_length),
        backbone=backbone,
        tokenizer=tokenizer,
        model=model,
        plan=built,
    )


def _check_disk(run: Run, built: Plan) -> None:
    # A checkpoint holds the weights and AdamW's two moments in fp32; three exist for a moment, beside the adapter.
    needed = built.trainable_parameters * 4 * (3 * 3 + 1) + SPARE_BYTES
    free = shutil.disk_usage(run.path).free
    if free < needed:
        raise RunError(
            f"The runs folder {run.path.parent} has {free / 1e6:,.0f} MB free and this run needs about {needed / 1e6:,.0f} MB; "
            "make room, or choose another runs folder."
        )


def _finish(run: Run, parts: _Parts, trainer: NewsTrainer, metrics: dict[str, float]) -> TrainResult:
    """Save the best model, or what a stopped run has; a run that came to its end is also evaluated in full."""
    stop = run.read_stop()
    report = None
    if stop != "discard":
        _enter(run, "saving")
        info = save_adapter(parts.model, run.adapter_dir, parts.config, parts.backbone)
        _enter(run, "evaluating")
    if stop == "keep":
        temperature = _fit_temperature(parts, trainer)
        write_adapter_info(info.model_copy(update={"temperature": temperature}), run.adapter_dir)
    if not stop:
        evaluated = _evaluate_best(parts, trainer)
        report = evaluated.report
        write_adapter_info(info.model_copy(update={"temperature": report.temperature}), run.adapter_dir)
        write_whole(run.path / REPORT, report.model_dump_json(indent=2))
        write_evaluated(run.path, evaluated)
    if stop == "discard":
        shutil.rmtree(run.adapter_dir, ignore_errors=True)  # of an earlier stop, if the run was resumed
    if stop != "keep":
        shutil.rmtree(run.checkpoints_dir, ignore_errors=True)  # nothing is left to resume
    result = TrainResult(
        plan=parts.plan,
        run_dir=str(run.path),
        state="stopped" if stop else "finished",
        data_source=parts.counts.source,
        n_train=parts.counts.n_train,
        n_validation=parts.counts.n_validation,
        eval_accuracy=report.accuracy if report else trainer.state.best_metric,
        eval_f1=report.f1_macro if report else None,
        train_runtime_seconds=metrics["train_runtime"],
        train_samples_per_second=metrics["train_samples_per_second"],
        stopped_early=trainer.state.global_step < trainer.state.max_steps,
    )
    reasons = {
        "": "",
        "keep": "Stopped; the best model so far was kept.",
        "discard": "Stopped; the model was discarded.",
    }
    run.update_status(step=trainer.state.global_step, result=result.to_json())
    _end(run, result.state, reasons[stop])
    return result


def _fit_temperature(parts: _Parts, trainer: NewsTrainer) -> float:
    """Fit a stopped run's temperature on some of the validation texts: who stops a run does not want to wait for all."""
    n = len(parts.validation)
    rows = np.random.default_rng(parts.config.seed).permutation(n)[:CALIBRATION_TEXTS]
    rows.sort()  # by length, as they lie
    logits = _compute_logits(trainer, parts.validation_tokens.select(rows))
    return fit_temperature(logits, np.asarray(parts.validation.select(rows)["label"]))


def _compute_logits(trainer: NewsTrainer, tokens: Dataset) -> NDArray[np.float32]:
    return np.asarray(trainer.predict(tokens).predictions, dtype=np.float32)  # (n, 4)


def _evaluate_best(parts: _Parts, trainer: NewsTrainer) -> Evaluated:
    logits = _compute_logits(trainer, parts.validation_tokens)
    labels = np.asarray(parts.validation["label"])
    temperature = fit_temperature(logits, labels)
    table = build_table(parts.validation["text"], apply_temperature(logits, temperature), labels)
    report = compute_report(
        parts.validation["text"],
        labels,
        read_probabilities(table),
        split="validation",
        data_source=parts.counts.source,
        data_counts=asdict(parts.counts),
        backbone=parts.backbone.name,
        seed=parts.config.seed,
        temperature=temperature,
        uncalibrated_error=compute_calibration_error(labels, apply_temperature(logits, 1.0)),
    )
    return Evaluated(report, table)


def _enter(run: Run, phase: Phase) -> None:
    if run.read_stop() and phase in ("preparing data", "loading the backbone", "training"):
        raise StoppedEarlyError("Stopped before training began.")
    logger.info("%s", phase)
    run.update_status(phase=phase)


def _note(run: Run, note: str) -> None:
    """Say and record a choice that was made for the user, if one was."""
    if note:
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
        return f"The disk that holds {run.path.parent} is full; make room, then resume the run."
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
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.setLevel(level)
        package.removeHandler(handler)
        handler.close()
