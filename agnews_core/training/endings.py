"""How a training ends: finished and evaluated in full, stopped and its best model kept, or stopped and discarded."""

import shutil
from dataclasses import asdict

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from agnews_core.evaluation.calibration import apply_temperature, compute_calibration_error, fit_temperature
from agnews_core.evaluation.compute import compute_report
from agnews_core.evaluation.files import REPORT, Evaluated, write_evaluated
from agnews_core.inference.predictions import build_table, read_probabilities
from agnews_core.models.adapters import write_adapter_info
from agnews_core.models.weights import save_adapter
from agnews_core.runs import Run
from agnews_core.training.parts import Parts
from agnews_core.training.records import end, enter
from agnews_core.training.result import TrainResult
from agnews_core.training.trainer import NewsTrainer
from agnews_core.whole_files import write_whole

CALIBRATION_TEXTS = 1000  # of a run that was stopped; seconds of work


def finish(run: Run, parts: Parts, trainer: NewsTrainer, metrics: dict[str, float]) -> TrainResult:
    """Save the best model, or what a stopped run has; a run that came to its end is also evaluated in full."""
    stop = run.read_stop()
    report = None
    if stop != "discard":
        enter(run, "saving")
        info = save_adapter(parts.model, run.adapter_dir, parts.config, parts.backbone)
        enter(run, "evaluating")
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
    end(run, result.state, reasons[stop])
    return result


def _fit_temperature(parts: Parts, trainer: NewsTrainer) -> float:
    """Fit a stopped run's temperature on some of the validation texts: who stops a run does not want to wait for all."""
    n = len(parts.validation)
    rows = np.random.default_rng(parts.config.seed).permutation(n)[:CALIBRATION_TEXTS]
    rows.sort()  # by length, as they lie
    logits = _compute_logits(trainer, parts.validation_tokens.select(rows))
    return fit_temperature(logits, np.asarray(parts.validation.select(rows)["label"]))


def _compute_logits(trainer: NewsTrainer, tokens: Dataset) -> NDArray[np.float32]:
    return np.asarray(trainer.predict(tokens).predictions, dtype=np.float32)  # (n, 4)


def _evaluate_best(parts: Parts, trainer: NewsTrainer) -> Evaluated:
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
