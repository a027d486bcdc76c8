"""How a training ends: finished and evaluated in full, stopped and its best model kept, or stopped and discarded."""

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass

from agnews_core.evaluation.files import Evaluated, forget_evaluated, write_evaluated
from agnews_core.evaluation.report import REPORT
from agnews_core.inference.assess import LabelledTexts, calibrate
from agnews_core.inference.classifier import Classifier
from agnews_core.models.adapters import UpdateScale, read_adapter_info, write_adapter_info
from agnews_core.models.backbones import Backbone
from agnews_core.runs import Run, RunResult, RunStatus
from agnews_core.runs.resolved import count_of
from agnews_core.training.records import end, enter, note
from agnews_core.whole_files import write_whole

NEW_ADAPTER = "adapter.new"  # beside the one that may be kept from an earlier stop, until it is evaluated
STOP_SECONDS = 10.0  # who stops a run waits as long for the rest of its evaluation; else it is on a sample
STOP_TEXTS = 1000


@dataclass(frozen=True)
class Trained:
    """A training whose last step is done. The model itself is in NEW_ADAPTER, and its memory free again.

    Attributes:
        best_step: The step whose model was evaluated best, or None where none was evaluated.
        n_averaged: How many steps the model is an average of, where that was better; else 0.
        best_accuracy: Of the model, as it was evaluated while it trained.
        n_evaluated: Validation texts that this accuracy is of.
        validation: All validation texts.
        metrics: Trainer's closing figures, and `padding_share`.
    """

    backbone: Backbone
    step: int
    max_steps: int
    best_step: int | None
    n_averaged: int
    best_accuracy: float | None
    n_evaluated: int
    validation: LabelledTexts
    metrics: dict[str, float]


class _StopAskedError(Exception):
    """A stop was asked for while the model was evaluated."""


def conclude(run: Run, trained: Trained) -> RunStatus:
    """Evaluate the model as it will answer, put it where it is kept, and record the end; a stop is obeyed meanwhile too."""
    evaluated = None if run.read_stop() == "discard" else _evaluate(run, trained)
    stop = run.read_stop()
    if stop == "discard" or evaluated is None:
        return _discard(run, trained)
    return _keep(run, trained, evaluated) if stop else _finish(run, trained, evaluated)


def _finish(run: Run, trained: Trained, evaluated: Evaluated) -> RunStatus:
    _replace_model(run, evaluated)
    _write_evaluation(run, evaluated)
    shutil.rmtree(run.checkpoints_dir, ignore_errors=True)  # nothing is left to resume
    return _record(run, trained, evaluated)


def _keep(run: Run, trained: Trained, evaluated: Evaluated) -> RunStatus:
    _replace_model(run, evaluated)
    n, n_available = evaluated.report.n, len(trained.validation.texts)
    if n == n_available:  # a sample's would be taken for that of the whole split
        _write_evaluation(run, evaluated)
    if trained.n_averaged:
        kept = f"Stopped at step {trained.step}; the average of the last {trained.n_averaged} steps was kept"
    elif trained.best_step is None:
        kept = f"Stopped at step {trained.step}, before the first evaluation; the model of that step was kept"
    else:
        kept = f"Stopped at step {trained.step}; the best model so far, of step {trained.best_step}, was kept"
    return _record(run, trained, evaluated, f"{kept}. It was evaluated on {count_of(n, n_available)} validation texts.")


def _write_evaluation(run: Run, evaluated: Evaluated) -> None:
    write_whole(run.path / REPORT, evaluated.report.model_dump_json(indent=2))
    write_evaluated(run.path, evaluated)


def _discard(run: Run, trained: Trained) -> RunStatus:
    discard_models(run)
    return _record(run, trained, None, "Stopped; the model was discarded.")


def discard_models(run: Run) -> None:
    """Remove the new model, one that was kept at an earlier stop, and what could be resumed."""
    for folder in (run.path / NEW_ADAPTER, run.adapter_dir, run.checkpoints_dir):
        shutil.rmtree(folder, ignore_errors=True)
    forget_evaluated(run.path)


def _replace_model(run: Run, evaluated: Evaluated) -> None:
    """Put the new model in the place of an earlier one, whose evaluations go with it."""
    new = run.path / NEW_ADAPTER
    info = read_adapter_info(new)
    write_adapter_info(info.model_copy(update={"temperature": evaluated.report.temperature}), new)
    shutil.rmtree(run.adapter_dir, ignore_errors=True)
    new.rename(run.adapter_dir)
    forget_evaluated(run.path)


def _record(run: Run, trained: Trained, evaluated: Evaluated | None, reason: str = "") -> RunStatus:
    result = RunResult(
        eval_accuracy=evaluated.report.accuracy if evaluated else trained.best_accuracy,
        eval_f1=evaluated.report.f1_macro if evaluated else None,
        n_evaluated=evaluated.report.n if evaluated else trained.n_evaluated,
        eval_plain_accuracy=evaluated.report.plain.accuracy if evaluated and evaluated.report.plain else None,
        train_runtime_seconds=trained.metrics["train_runtime"],
        train_samples_per_second=trained.metrics["train_samples_per_second"],
        padding_share=trained.metrics["padding_share"],
        stopped_early=trained.step < trained.max_steps,
        engine=evaluated.report.engine if evaluated else "",
        lora_update_scale=evaluated.report.lora_update_scale if evaluated else UpdateScale(),
    )
    run.update_status(step=trained.step, result=result)
    end(run, "stopped" if reason else "finished", reason)
    return run.read_status()


def _evaluate(run: Run, trained: Trained) -> Evaluated | None:
    """Load the model that was saved, as it will be loaded to answer, fit its temperature, and evaluate it.

    On all validation texts, unless somebody who stops the run would wait long for that; None once it is to be discarded.
    """
    enter(run, "evaluating")
    classifier = Classifier.load(run.path / NEW_ADAPTER, backbone_name=trained.backbone.reference)
    began = time.monotonic()

    def obey_stop(n_done: int, n_total: int) -> None:
        seconds_left = (time.monotonic() - began) * (n_total - n_done) / n_done
        if (stop := run.read_stop()) and (stop == "discard" or seconds_left > STOP_SECONDS):
            raise _StopAskedError

    try:
        with suppress(_StopAskedError):
            return calibrate(classifier, trained.validation, obey_stop)
        return None if run.read_stop() == "discard" else calibrate(classifier, trained.validation.sample(STOP_TEXTS))
    finally:
        note(run, classifier.engine.reason)
