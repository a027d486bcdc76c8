"""The command that tunes, as a person types it; one study killed in its third trial."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from agnews_core.config import build_config
from agnews_core.runs import find_run
from agnews_core.settings_files import read_settings
from agnews_core.tuning.study import find_study
from tests.cli.commands import PROJECT, fails, list_flags, run_command


@pytest.fixture(scope="module")
def flags(tiny_settings):
    few = {"max_train_samples": 64, "per_device_train_batch_size": 8, "max_steps": 4, "eval_steps": 2}
    return list_flags({**tiny_settings, **few})


def test_too_little_time_is_told_before_there_is_a_study(capsys, flags, tmp_path):
    told = fails(capsys, "tune", *flags, "--minutes", "0.1", "--runs-dir", tmp_path / "runs")
    assert re.search(r"0.1 minutes are too few to tune: .* Give [12] minutes, or lower `max_train_samples`\.$", told)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "x"])
def test_a_time_that_is_none_is_refused(capsys, flags, tmp_path, minutes):
    assert "minutes" in fails(capsys, "tune", *flags, "--minutes", minutes, "--runs-dir", tmp_path)


def test_a_study_that_is_not_there_or_has_other_settings_is_not_gone_on_with(capsys, flags, tmp_path):
    assert "There is no study s in" in fails(capsys, "tune", "--resume", "s", "--runs-dir", tmp_path)
    assert "There is no study to go on with" in fails(capsys, "tune", "--resume", "--runs-dir", tmp_path)
    assert "keeps its settings" in fails(capsys, "tune", "--resume", "s", "--seed", "1", "--runs-dir", tmp_path)


def test_when_everything_is_given_nothing_is_left_to_search(capsys, flags, tmp_path):
    given = {
        "learning_rate": 1e-3, "layer_ranks": "-1:4", "lora_alpha": 8, "lora_dropout": 0, "label_smoothing_factor": 0,
        "pooling": "cls", "layer_lr_decay": 1, "average_last": 0,
    }  # fmt: skip
    told = fails(capsys, "tune", *flags, *list_flags(given), "--runs-dir", tmp_path)
    assert told.endswith("All settings that could be searched are given; leave some of them out.")


@pytest.mark.slow
def test_what_a_study_did_is_told_line_by_line_with_its_verdict_and_settings(capsys, flags, tmp_path):
    arguments = ["tune", *flags, "--minutes", "20", "--max-trials", "1", "--runs-dir", tmp_path, "--name", "s"]
    status, out, err = run_command(capsys, *arguments)
    assert status == 0
    first, second = [line for line in err.splitlines() if line.startswith("Trial ")]
    assert re.fullmatch(r"Trial 1, all texts, \d+ s: the preset seed\. [\d.]+%; best so far [\d.]+% \(trial 1\)", first)
    assert re.fullmatch(
        r"Trial 2, all texts, \d+ s: learning .* [\d.]+%; best so far [\d.]+% \(trial [12]\)", second
    ) or ("trained layers" in second)
    assert re.search(
        r"Study s finished after [\d.]+ minutes\.\n(No better than|Trial 2 is (no )?better than) the preset seed", out
    )
    assert "On 8 validation texts that no trial was chosen by" in out
    assert "What mattered cannot be told from 2 trials" in out
    build_config(read_settings(find_study(tmp_path, "s").winner_path))
    assert "is finished" in fails(capsys, "tune", "--resume", "s", "--runs-dir", tmp_path)
    assert "There is a study named s" in fails(capsys, *arguments)


def start(*arguments):
    command = [sys.executable, "-m", "agnews_core", "tune", *map(str, arguments)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_training(folder, name):
    deadline = time.monotonic() + 200
    while not (folder / name / "status.json").exists() or find_run(folder, name).read_status().phase != "training":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return find_run(folder, name)


@pytest.mark.slow
def test_a_study_killed_in_its_third_trial_is_resumed_there(flags, tmp_path):
    long = [*flags, "--max-steps", "200", "--eval-steps", "50", "--max-trials", "2"]
    where = ["--runs-dir", tmp_path]
    killed = start(*long, "--minutes", "60", *where, "--name", "s")
    run = wait_for_training(tmp_path, "s-03")
    killed.kill()
    killed.communicate()
    while run.is_owned():  # its training ends with the program
        time.sleep(0.02)
    assert find_study(tmp_path, "s").read().state == "interrupted"
    assert run.read_status().state == "interrupted"
    resumed = start("--resume", "--json", *where)
    out, _ = resumed.communicate()
    result = json.loads(out)
    assert (resumed.returncode, result["state"]) == (0, "finished")
    assert [trial["state"] for trial in result["trials"]] == ["finished"] * 3
    assert any(note.startswith("Resumed from step") for note in run.read_status().notes)


@pytest.mark.slow
def test_ctrl_c_keeps_what_there_is_and_says_what_the_best_is(flags, tmp_path):
    process = start(
        *flags, "--max-steps", "2000", "--eval-steps", "50", "--minutes", "60", "--runs-dir", tmp_path, "--name", "s"
    )
    run = wait_for_training(tmp_path, "s-01")
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert "Stopping after this step" in err
    assert "Study s stopped after" in out
    assert "No trial has come to its end." in out
    assert run.read_status().state == "stopped"
    assert run.has_model()
    assert "Traceback" not in err
