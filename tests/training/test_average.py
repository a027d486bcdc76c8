"""The mean of the weights of the last steps: what it is, that a kill does not change it, and when it is the model."""

import pytest
import torch
from safetensors.torch import load_file

from agnews_core.config import build_config
from agnews_core.models.adapters import ADAPTER_WEIGHTS
from agnews_core.runs import Run, create_run
from agnews_core.training import trainer
from agnews_core.training.average import AVERAGE
from agnews_core.training.checkpoints import find_checkpoint
from agnews_core.training.recipe import train
from tests.processes import Moment, kill_training, start_pair
from tests.rows import read_rows

STEPS = {"max_steps": 6, "num_train_epochs": 40, "eval_steps": 2}


def _losses(run: Run) -> list[float]:
    return [row[name] for row in read_rows(run) for name in ("loss", "eval_loss") if name in row]


def _load(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.adapter_dir / ADAPTER_WEIGHTS)


def _find_note(run: Run) -> str:
    return [note for note in run.read_status().notes if "the average of the last" in note][-1]


@pytest.fixture
def start(tiny_settings, tmp_path):
    def start(**settings) -> Run:
        return create_run(tmp_path / "runs", build_config({**tiny_settings, **STEPS, **settings}))

    return start


@pytest.fixture
def prefer_average(monkeypatch):
    """Evaluations that find each model a little better than the one before."""
    found = iter(range(50, 100))
    monkeypatch.setattr(trainer, "compute_metrics", lambda prediction, **how: {"accuracy": next(found) / 100})


def _keep_each_step(monkeypatch) -> list[dict[str, torch.Tensor]]:
    """Return a list that will have the trained weights after each step, by the names that an adapter gives them."""
    kept: list[dict[str, torch.Tensor]] = []
    on_step_end = trainer.CheckpointCallback.on_step_end

    def keep(self, args, state, control, model, **kwargs):
        named = {
            name.replace(".default", ""): weight for name, weight in model.named_parameters() if weight.requires_grad
        }
        kept.append({name.replace("modules_to_save.", ""): weight.detach().clone() for name, weight in named.items()})
        on_step_end(self, args, state, control)

    monkeypatch.setattr(trainer.CheckpointCallback, "on_step_end", keep)
    return kept


def test_the_model_is_the_mean_of_the_last_steps_where_that_is_better(start, monkeypatch, prefer_average):
    kept = _keep_each_step(monkeypatch)
    run = start(average_last=0.5)
    status = train(run)
    weights = _load(run)
    assert weights.keys() == kept[0].keys()
    for name, weight in weights.items():
        mean = torch.stack([of_step[name] for of_step in kept[3:]]).mean(0)
        torch.testing.assert_close(weight, mean, rtol=1e-6, atol=1e-8)
    assert _find_note(run) == (
        "On 16 validation texts, the average of the last 3 steps classified 53.00% correctly, the best checkpoint (step 6) "
        "52.00%; the average is the model."
    )
    assert status.state == "finished"


def test_the_best_checkpoint_is_the_model_where_the_average_is_not_better_and_training_is_as_without(start):
    plain, averaged = start(learning_rate=1e-7), start(learning_rate=1e-7, average_last=0.5)
    for run in (plain, averaged):
        train(run)
    assert _losses(plain) == _losses(averaged)
    assert all(torch.equal(weight, _load(averaged)[name]) for name, weight in _load(plain).items())
    assert _find_note(averaged).endswith("the checkpoint is the model.")


def test_a_run_killed_and_resumed_has_the_same_average(start, tmp_path, prefer_average):
    whole, killed = start(average_last=0.7), start(average_last=0.7)
    kill_training(killed, Moment(tmp_path, "step 5"))
    assert [path.name for path in sorted(killed.checkpoints_dir.glob(f"*/{AVERAGE}"))] == [AVERAGE] * 2
    for run, resume in ((whole, False), (killed, True)):
        train(run, resume=resume)
    assert "Resumed from step 4." in killed.read_status().notes
    for run in (whole, killed):
        assert "the average of the last 5 steps" in _find_note(run)
        assert _find_note(run).endswith("the average is the model.")
    assert [row["loss"] for row in read_rows(whole) if "loss" in row] == [
        row["loss"] for row in read_rows(killed) if "loss" in row
    ]
    assert all(torch.equal(weight, _load(killed)[name]) for name, weight in _load(whole).items())


def test_a_run_killed_after_its_last_step_has_the_average_of_its_last_checkpoint(start, tmp_path, prefer_average):
    whole, killed = start(average_last=0.5), start(average_last=0.5)
    kill_training(killed, Moment(tmp_path, "saving"))
    assert find_checkpoint(killed).name == "checkpoint-6"
    for run, resume in ((whole, False), (killed, True)):
        train(run, resume=resume)
        assert _find_note(run).endswith("the average is the model.")
    assert all(torch.equal(weight, _load(killed)[name]) for name, weight in _load(whole).items())


def test_a_run_that_is_stopped_has_the_average_of_what_there_was(start, monkeypatch, prefer_average):
    run = start(average_last=1.0, eval_steps=50)
    kept = _keep_each_step(monkeypatch)
    monkeypatch.setattr("agnews_core.training.callbacks.TELL_SECONDS", 0)
    append = Run.append_metrics

    def append_and_ask(self, *rows):
        append(self, *rows)
        if any(row["step"] == 3 for row in rows):
            run.request_stop(keep=True)

    monkeypatch.setattr(Run, "append_metrics", append_and_ask)
    status = train(run)
    assert len(kept) == status.step == 4
    assert status.reason.startswith("Stopped at step 4; the average of the last 4 steps was kept.")
    weights = _load(run)
    for name, weight in weights.items():
        mean = torch.stack([of_step[name] for of_step in kept]).mean(0)
        torch.testing.assert_close(weight, mean, rtol=1e-6, atol=1e-8)


def test_training_that_ends_before_the_average_begins_has_none(start):
    run = start(average_last=0.1, early_stopping_patience=1, learning_rate=1e-7)
    status = train(run)
    assert (status.step, status.result.stopped_early) == (4, True)
    assert not any("average" in note for note in status.notes)


def test_two_processes_have_one_average(start):
    run = start(average_last=0.5, per_device_train_batch_size=16)
    for process in start_pair(run):
        process.join()
    assert run.read_status().state == "finished", run.read_status().reason
    assert "On 16 validation texts, the average of the last 3 steps" in _find_note(run)
