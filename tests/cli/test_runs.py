import json
import shutil

from agnews_core.config import build_config
from agnews_core.runs import create_run
from tests.cli.commands import fails, run_command


def test_runs_lists_and_deletes(capsys, trained_run, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "copy")
    _, out, _ = run_command(capsys, "runs", "--runs-dir", tmp_path, "--json")
    (row,) = json.loads(out)["runs"]
    assert (row["name"], row["state"], row["step"], row["max_steps"]) == ("copy", "finished", 9, 9)
    assert row["fill_seconds"] == trained_run.read_status().resolved.replay.fill_seconds
    _, out, _ = run_command(capsys, "runs", "--runs-dir", tmp_path)
    assert f" {row['eval_accuracy']:.1%} " in out
    _, out, err = run_command(capsys, "runs", "--runs-dir", tmp_path, "--delete", "copy")
    assert not (tmp_path / "copy").exists()
    assert out == f"There are no runs in {tmp_path}.\n"
    assert err == "The run copy is deleted.\n"


def test_a_run_that_is_trained_is_asked_to_stop(capsys, tmp_path):
    created = create_run(tmp_path, build_config(), name="active")
    with created.own():
        status, _, err = run_command(capsys, "runs", "--runs-dir", tmp_path, "--stop", "active")
    assert (status, err) == (0, "Asked run active to stop; its best model so far will be kept.\n")
    assert created.read_stop() == "keep"


def test_a_run_that_waits_is_stopped_at_once(capsys, tmp_path):
    created = create_run(tmp_path, build_config(), name="waiting")
    status, _, err = run_command(capsys, "runs", "--runs-dir", tmp_path, "--stop", "waiting")
    assert (status, err) == (0, "Removed run waiting from the queue.\n")
    assert created.read_status().state == "stopped"


def test_a_run_at_its_end_is_not_asked_to_stop(capsys, trained_run):
    said = fails(capsys, "runs", "--runs-dir", trained_run.path.parent, "--stop", "trained")
    assert said == "Error: The run trained is finished; only one that waits or is being trained can be stopped."
    assert not trained_run.read_stop()


def test_runs_does_one_thing_at_a_time(capsys, tmp_path):
    create_run(tmp_path, build_config(), name="a")
    said = fails(capsys, "runs", "--runs-dir", tmp_path, "--stop", "a", "--delete", "a")
    assert said == "Error: --stop, --delete and --export are done one at a time; give one of them."
    assert (tmp_path / "a" / "status.json").is_file()


def test_a_damaged_run_does_not_hide_the_others(capsys, trained_run, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "whole")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "status.json").write_text("{")
    status, out, _ = run_command(capsys, "runs", "--runs-dir", tmp_path)
    assert status == 0
    assert "whole" in out
    assert "The run broken has no readable status.json." in out
