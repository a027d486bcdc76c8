import json
import shutil
import signal
import subprocess
import sys

import pytest

from agnews_core.config import build_config
from agnews_core.runs import Run, create_run
from tests.cli.commands import PROJECT, fails, list_flags, run_command


def test_train_prints_one_json_value_and_everything_else_on_stderr(tiny_settings, tmp_path):
    flags = list_flags({**tiny_settings, "max_steps": 2})
    command = [
        sys.executable,
        "-m",
        "agnews_core",
        "train",
        *flags,
        "--runs-dir",
        str(tmp_path),
        "--name",
        "one",
        "--json",
    ]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    wanted = {
        "backbone", "n_layers", "layer_ranks", "trainable_parameters", "lora_parameters", "head_parameters", "total_parameters",
        "run_dir", "data_source", "n_train", "n_validation", "eval_accuracy", "eval_f1", "train_runtime_seconds",
        "train_samples_per_second", "stopped_early",
    }  # fmt: skip
    assert wanted <= result.keys()
    assert result["run_dir"] == str(tmp_path / "one")
    assert "preparing data" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


def test_what_is_wrong_with_the_news_is_told(capsys, tiny_settings, tmp_path):
    (tmp_path / "news").mkdir()
    flags = list_flags({**tiny_settings, "data": tmp_path / "news"})
    where = ["--runs-dir", tmp_path / "runs"]
    assert "holds no train file; wanted one of train.parquet" in fails(capsys, "train", *flags, *where)
    (tmp_path / "news" / "train.csv").write_text("text,label\nGood news,5\n")
    assert "row 1: the label '5' is not one of 0-3" in fails(capsys, "train", *flags, *where)
    (tmp_path / "news" / "train.csv").write_text("")
    assert "holds no rows" in fails(capsys, "train", *flags, *where)
    status, out, _ = run_command(capsys, "runs", *where)
    assert status == 0
    assert out.count("failed") == 2


def test_teachers_are_given_as_a_list_or_one_by_one_and_a_wrong_one_is_told_before_there_is_a_run(
    capsys, tiny_settings, trained_run, tmp_path
):
    shutil.copytree(trained_run.path, tmp_path / "runs" / "one")
    where = ["--runs-dir", tmp_path / "runs", "--name", "new"]
    flags = list_flags({**tiny_settings, "max_steps": 1})
    for named in (["--teachers", "one,two"], ["--teacher", "one", "--teacher", "two"]):
        told = fails(capsys, "train", *flags, *where, *named)
        assert "The teacher 'two' cannot be asked. There is no run two in" in told
        assert "(A folder is written ./NAME.)" in told
    assert "There is no run new in" in fails(capsys, "train", *flags, *where, "--teacher", "new")
    assert not (tmp_path / "runs" / "new").exists()
    folder = str(tmp_path / "runs" / "one" / "adapter")
    status, _, _ = run_command(capsys, "train", *flags, *where, "--teacher", "one", "--teacher", folder)
    assert status == 0
    assert Run(tmp_path / "runs" / "new").read_config().teachers == ("one", folder)


@pytest.mark.parametrize("setting", ["data", "backbone"])
def test_a_mistyped_name_is_told_before_there_is_a_run(capsys, tiny_settings, tmp_path, setting):
    flags = list_flags({**tiny_settings, setting: tmp_path / "nope"})
    assert str(tmp_path / "nope") in fails(capsys, "train", *flags, "--runs-dir", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_run_name_that_leads_out_of_the_folder_is_refused(capsys, tiny_settings, tmp_path):
    for name in ("../evil", "a/b", ".hidden", "", "x" * 65):
        assert "cannot name a run" in fails(
            capsys, "train", *list_flags(tiny_settings), "--runs-dir", tmp_path, "--name", name
        )
        assert "cannot name a run" in fails(capsys, "runs", "--runs-dir", tmp_path, "--delete", name or ".")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_refused(capsys, tiny_settings, trained_run):
    where = ["--runs-dir", trained_run.path.parent, "--name", "trained"]
    assert "There is a run named trained already" in fails(capsys, "train", *list_flags(tiny_settings), *where)


def test_a_runs_folder_that_is_a_file_is_refused(capsys, tiny_settings, tmp_path):
    (tmp_path / "file").write_text("")
    message = fails(capsys, "train", *list_flags(tiny_settings), "--runs-dir", tmp_path / "file")
    assert "cannot be written" in message
    assert "choose another folder" in message


def test_resuming_a_finished_run_or_with_other_settings_is_refused(capsys, trained_run, tmp_path):
    where = ["--runs-dir", trained_run.path.parent]
    assert "only an interrupted, stopped or failed run can be resumed" in fails(
        capsys, "train", "--resume", "trained", *where
    )
    shutil.copytree(trained_run.path, tmp_path / "open")
    status = json.loads((tmp_path / "open" / "status.json").read_text())
    (tmp_path / "open" / "status.json").write_text(json.dumps({**status, "state": "stopped"}))
    message = fails(capsys, "train", "--resume", "--runs-dir", tmp_path, "--learning-rate", "0.1")
    assert "was begun with another --learning-rate; leave that out" in message


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_resuming_a_run_that_another_process_holds_is_refused_and_leaves_its_stop_alone(
    capsys, trained_run, tmp_path, monkeypatch, state
):
    monkeypatch.setattr("agnews_core.runs.held.LOCK_SECONDS", 0.1)
    run = Run(shutil.copytree(trained_run.path, tmp_path / "held"))
    run.update_status(state=state)
    run.request_stop()
    with run.own():
        said = fails(capsys, "train", "--resume", "held", "--runs-dir", tmp_path)
    assert said == "Error: The run held is being trained by another process; stop it first."
    assert run.read_stop() == "keep"


def test_resuming_a_stopped_run_withdraws_its_stop(capsys, tiny_settings, tmp_path):
    run = create_run(tmp_path, build_config({**tiny_settings, "max_steps": 2}), name="open")
    run.update_status(state="stopped")
    run.request_stop()
    assert run_command(capsys, "train", "--resume", "open", "--runs-dir", tmp_path)[0] == 0
    assert run.read_status().state == "finished"


def test_ctrl_c_before_training_begins_stops_the_run_too(tiny_settings, tmp_path):
    command = [sys.executable, "-m", "agnews_core", "train", *list_flags(tiny_settings), "--runs-dir", str(tmp_path)]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "preparing data" in line:
            process.send_signal(signal.SIGINT)
            break
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    (run,) = tmp_path.glob("*/status.json")
    assert json.loads(run.read_text())["state"] == "stopped"
