"""A run's life, stopped or killed at every moment of it: in a queue, in another program's, while it loads, trains, ends."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agnews_core.config import build_config
from agnews_core.evaluation.files import read_report
from agnews_core.runs import create_run
from tests.processes import Moment, start_training

PROJECT = Path(__file__).parents[2]
FEW = {
    "max_train_samples": 64,
    "max_eval_samples": 16,
    "per_device_train_batch_size": 8,
    "max_steps": 4,
    "eval_steps": 2,
}
BEFORE = "Stopped before training began."


@pytest.fixture
def config(tiny_settings):
    return build_config({**tiny_settings, **FEW})


@pytest.mark.parametrize("moment", ["saving", "evaluating"])
def test_a_run_killed_at_its_end_trains_no_step_more_when_it_is_resumed(tmp_path, config, moment):
    run, held = create_run(tmp_path / "runs", config), Moment(tmp_path, moment)
    training = start_training(run, moment=held)
    held.wait()
    training.kill()
    training.join()
    assert run.read_status().state == "interrupted"
    start_training(run, resume=True).join()
    status, rows = run.read_status(), run.read_metrics()
    assert (status.state, status.step, status.max_steps) == ("finished", 4, 4), status.reason
    assert [row["step"] for row in rows if "loss" in row] == [1, 2, 3, 4]
    best = max(row["eval_accuracy"] for row in rows if "eval_accuracy" in row)
    assert read_report(run.path, "validation").accuracy == pytest.approx(best)


def test_tensorboard_shows_no_step_twice_when_a_killed_run_goes_on(tmp_path, config):
    run = create_run(tmp_path / "runs", config.model_copy(update={"report_to": "tensorboard", "max_steps": 6}))
    held = Moment(tmp_path, "evaluation 4")
    training = start_training(run, moment=held)
    held.wait()
    training.kill()
    training.join()
    start_training(run, resume=True).join()
    assert run.read_status().state == "finished", run.read_status().reason
    assert "Resumed from step 2." in run.read_status().notes
    log = EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert [event.step for event in log.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
