"""One training run with transformers' Trainer, from news to a saved adapter, told step by step to the run's directory.

Synchronous and without threads; who wants a run in the background uses `jobs`. It watches for a request to stop in the run's
directory and for nothing else.
"""

import traceback

from agnews_core.errors import AgNewsError, RunError, StoppedEarlyError
from agnews_core.evaluation.files import forget_evaluated
from agnews_core.runs import Run
from agnews_core.training.checkpoints import find_checkpoint, find_step
from agnews_core.training.endings import finish
from agnews_core.training.parts import load_parts
from agnews_core.training.records import begin, end, enter, explain, log_to, note
from agnews_core.training.result import TrainResult
from agnews_core.training.trainer import build_trainer


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
    with log_to(run.path / "log.txt"):
        try:
            begin(run)
            return _train(run, resume=resume)
        except StoppedEarlyError as error:
            end(run, "stopped", str(error))
            raise
        except KeyboardInterrupt:
            end(run, "stopped", "Interrupted before the model could be saved.")
            raise
        except AgNewsError as error:
            end(run, "failed", str(error))
            raise
        except Exception as error:
            # Whatever it is, the run has failed, and those who watch it learn of it only from its directory.
            reason = explain(error, run)
            end(run, "failed", reason, trace=traceback.format_exc())
            raise RunError(reason) from error


def _train(run: Run, *, resume: bool) -> TrainResult:
    checkpoint = find_checkpoint(run) if resume else None
    parts = load_parts(run)
    if resume:
        run.drop_metrics_after(find_step(checkpoint))
        note(run, f"Resumed from step {find_step(checkpoint)}.")
        forget_evaluated(run.path)
    trainer = build_trainer(run, parts, resumed_at=find_step(checkpoint) if resume else None)
    enter(run, "training")
    metrics = trainer.go_on(checkpoint)
    return finish(run, parts, trainer, metrics)
