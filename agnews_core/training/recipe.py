"""One training run with transformers' Trainer, from news to a saved adapter, told step by step to the run's directory.

Synchronous; who wants a run in the background uses `jobs`. It watches for a request to stop in the run's directory and for
nothing else. Where several processes train one run, each takes its share of every step; the first one alone writes, and evaluates
the model at the end, when the others are gone.
"""

import gc
import shutil
import traceback
from pathlib import Path

import torch

from agnews_core.devices import count_cores
from agnews_core.errors import AgNewsError, ProcessLostError, RunError, StoppedEarlyError
from agnews_core.inference.assess import LabelledTexts
from agnews_core.models.weights import save_adapter
from agnews_core.processes import is_first, is_loss, leave, load_in_turn, share, share_flag
from agnews_core.runs import Run, RunStatus
from agnews_core.runs.metrics import drop_rows_after
from agnews_core.training.average import take_better
from agnews_core.training.checkpoints import find_checkpoint, find_step
from agnews_core.training.endings import NEW_ADAPTER, Trained, conclude, discard_models
from agnews_core.training.parts import load_parts
from agnews_core.training.peers import check_same_processes, ending_with_the_others
from agnews_core.training.records import begin, describe_loss, end, enter, explain, log_to, note, refuse
from agnews_core.training.replay import replay_frozen_layers
from agnews_core.training.targets import check_own_teachers, set_targets
from agnews_core.training.trainer import build_trainer
from agnews_core.training.update_scale import choose_update_scale


def train(run: Run, *, resume: bool = False) -> RunStatus:
    """Own a run and train it, as `train_owned` does.

    Raises:
        RunError: Another process is training it; otherwise as `train_owned`.
    """
    with run.own():
        return train_owned(run, resume=resume)


def train_owned(run: Run, *, resume: bool = False) -> RunStatus:
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
    with log_to(run.log_path), ending_with_the_others(run):
        try:
            share(lambda: begin(run, resume=resume))
            return _train(run, resume=resume)
        except StoppedEarlyError as error:
            if run.read_stop() == "discard":
                discard_models(run)
            end(run, "stopped", str(error))
            raise
        except KeyboardInterrupt:
            end(run, "stopped", "Interrupted before the model could be saved.")
            raise
        except ProcessLostError:
            end(run, "interrupted", describe_loss())
            raise
        except AgNewsError as error:
            refuse(run, error)
            raise
        except Exception as error:
            # Whatever it is, the run has failed, and those who watch it learn of it only from its directory.
            reason = explain(error, run)
            end(run, "interrupted" if is_loss(error) else "failed", reason, trace=traceback.format_exc())
            raise RunError(reason) from error


def _train(run: Run, *, resume: bool) -> RunStatus:
    torch.set_num_threads(count_cores())
    trained = _train_model(run, resume=resume)
    gc.collect()  # Trainer, model and callbacks hold each other; the model that will answer is loaded into their room
    return conclude(run, trained) if trained else run.read_status()


def _train_model(run: Run, *, resume: bool) -> Trained | None:
    """Train, and save the best model beside the one that may be kept from an earlier stop; only the first process returns it."""
    share(lambda: check_own_teachers(run))
    checkpoint = share(lambda: _find_start(run)) if resume else None
    parts = replay_frozen_layers(run, set_targets(run, load_in_turn(lambda: load_parts(run))))
    if resume:
        share(lambda: _go_back(run, find_step(checkpoint)))
    trainer = build_trainer(run, parts, resumed_at=find_step(checkpoint) if resume else None)
    share(lambda: enter(run, "training"))
    metrics = {**trainer.go_on(checkpoint), "padding_share": trainer.compute_padding_share()}
    is_wanted = share_flag(run.read_stop() != "discard")
    n_averaged = take_better(trainer, run, parts.evaluated_texts) if is_wanted else 0
    scale = choose_update_scale(run, parts, trainer)
    leave()
    if not is_first():
        return None
    if run.read_stop() != "discard":
        enter(run, "saving")
        shutil.rmtree(run.path / NEW_ADAPTER, ignore_errors=True)
        save_adapter(parts.model, run.path / NEW_ADAPTER, parts.config, parts.backbone, scale=scale)
    state = trainer.state
    return Trained(
        backbone=parts.backbone,
        step=state.global_step,
        max_steps=state.max_steps,
        best_step=state.best_global_step,
        n_averaged=n_averaged,
        best_accuracy=trainer.find_best_accuracy(),
        n_evaluated=parts.n_evaluated,
        validation=LabelledTexts.of(
            parts.validation,
            split="validation",
            counts=parts.counts,
            seed=parts.config.seed,
            is_own=True,
            plain=parts.plain_validation,
        ),
        metrics=metrics,
    )


def _find_start(run: Run) -> Path | None:
    """Return the checkpoint that a resumed run goes on from, if it has one.

    Raises:
        RunError: It was written by another number of processes.
    """
    checkpoint = find_checkpoint(run)
    if checkpoint is not None:
        check_same_processes(run)
    return checkpoint


def _go_back(run: Run, step: int) -> None:
    """Forget what was recorded after the step that a run goes on from."""
    drop_rows_after(run.metrics_path, step)
    note(run, f"Resumed from step {step}.")
