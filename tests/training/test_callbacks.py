"""What a training tells of itself while it trains, and when."""

import math
from types import SimpleNamespace

import pytest
from transformers import TrainerControl

from agnews_core.config import build_config
from agnews_core.errors import RunError
from agnews_core.runs import Run, create_run
from agnews_core.training import callbacks
from agnews_core.training.callbacks import RunCallback
from agnews_core.training.recipe import train
from tests.rows import read_rows

ARGS = SimpleNamespace(learning_rate=0.1)


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def told(monkeypatch):
    """What is asked of the run's folder, in order."""
    told = []
    for name in ("append_metrics", "read_stop", "update_status"):
        real = getattr(Run, name)
        monkeypatch.setattr(
            Run,
            name,
            lambda self, *rows, _real=real, _name=name, **more: told.append(_name) or _real(self, *rows, **more),
        )
    return told


@pytest.fixture
def run(tiny_settings, tmp_path):
    return create_run(tmp_path, build_config(tiny_settings))


def _step(callback: RunCallback, step: int, *, loss: float = 1.0, save: bool = False) -> TrainerControl:
    state = SimpleNamespace(global_step=step, max_steps=1000, epoch=0.0)
    control = TrainerControl(should_save=save)
    callback.on_step_end(ARGS, state, control)
    callback.on_log(ARGS, state, control, {"loss": loss})
    return control


def test_nothing_is_asked_of_the_folder_but_four_times_a_second_and_no_loss_is_left_out(run, clock, told):
    callback = RunCallback(run)
    for step in range(1, 101):
        _step(callback, step)
        clock.now += 0.01
    assert {name: told.count(name) for name in set(told)} == {"append_metrics": 4, "read_stop": 4, "update_status": 1}
    callback.flush()
    assert [row["step"] for row in read_rows(run)] == list(range(1, 101))


def test_slow_steps_are_told_as_they_come(run, clock):
    callback = RunCallback(run)
    for step in (1, 2):
        _step(callback, step)
        assert read_rows(run)[-1]["step"] == step
        clock.now += 2


def test_the_losses_up_to_a_checkpoint_are_written_before_it_is(run, clock):
    callback = RunCallback(run)
    for step in (1, 2, 3):
        _step(callback, step, save=step == 3)
    assert [row["step"] for row in read_rows(run)] == [1, 2, 3]


def test_an_evaluation_is_written_at_once_with_the_losses_before_it(run, clock):
    callback = RunCallback(run)
    for step in (1, 2):
        _step(callback, step)
    callback.on_evaluate(ARGS, SimpleNamespace(global_step=2, epoch=0.0), TrainerControl(), {"eval_accuracy": 0.5})
    assert [row["step"] for row in read_rows(run)] == [1, 2, 2]


def test_a_stop_is_seen_a_quarter_of_a_second_after_it_was_asked_for(run, clock):
    callback = RunCallback(run)
    _step(callback, 1)
    run.request_stop()
    assert not _step(callback, 2).should_training_stop
    clock.now += callbacks.TELL_SECONDS
    assert _step(callback, 3).should_training_stop


def test_a_training_that_fails_leaves_every_loss_behind(tiny_settings, tmp_path, monkeypatch):
    monkeypatch.setattr(callbacks, "TELL_SECONDS", math.inf)
    run = create_run(tmp_path, build_config(tiny_settings))
    log = RunCallback.on_log

    def break_off(self, args, state, control, logs=None, **kwargs):
        log(self, args, state, control, logs, **kwargs)
        if state.global_step == 2:
            raise RunError("Broken off.")

    monkeypatch.setattr(RunCallback, "on_log", break_off)
    with pytest.raises(RunError, match=r"Broken off\."):
        train(run)
    assert [row["step"] for row in read_rows(run)] == [1, 2]
