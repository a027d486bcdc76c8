import os

import pytest

from agnews_core.config import build_config
from agnews_core.runs import create_run
from agnews_core.runs.overview import find_active, find_shown_run, summarize, summarize_runs
from agnews_core.runs.presets import describe_settings
from agnews_core.runs.snapshot import compute_progress, compute_step_seconds, read_log_tail, read_rows, take_snapshot


@pytest.fixture
def run(tmp_path):
    """Half of a run of 20 steps of 2 seconds, with one evaluation of 3 seconds."""
    run = create_run(tmp_path, build_config({"max_steps": 20}, preset="quick"), name="half")
    for step in range(1, 11):
        run.append_metrics({"step": step, "epoch": step / 10, "time": 1000.0 + 2 * step, "loss": 1.4 / step})
        if step == 5:
            run.append_metrics({"step": 5, "time": 1011.0, "eval_accuracy": 0.5, "eval_runtime": 3.0})
    run.update_status(step=10, max_steps=20, started_at="1970-01-01T00:16:40+00:00")
    return run


def test_progress_is_told_from_the_newest_steps_without_the_evaluations(run):
    run.update_status(state="running", phase="training")
    with run.own():
        progress = compute_progress(take_snapshot(run))
    assert progress.share == 0.5
    assert progress.epoch == 1.0
    assert progress.samples_per_second == 32 / 2
    # 10 steps of 2 s; 10 more steps are two evaluations, and one more of the best model.
    assert progress.eta_seconds == 10 * 2 + 3 * 3.0


def test_no_speed_is_told_before_there_are_two_steps(tmp_path):
    run = create_run(tmp_path, build_config())
    run.append_metrics({"step": 1, "time": 1.0, "loss": 1.0})
    assert compute_step_seconds(read_rows(run)) is None
    progress = compute_progress(take_snapshot(run))
    assert (progress.share, progress.samples_per_second, progress.eta_seconds) == (0.0, None, None)


def test_new_rows_are_seen_and_a_torn_one_is_not(run):
    assert len(read_rows(run)) == 11
    run.append_metrics({"step": 11, "time": 1022.0, "loss": 0.1})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 12, "ti')
    assert [row["step"] for row in read_rows(run)][-1] == 11
    assert take_snapshot(run).curve_stamp == "half:12:1022.0"


def test_a_run_is_told_apart_by_what_differs_from_the_nearest_preset(run):
    summary = summarize(take_snapshot(run))
    assert (summary.preset, summary.differences, summary.best_accuracy) == ("quick", "max_steps 20", 0.5)
    assert describe_settings(build_config()) == 'the preset "seed"'


def test_a_run_that_was_killed_took_as_long_as_its_rows_say(run):
    run.update_status(state="running")
    summary = summarize(take_snapshot(run))
    assert summary.state == "interrupted"
    assert summary.seconds == 20.0
    run.update_status(earlier_seconds=100.0)
    assert summarize(take_snapshot(run)).seconds == 120.0


@pytest.mark.parametrize("name", ["config.json", "status.json"])
def test_a_damaged_run_reads_as_failed_and_does_not_hide_the_others(run, name):
    damaged = create_run(run.path.parent, build_config(), name="damaged")
    (damaged.path / name).write_bytes(b'{"torn\xff')
    assert {summary.name: summary.state for summary in summarize_runs(run.path.parent)} == {
        "damaged": "failed",
        "half": "queued",
    }
    assert find_shown_run(run.path.parent, "damaged") == damaged
    assert take_snapshot(damaged).status.reason == f"The run damaged has no readable {name}."
    assert find_active(run.path.parent) == run


def test_the_run_that_is_shown_is_the_chosen_one_else_the_active_one_else_the_newest(run):
    newest = create_run(run.path.parent, build_config(), name="newest")
    os.utime(newest.path / "config.json", (2e9, 2e9))
    run.update_status(state="finished")
    newest.update_status(state="stopped")
    folder = run.path.parent
    assert find_shown_run(folder, "half") == run
    assert find_shown_run(folder, "gone") == find_shown_run(folder, None) == newest
    assert find_active(folder) is None
    run.update_status(state="queued", queued_at="2026-01-01")
    assert find_shown_run(folder, None) == find_active(folder) == run
    assert find_shown_run(folder / "nothing", None) is None


def test_the_log_ends_with_the_traceback_of_a_run_that_failed(run):
    assert read_log_tail(run) == ""
    (run.path / "log.txt").write_text("".join(f"line {number}\n" for number in range(500)))
    (run.path / "traceback.txt").write_text("Traceback\nValueError: no")
    lines = read_log_tail(run, n_lines=5).splitlines()
    assert lines == ["line 498", "line 499", "", "Traceback", "ValueError: no"]
