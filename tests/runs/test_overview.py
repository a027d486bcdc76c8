import itertools
import json
import os
import threading

import pytest

from agnews_core.config import build_config
from agnews_core.runs import Run, create_run
from agnews_core.runs.overview import RunsWatch
from agnews_core.runs.presets import describe_settings
from agnews_core.runs.resolved import Evaluations
from agnews_core.runs.snapshot import compute_step_seconds, read_log_tail, take_snapshot
from agnews_core.ui.plots import build_loss_figure
from agnews_core.ui.run_status import format_status
from agnews_core.ui.runs_table import format_runs
from tests.rows import build_resolved


@pytest.fixture
def run(tmp_path):
    """Half of a run of 20 steps of 2 seconds, with one evaluation of 3 seconds."""
    run = create_run(tmp_path, build_config({"max_steps": 20}, preset="quick"), name="half")
    for step in range(1, 11):
        seconds = 2 * step + (3 if step > 5 else 0)
        run.append_metrics({"step": step, "epoch": step / 10, "time": 1000.0 + seconds, "loss": 1.4 / step})
        if step == 5:
            run.append_metrics({"step": 5, "time": 1013.0, "eval_accuracy": 0.5, "eval_runtime": 3.0})
    run.update_status(step=10, max_steps=20, started_at="1970-01-01T00:16:40+00:00")
    return run


def test_progress_is_told_from_the_newest_steps_without_the_evaluations(run):
    run.update_status(state="running", phase="training")
    with run.own():
        progress = take_snapshot(run).progress
    assert progress.share == 0.5
    assert progress.samples_per_second == 32 / 2
    # 10 steps of 2 s; 10 more steps are two evaluations, and one more of the best model.
    assert progress.eta_seconds == 10 * 2 + 3 * 3.0


@pytest.mark.parametrize(("eval_steps", "evaluations"), [(1, 10), (5, 2), (0.5, 1)])
def test_time_left_counts_evaluations_as_often_as_they_come(run, eval_steps, evaluations):
    config = build_config({"max_steps": 20, "eval_steps": eval_steps}, preset="quick")
    (run.path / "config.json").write_text(config.model_dump_json())
    run.update_status(state="running", phase="training")
    with run.own():
        assert take_snapshot(run).progress.eta_seconds == 10 * 2 + (evaluations + 1) * 3.0


def test_time_left_counts_the_evaluations_that_were_decided_and_the_last_one_in_full(run):
    sample = Evaluations(every_steps=5, n_texts=500, n_available=2000, share=0.1)
    decided = build_resolved(evaluations=sample)
    run.update_status(state="running", phase="training", resolved=decided)
    with run.own():
        assert take_snapshot(run).progress.eta_seconds == 10 * 2 + (2 + 2000 / 500) * 3.0


def test_no_speed_is_told_before_there_are_two_steps(tmp_path):
    run = create_run(tmp_path, build_config())
    run.append_metrics({"step": 1, "time": 1.0, "loss": 1.0})
    snapshot = take_snapshot(run)
    assert compute_step_seconds(snapshot.metrics.recent) is None
    assert (snapshot.progress.share, snapshot.progress.samples_per_second, snapshot.progress.eta_seconds) == (
        0.0,
        None,
        None,
    )


def test_speed_is_told_where_every_step_is_evaluated(trained_every_step):
    recent = take_snapshot(trained_every_step).metrics.recent
    assert compute_step_seconds(recent) > 0
    # No evaluation lies in what a step took.
    longest = max(later.time - earlier.time for earlier, later in itertools.pairwise(recent))
    assert compute_step_seconds(recent) <= longest


@pytest.fixture(scope="module")
def trained_every_step(tiny_settings, tmp_path_factory):
    from agnews_core.training.recipe import train

    settings = {**tiny_settings, "max_steps": 4, "eval_steps": 1, "logging_steps": 1, "max_eval_samples": 16}
    run = create_run(tmp_path_factory.mktemp("runs"), build_config(settings))
    train(run)
    return run


def test_new_rows_are_seen_and_a_torn_one_is_not(run):
    before = take_snapshot(run)
    run.append_metrics({"step": 11, "time": 1025.0, "loss": 0.1})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 12, "ti')
    assert take_snapshot(run, before).metrics.loss.points[0] == list(range(1, 12))


def test_a_run_is_told_apart_by_what_differs_from_the_nearest_preset(run):
    summary = take_snapshot(run).summary
    assert (summary.preset, summary.differences, summary.best_accuracy) == ("quick", "max_steps 20", 0.5)
    assert describe_settings(build_config()) == 'the preset "seed"'


def test_a_run_that_was_killed_took_as_long_as_its_rows_say(run):
    run.update_status(state="running")
    summary = take_snapshot(run).summary
    assert summary.state == "interrupted"
    assert summary.seconds == 23.0
    run.update_status(earlier_seconds=100.0)
    assert take_snapshot(run).summary.seconds == 123.0


@pytest.mark.parametrize("name", ["config.json", "status.json"])
def test_a_damaged_run_reads_as_failed_and_does_not_hide_the_others(run, name):
    damaged = create_run(run.path.parent, build_config(), name="damaged")
    (damaged.path / name).write_bytes(b'{"torn\xff')
    overview = RunsWatch(run.path.parent).look()
    assert {one.run.name: one.summary.state for one in overview.snapshots} == {"damaged": "failed", "half": "queued"}
    assert overview.find_shown("damaged").run == damaged
    assert overview.find("damaged").status.reason == f"The run damaged has no readable {name}."
    assert overview.find_active().run == run


ODD = [
    {"started_at": "yesterday"},
    {"started_at": "2026-01-01T00:00:00"},
    {"ended_at": 5},
    {"step": "b"},
    {"step": -1},
    {"step": 10**400},
    {"earlier_seconds": []},
    {"earlier_seconds": float("nan")},
    {"result": 7},
    {"resolved": {"backbone": []}},
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_status_takes_nothing_from_the_other_runs(run, odd):
    other = create_run(run.path.parent, build_config(), name="odd")
    (other.path / "status.json").write_text(json.dumps({"schema_version": 2, "state": "finished", **odd}))
    overview = RunsWatch(run.path.parent).look()
    assert [one.summary.name for one in overview.snapshots] == ["half", "odd"]
    assert overview.find("odd").summary.state == "failed"
    assert overview.find("odd").status.reason == "The run odd has no readable status.json."


EXTREME = [
    {"started_at": "9999-12-31T23:59:59-23:00"},
    {"started_at": "9999-12-31T23:59:59-23:00", "state": "interrupted"},
    {"started_at": "0001-01-01T00:00:00+00:00", "ended_at": "9999-12-31T23:59:59+00:00"},
    {"step": 10**12, "max_steps": 1},
]


@pytest.mark.parametrize("extreme", EXTREME)
def test_a_status_at_the_edge_of_what_it_can_be_is_shown(run, extreme):
    run.append_metrics({"step": 10**12, "time": 2e11, "loss": -1e300})
    (run.path / "status.json").write_text(json.dumps({"schema_version": 2, "state": "finished", **extreme}))
    shown = RunsWatch(run.path.parent).look().find("half")
    assert shown.status.reason == ""
    assert format_status(shown, ahead=0)
    assert format_runs([shown.summary], shown="half")
    assert build_loss_figure({"half": shown.metrics}).to_json()


@pytest.mark.parametrize("name", ["metrics.jsonl", "stop", "log.txt"])
def test_a_file_that_is_none_or_no_text_takes_nothing_from_the_other_runs(run, name):
    for number, make in enumerate((lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff\0"))):
        other = create_run(run.path.parent, build_config(), name=f"odd-{number}")
        make(other.path / name)
        read_log_tail(other)
    assert [one.summary.name for one in RunsWatch(run.path.parent).look().snapshots] == ["odd-1", "odd-0", "half"]


def test_settings_that_stand_for_what_no_setting_can_be_are_shown(run):
    """A run's resolved settings are shown as they were recorded, whatever bounds settings have by now."""
    sources = {"backbone_name": "b", "backbone_source": "folder", "data_source": "c", "device": "cpu"}
    resolved = {"backbone": "b" * 1000, "data": "", "layer_ranks": {}, "precision": "fp32", **sources}
    numbers = ("n_layers", "trainable_parameters", "lora_parameters", "head_parameters", "total_parameters")
    plan = {"backbone": "b", "layer_ranks": {"0": 5000}, **dict.fromkeys(numbers, 1)}
    run.update_status(state="finished", resolved=resolved, plan=plan)
    shown = RunsWatch(run.path.parent).look().find("half").summary
    assert (shown.state, shown.preset) == ("finished", "quick")
    assert "layer_ranks -1:5000" in shown.differences


def test_a_damaged_run_that_was_mended_is_read_again(run):
    text = (run.path / "config.json").read_text()
    (run.path / "config.json").write_text("{")
    watch = RunsWatch(run.path.parent)
    assert watch.look().find("half").status.state == "failed"
    (run.path / "config.json").write_text(text)
    assert watch.look().find("half").status.state == "queued"


def test_the_run_that_is_shown_is_the_chosen_one_else_the_active_one_else_the_newest(run):
    newest = create_run(run.path.parent, build_config(), name="newest")
    os.utime(newest.path / "config.json", (2e9, 2e9))
    run.update_status(state="finished")
    newest.update_status(state="stopped")
    watch = RunsWatch(run.path.parent)
    assert watch.look().find_shown("half").run == run
    assert watch.look().find_shown("gone").run == watch.look().find_shown(None).run == newest
    assert watch.look().find_active() is None
    run.update_status(state="queued", queued_at="2026-01-01T00:00:00+00:00")
    assert watch.look().find_shown(None).run == watch.look().find_active().run == run
    assert RunsWatch(run.path.parent / "nothing").look().find_shown(None) is None


def test_of_an_ended_run_nothing_is_read_twice_until_it_changes(run):
    run.update_status(state="finished")
    watch = RunsWatch(run.path.parent)
    first = watch.look().find("half")
    assert watch.look().find("half") is first
    run.update_status(state="queued")
    assert watch.look().find("half").status.state == "queued"


def test_a_run_that_goes_is_gone_and_one_that_takes_its_name_is_read_anew(run):
    run.update_status(state="finished")
    watch = RunsWatch(run.path.parent)
    assert watch.look().find("half").metrics.loss.n == 10
    run.delete()
    assert watch.look().snapshots == ()
    create_run(run.path.parent, build_config(), name="half").update_status(state="finished")
    assert watch.look().find("half").metrics.loss.n == 0


def test_those_who_look_at_once_share_what_one_of_them_reads(run, monkeypatch):
    read = []
    monkeypatch.setattr(Run, "read_stop", lambda self: read.append(self) or "")
    watch = RunsWatch(run.path.parent)
    threads = [threading.Thread(target=watch.look, kwargs={"max_age_seconds": 60}) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read) == 1
    run.update_status(state="stopped")
    assert watch.look(max_age_seconds=60).find("half").status.state == "queued"
    assert watch.look().find("half").status.state == "stopped"


def test_a_run_that_another_program_trains_is_not_ahead_in_this_queue(run):
    waiting = create_run(run.path.parent, build_config(), name="waiting")
    queued = {"state": "queued", "queue": "ours"}
    waiting.update_status(**queued, queued_at="2026-01-02T00:00:00+00:00")
    by_hand = create_run(run.path.parent, build_config(), name="by-hand")
    by_hand.update_status(state="running", step=1, max_steps=9)
    elsewhere = create_run(run.path.parent, build_config(), name="elsewhere")
    elsewhere.update_status(state="queued", queue="theirs", queued_at="2026-01-01T00:00:00+00:00")
    run.update_status(**queued, queued_at="2026-01-01T00:00:00+00:00")
    places = [one.hold_place() for one in (waiting, elsewhere, run)]
    with by_hand.own():
        assert RunsWatch(run.path.parent).look().count_ahead("waiting") == 1
    for place in places:
        place.release()


def test_the_log_ends_with_the_traceback_of_a_run_that_failed(run):
    assert read_log_tail(run) == ""
    (run.path / "log.txt").write_text("".join(f"line {number}\n" for number in range(500)))
    (run.path / "traceback.txt").write_text("Traceback\nValueError: no")
    lines = read_log_tail(run, n_lines=5).splitlines()
    assert lines == ["line 498", "line 499", "", "Traceback", "ValueError: no"]
