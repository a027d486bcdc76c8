"""One run trained by two processes: by the launcher that people use, and killed, stopped and resumed at moments of its life."""

import json
import os
import signal
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from agnews_core.config import build_config
from agnews_core.errors import RunError
from agnews_core.jobs.child import build_launcher
from agnews_core.models.adapters import ADAPTER_WEIGHTS
from agnews_core.runs import Run, create_run
from agnews_core.training import parts, trainer
from agnews_core.training.checkpoints import find_checkpoint
from agnews_core.training.recipe import train
from tests.cli.commands import PROJECT, list_flags
from tests.processes import Moment, start_pair
from tests.rows import read_rows

# Half a batch for each of two; 16 validation texts are evaluated 5 + 5, 5 + 1.
HALF = {"per_device_train_batch_size": 16, "per_device_eval_batch_size": 5}


def _launch(runs_dir, settings, *more, **environment):
    command = [
        *build_launcher(2),
        "-m",
        "agnews_core",
        "train",
        *list_flags(settings),
        "--runs-dir",
        str(runs_dir),
        *more,
    ]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _losses(run: Run) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in read_rows(run) if "loss" in row}


@pytest.fixture(scope="module")
def launched(tiny_settings, tmp_path_factory):
    """A run of two processes on the command line, what was printed, and what was said."""
    folder = tmp_path_factory.mktemp("launched")
    process = _launch(folder, {**tiny_settings, **HALF}, "--json")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    (status,) = folder.glob("*/status.json")
    return Run(status.parent), out, err


def test_two_processes_train_as_one_does_with_twice_the_batch(launched, trained_run):
    run, _, _ = launched
    assert list(_losses(run)) == list(_losses(trained_run))
    assert list(_losses(run).values()) == pytest.approx(list(_losses(trained_run).values()), abs=0.02)
    evaluations = [[row for row in read_rows(of) if "eval_loss" in row] for of in (run, trained_run)]
    assert [row["step"] for row in evaluations[0]] == [3, 6, 9]
    for two, one in zip(*evaluations, strict=True):
        assert two["eval_loss"] == pytest.approx(one["eval_loss"], abs=0.003)
    assert run.read_status().result.eval_accuracy == pytest.approx(
        trained_run.read_status().result.eval_accuracy, abs=0.005
    )


def test_the_first_process_alone_speaks_and_writes(launched):
    run, out, err = launched
    assert json.loads(out)["run_dir"] == str(run.path)
    assert err.count("preparing data") == 1
    assert (run.path / "log.txt").read_text().count("preparing data") == 1
    assert [row["step"] for row in read_rows(run) if "loss" in row] == list(range(1, 10))
    assert "Warning" not in err


def test_what_a_step_has_and_how_many_processes_take_it_is_said_and_recorded(launched):
    status = launched[0].read_status()
    assert status.resolved.n_processes == 2
    assert "2 processes x 16 texts x 1 = 32 a step, at a learning rate of 0.005." in status.notes


@pytest.fixture
def pair_run(tiny_settings, tmp_path):
    """A run that is longer than the tests let it be."""
    settings = {**tiny_settings, **HALF, "num_train_epochs": 40, "max_steps": 8, "eval_steps": 3}
    return create_run(tmp_path / "runs", build_config(settings))


def _count_the_evaluated():
    """Record with each evaluation how many predictions and labels it is of."""
    compute = trainer.compute_metrics

    def compute_and_count(prediction, **how):
        return {**compute(prediction, **how), "counts": (len(prediction.predictions), len(prediction.label_ids))}

    trainer.compute_metrics = compute_and_count


def test_the_metrics_of_two_processes_are_of_each_validation_text_once(pair_run):
    for process in start_pair(pair_run, prepare=_count_the_evaluated):
        process.join()
    evaluations = [row for row in read_rows(pair_run) if "eval_loss" in row]
    assert [row["eval_counts"] for row in evaluations] == [[16, 16]] * 3


LOST = "Another of the 2 processes ended or no longer answers, or all were told to end. Resume goes on"


def test_when_one_process_dies_the_other_says_so_and_the_run_goes_on_where_it_was(pair_run, tmp_path):
    whole = create_run(tmp_path / "runs", pair_run.read_config())
    for process in start_pair(whole):
        process.join()
    assert whole.read_status().state == "finished", whole.read_status().reason
    held = Moment(tmp_path, "step 5")
    first, second = start_pair(pair_run, moment=held)
    held.wait()
    second.kill()
    second.join()
    held.let_go()
    first.join(60)
    assert first.exitcode == 1
    status = pair_run.read_status()
    assert status.state == "interrupted"
    assert status.reason.startswith(LOST)
    assert LOST in (pair_run.path / "output.txt").read_text()
    for process in start_pair(pair_run, resume=True):
        process.join()
    assert pair_run.read_status().state == "finished", pair_run.read_status().reason
    assert "Resumed from step 3." in pair_run.read_status().notes
    assert _losses(pair_run) == _losses(whole)
    weights, wanted = (load_file(run.adapter_dir / ADAPTER_WEIGHTS) for run in (pair_run, whole))
    assert all(weights[name].equal(wanted[name]) for name in wanted)


def test_when_the_first_process_dies_the_other_ends_with_a_sentence(pair_run, tmp_path):
    held = Moment(tmp_path, "step 4")
    first, second = start_pair(pair_run, moment=held)
    held.wait()
    first.kill()
    second.join(60)
    assert second.exitcode == 1
    assert LOST in (pair_run.path / "output.txt").read_text()
    assert pair_run.read_status().state == "interrupted"
    assert pair_run.can_resume("interrupted")
    with pytest.raises(
        RunError, match="was begun by 2 processes and cannot be resumed by 1 process, whose steps are of another size"
    ):
        train(pair_run, resume=True)
    (find_checkpoint(pair_run) / "rng_state_1.pth").unlink()
    assert find_checkpoint(pair_run) is None


def test_a_process_that_is_told_to_end_while_it_waits_for_another_records_that(pair_run, tmp_path):
    held = Moment(tmp_path, "step 2")
    first, second = start_pair(pair_run, moment=held)
    held.wait()
    first.terminate()  # as a launcher does; it is held deep in a call of the system, as if in one of a library
    first.join(60)
    second.join(60)
    status = pair_run.read_status()
    assert (status.state, status.reason[: len(LOST)]) == ("interrupted", LOST)


def _change_the_second_base_model():
    if os.environ["RANK"] == "1":
        parts.compute_fingerprint = lambda backbone: "another"


def test_a_process_with_another_base_model_ends_the_training_with_a_sentence(pair_run):
    for process in start_pair(pair_run, prepare=_change_the_second_base_model):
        process.join()
    said = (pair_run.path / "output.txt").read_text()
    assert "The base model of process 1 is not that of the first one; give all machines the same." in said
    assert pair_run.read_status().state == "interrupted"


def test_all_processes_stop_at_the_same_step_when_a_stop_is_asked_for(pair_run, tmp_path):
    held = Moment(tmp_path, "step 4")
    pair = start_pair(pair_run, moment=held)
    held.wait()
    pair_run.request_stop()
    held.let_go()
    for process in pair:
        process.join()
    assert [process.exitcode for process in pair] == [0, 0]
    status = pair_run.read_status()
    assert status.state == "stopped"
    assert status.reason.startswith("Stopped at step 5; the best model so far, of step 3, was kept.")


def test_ctrl_c_at_the_launcher_stops_all_processes_and_keeps_the_model(tiny_settings, tmp_path):
    process = _launch(
        tmp_path,
        {**tiny_settings, **HALF, "max_steps": 2000, "num_train_epochs": 500, "eval_steps": 500},
        "--name",
        "one",
    )
    for line in process.stderr:
        if line == "training\n":
            process.send_signal(signal.SIGINT)
            break
    process.communicate(timeout=120)
    status = Run(tmp_path / "one").read_status()
    assert status.state == "stopped"
    assert "before the first evaluation; the model of that step was kept." in status.reason


def test_a_mistake_is_told_once_and_ends_all_processes(tiny_settings, tmp_path):
    process = _launch(tmp_path, {**tiny_settings, "data": str(tmp_path / "nowhere")})
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.count("Error: There is no news folder") == 1


def test_a_launcher_that_starts_one_process_where_several_were_asked_for_is_noticed(tiny_settings, tmp_path):
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    command = [*launcher, "-m", "agnews_core", "train", *list_flags(tiny_settings), "--runs-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "Error: `accelerate launch` was asked for several processes and started one" in done.stderr
    assert list(tmp_path.iterdir()) == []
