"""Settings at the edge of what Trainer takes, really trained: 64 texts, batches of 16."""

import pytest

from agnews_core.config import build_config
from agnews_core.runs import create_run
from agnews_core.training.recipe import train
from tests.rows import read_rows

FEW = {"max_train_samples": 64, "max_eval_samples": 16, "per_device_train_batch_size": 16, "max_steps": None}


@pytest.mark.parametrize(
    ("settings", "losses", "evaluations"),
    [
        ({"eval_steps": 1, "max_steps": 3}, [1, 2, 3], [1, 2, 3]),
        ({"eval_steps": 2, "logging_steps": 2, "max_steps": 4}, [2, 4], [2, 4]),
        ({"eval_steps": 0.5, "max_steps": 5}, [1, 2, 3, 4, 5], [3, 5]),
        ({"eval_steps": 50, "logging_steps": 50, "num_train_epochs": 1}, [4], [4]),
        ({"max_steps": 1, "eval_steps": 0.25}, [1], [1]),
        ({"per_device_train_batch_size": 256, "num_train_epochs": 2, "eval_steps": 1}, [1, 2], [1, 2]),
        ({"gradient_accumulation_steps": 8, "num_train_epochs": 2, "eval_steps": 1}, [1, 2], [1, 2]),
        ({"early_stopping_patience": 1, "learning_rate": 1e-7, "eval_steps": 1, "max_steps": 4}, [1, 2], [1, 2]),
    ],
    ids=[
        "every step",
        "with the loss",
        "a share",
        "longer than the run",
        "one step",
        "batch",
        "accumulation",
        "patience",
    ],
)
def test_losses_and_evaluations_come_when_they_should(tiny_settings, tmp_path, settings, losses, evaluations):
    run = create_run(tmp_path, build_config({**tiny_settings, **FEW, **settings}))
    train(run)
    rows, status = read_rows(run), run.read_status()
    assert (status.state, status.step) == ("finished", losses[-1])
    assert [row["step"] for row in rows if "loss" in row] == losses
    assert [row["step"] for row in rows if "eval_accuracy" in row] == evaluations
    assert status.max_steps == (4 if "early_stopping_patience" in settings else losses[-1])
    assert run.has_model()
