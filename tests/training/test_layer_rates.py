"""A learning rate for each layer: what it is in the optimizer, in the figures, and after a kill."""

import pytest
import torch

from agnews_core.config import build_config
from agnews_core.runs import Run, create_run
from agnews_core.training.checkpoints import find_checkpoint
from agnews_core.training.recipe import train
from tests.processes import Moment, kill_training
from tests.rows import read_rows


@pytest.fixture
def start(tiny_settings, tmp_path):
    def start(**settings) -> Run:
        steps = {"max_steps": 6, "num_train_epochs": 40, "eval_steps": 2}
        return create_run(tmp_path / "runs", build_config({**tiny_settings, **steps, **settings}))

    return start


def _losses(run: Run) -> list[float]:
    return [row[name] for row in read_rows(run) for name in ("loss", "eval_loss") if name in row]


def _rates(run: Run) -> list[float]:
    return [row["learning_rate"] for row in read_rows(run) if "learning_rate" in row]


def test_each_layer_learns_more_slowly_than_the_one_above_and_a_kill_changes_nothing(start, tmp_path):
    plain, whole, killed = start(), start(layer_lr_decay=0.5), start(layer_lr_decay=0.5)
    kill_training(killed, Moment(tmp_path, "step 5"))
    groups = torch.load(find_checkpoint(killed) / "optimizer.pt", weights_only=True)["param_groups"]
    assert [group["initial_lr"] for group in groups] == [0.005, 0.005, 0.0025, 0.00125, 0.000625]
    # Matrices of the head and of three modules of LoRA; the head's biases; three modules of each other layer, each an A and a B.
    assert [len(group["params"]) for group in groups] == [10, 2, 8, 8, 8]
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0, 0.01, 0.01, 0.01]
    assert [group["lr"] / groups[0]["lr"] for group in groups] == pytest.approx([1, 1, 0.5, 0.25, 0.125])
    for run, resume in ((plain, False), (whole, False), (killed, True)):
        train(run, resume=resume)
    assert _losses(whole) == _losses(killed)
    assert _losses(whole) != _losses(plain)
    assert _rates(whole) == _rates(killed) == _rates(plain)


def test_a_decay_of_one_is_training_as_it_was(start):
    plain, one = start(max_steps=2), start(max_steps=2, layer_lr_decay=1)
    for run in (plain, one):
        train(run)
    assert _losses(plain) == _losses(one)
