"""A run's life, stopped or killed at every moment of it: in a queue, in another program's, while it loads, trains, ends."""

import contextlib
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agnews_core.config import build_config
from agnews_core.errors import RunError
from agnews_core.evaluation.files import read_evaluated, read_report, write_evaluated
from agnews_core.inference.classifier import Classifier
from agnews_core.jobs.queue import JobQueue
from agnews_core.jobs.visitors import HOST
from agnews_core.models.adapters import ADAPTER_WEIGHTS
from agnews_core.runs import Run, RunStatus, create_run, list_runs
from agnews_core.training.recipe import train
from tests.processes import HeldTraining, Moment, kill_training, start_training
from tests.rows import read_rows

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


@dataclass(frozen=True)
class Held:
    """A run whose training in a queue's process waits at a moment."""

    run: Run
    queue: JobQueue
    training: HeldTraining
    moment: Moment

    def go_on(self) -> RunStatus:
        self.moment.let_go()
        self.training.wait_for_end()
        return self.run.read_status()


@pytest.fixture
def hold(tmp_path, config):
    def start(name: str) -> Held:
        moment = Moment(tmp_path, name)
        training = HeldTraining(moment)
        queue = JobQueue(tmp_path / "runs", train=training)
        queue.start_worker()
        run = queue.start(config, by=HOST)
        moment.wait()
        return Held(run, queue, training, moment)

    return start


@pytest.mark.parametrize(
    ("moment", "reason", "step"),
    [
        ("starting", BEFORE, 0),
        ("preparing data", BEFORE, 0),
        ("loading the backbone", BEFORE, 0),
        ("training", "Stopped at step 1, before the first evaluation; the model of that step was kept.", 1),
        ("step 1", "Stopped at step 2; the best model so far, of step 2, was kept.", 2),
        ("evaluation 2", "Stopped at step 3; the best model so far, of step 2, was kept.", 3),
        ("saving", "Stopped at step 4; the best model so far, of step 2, was kept.", 4),
        ("evaluating", "Stopped at step 4; the best model so far, of step 2, was kept.", 4),
    ],
)
def test_a_run_stopped_at_any_moment_ends_as_it_says_and_has_the_model_that_it_says(hold, moment, reason, step):
    held = hold(moment)
    held.queue.stop(held.run.name, by=HOST)
    status = held.go_on()
    evaluated = " It was evaluated on 16 validation texts." if step else ""
    assert (status.state, status.reason, status.step) == ("stopped", reason + evaluated, step)
    assert held.run.can_resume(status.state)
    assert held.run.has_model() == (step > 0)
    if step:
        assert Classifier.load(held.run.adapter_dir).info.temperature != 1.0


@pytest.mark.parametrize("moment", ["loading the backbone", "step 1", "saving", "evaluating"])
def test_a_run_discarded_at_any_moment_leaves_nothing(hold, moment):
    held = hold(moment)
    held.queue.stop(held.run.name, keep=False, by=HOST)
    assert held.go_on().state == "stopped"
    assert not held.run.can_resume("stopped")
    assert not {"adapter", "adapter.new", "checkpoints", "report.json"} & {
        path.name for path in held.run.path.iterdir()
    }


def test_a_run_stopped_from_another_programs_page_just_before_it_trains_is_not_trained(hold):
    held = hold("starting")
    other = JobQueue(held.queue.runs_dir)
    other.stop(held.run.name, by=HOST)
    assert held.go_on().reason == BEFORE


def test_a_run_that_waits_in_another_programs_queue_is_stopped_from_here_and_goes_back_there_when_it_is_resumed(
    hold, config
):
    held = hold("step 1")
    waiting = held.queue.start(config, name="waiting", by=HOST)
    program = "import sys; from pathlib import Path; from agnews_core.jobs.queue import JobQueue;"
    program += "from agnews_core.jobs.visitors import HOST; queue = JobQueue(Path(sys.argv[1]));"
    program += "print(queue.stop('waiting', by=HOST).state); queue.resume('waiting', by=HOST)"
    command = [sys.executable, "-c", program, str(held.queue.runs_dir)]
    said = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert said == "stopped\n"
    assert waiting.read_status().state == "queued"
    held.go_on()
    held.training.wait_for_end()
    assert waiting.read_status().state == "finished"


def test_a_kept_model_and_its_evaluation_stay_until_a_resumed_run_has_a_newer_one(hold, trained_run, tmp_path):
    held = hold("step 1")
    run = held.run
    held.queue.stop(run.name, by=HOST)
    held.go_on()
    kept = (run.adapter_dir / ADAPTER_WEIGHTS).read_bytes()
    made = read_evaluated(trained_run.path, "validation")
    write_evaluated(run.path, replace(made, report=made.report.model_copy(update={"split": "test"})))
    run.clear_stop()
    kill_training(run, Moment(tmp_path, "evaluating"), resume=True)
    assert run.has_model()
    assert (run.adapter_dir / ADAPTER_WEIGHTS).read_bytes() == kept
    assert read_evaluated(run.path, "test") is not None
    start_training(run, resume=True).join()
    assert run.read_status().state == "finished"
    assert read_evaluated(run.path, "test") is None
    assert read_report(run.path, "validation").accuracy == run.read_status().result.eval_accuracy


@pytest.mark.parametrize(
    ("moment", "settings", "steps"),
    [
        ("saving", {}, [1, 2, 3, 4]),
        ("evaluating", {}, [1, 2, 3, 4]),
        ("evaluating", {"early_stopping_patience": 1, "learning_rate": 1e-7, "eval_steps": 1}, [1, 2]),
    ],
)
def test_a_run_killed_at_its_end_trains_no_step_more_when_it_is_resumed(tmp_path, config, moment, settings, steps):
    run = create_run(tmp_path / "runs", config.model_copy(update=settings))
    kill_training(run, Moment(tmp_path, moment))
    assert run.read_status().state == "interrupted"
    start_training(run, resume=True).join()
    status, rows = run.read_status(), read_rows(run)
    assert (status.state, status.step, status.max_steps) == ("finished", steps[-1], 4), status.reason
    assert [row["step"] for row in rows if "loss" in row] == steps
    best = max(row["eval_accuracy"] for row in rows if "eval_accuracy" in row)
    assert read_report(run.path, "validation").accuracy == pytest.approx(best)


def test_a_run_that_another_program_trains_can_neither_be_trained_nor_resumed_nor_deleted_here(hold, monkeypatch):
    held = hold("step 1")
    monkeypatch.setattr("agnews_core.runs.held.LOCK_SECONDS", 0.1)
    other, name = JobQueue(held.queue.runs_dir), held.run.name
    with pytest.raises(RunError, match=f"The run {name} is being trained by another process; stop it first"):
        train(held.run)
    with pytest.raises(RunError, match=f"The run {name} is running; only an interrupted, stopped or failed run can be"):
        other.resume(name, by=HOST)
    with pytest.raises(RunError, match=f"The run {name} is still queued or training; stop it first"):
        other.delete(name, by=HOST)
    assert other.stop(name, by=HOST).state == "running"
    assert held.go_on().state == "stopped"


def test_two_programs_that_start_runs_in_one_folder_at_once_get_a_folder_for_each(tmp_path):
    program = "import sys; from pathlib import Path; from agnews_core.config import build_config;"
    program += "from agnews_core.jobs.queue import JobQueue; from agnews_core.jobs.visitors import HOST;"
    program += "queue = JobQueue(Path(sys.argv[1])); [queue.start(build_config(), by=HOST) for _ in range(10)];"
    program += "print('started', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(tmp_path)]
    programs = [
        subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [program.stdout.readline() for program in programs] == ["started\n"] * 2
    runs = list_runs(tmp_path)
    assert [run.read_status().state for run in runs] == ["queued"] * 20
    programs[0].kill()
    programs[0].communicate()
    reasons = sorted(run.read_status().reason for run in runs)
    assert reasons == [""] * 10 + ["The program ended before this run's turn came."] * 10
    programs[1].communicate()


def test_tensorboard_shows_no_step_twice_when_a_killed_run_goes_on(tmp_path, config):
    run = create_run(tmp_path / "runs", config.model_copy(update={"report_to": "tensorboard", "max_steps": 6}))
    kill_training(run, Moment(tmp_path, "evaluation 4"))
    start_training(run, resume=True).join()
    assert run.read_status().state == "finished", run.read_status().reason
    assert "Resumed from step 2." in run.read_status().notes
    log = EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert [event.step for event in log.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]


def test_a_run_whose_disk_fills_up_says_so_and_goes_on_when_there_is_room(tmp_path, small_disk, config):
    run, held = create_run(small_disk / "runs", config), Moment(tmp_path, "step 1")
    training = start_training(run, moment=held)
    held.wait()
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    held.let_go()
    training.join()
    status = run.read_status()
    wanted = f"The disk that holds {run.path.parent} is full; make room, then resume the run."
    assert (status.state, status.reason) == ("failed", wanted)
    assert "No space left on device" in (run.path / "traceback.txt").read_text()
    filler.unlink()
    start_training(run, resume=True).join()
    assert run.read_status().state == "finished", run.read_status().reason
    assert not (run.path / "traceback.txt").exists()
    assert not (run.path / "reserve").exists()
