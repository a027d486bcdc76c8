"""Runs: a directory that tells the truth whatever happens to the process that writes it."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import get_args

import pytest

from agnews_core.config import TrainConfig
from agnews_core.errors import RunError
from agnews_core.runs import (
    RunStatus,
    State,
    check_name,
    create_run,
    find_run,
    find_runs_dir,
    find_unfinished_run,
    list_runs,
)
from agnews_core.runs import folder as runs_folder
from agnews_core.runs import run as one_run
from agnews_core.runs.metrics import drop_rows_after
from tests.rows import read_rows

ROOT = Path(__file__).parents[2]
OWNER = """
import sys, time
from pathlib import Path
from agnews_core.runs import Run
with Run(Path(sys.argv[1])).own() as run:
    run.update_status(state="running")
    run.append_metrics({"step": 1, "loss": 0.5})
    print("owned", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path):
    return create_run(tmp_path / "runs", TrainConfig(seed=7), name="first")


@pytest.fixture
def owner(run):
    """Another process that trains the run."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(run.path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "owned\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_new_run_is_queued_and_has_its_settings(run):
    assert run.read_status().state == "queued"
    assert run.read_config() == TrainConfig(seed=7)
    assert not run.metrics_path.exists()


def test_a_run_without_a_name_is_named_after_the_time(tmp_path):
    names = [create_run(tmp_path, TrainConfig()).name for _ in range(3)]
    assert len(set(names)) == 3
    for name in names:
        check_name(name)


@pytest.mark.parametrize(
    "name", ["../x", "..", ".hidden", "a/b", "a\\b", "", "-x", "a b", "a\n", "x" * 65, "é", "/etc", "a\0b"]
)
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(RunError) as caught:
        create_run(tmp_path / "runs", TrainConfig(), name=name)
    assert str(caught.value) == (
        f"{name!r} cannot name a run; use up to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "a/b", "x" * 65])
def test_a_name_that_could_lead_elsewhere_is_not_looked_for(tmp_path, name):
    with pytest.raises(RunError, match="cannot name a run"):
        find_run(tmp_path, name)


def test_a_name_that_is_taken_is_told(run):
    with pytest.raises(
        RunError, match=r"There is a run named first already; choose another name, or resume that run\."
    ):
        create_run(run.path.parent, TrainConfig(), name="first")


def test_a_runs_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(
        RunError, match=r"The runs folder .*runs cannot be written: it is a file; choose another folder\."
    ):
        create_run(tmp_path / "runs", TrainConfig())


def test_a_runs_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written: Not a directory; choose another folder\."):
        create_run(tmp_path / "file" / "runs", TrainConfig())


def test_a_full_disk_leaves_no_half_run(tmp_path, monkeypatch):
    def write(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runs_folder, "write_whole", write)
    with pytest.raises(RunError, match="cannot be written: No space left on device; choose another"):
        create_run(tmp_path, TrainConfig(), name="first")
    assert not (tmp_path / "first").exists()


def test_status_keeps_what_is_not_changed(run):
    run.update_status(state="running", step=3)
    run.update_status(step=4)
    status = RunStatus.model_validate_json((run.path / "status.json").read_text())
    assert (status.state, status.step) == ("running", 4)


def test_a_state_that_does_not_exist_is_refused(run):
    with pytest.raises(ValueError, match="state"):
        run.update_status(state="done")
    assert run.read_status().state == "queued"


def test_status_is_replaced_whole_while_it_is_read(run):
    stop, torn = threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                json.loads((run.path / "status.json").read_text())
            except ValueError as error:
                torn.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for step in range(50):
        run.update_status(step=step, reason="x" * 20_000 * (step % 2))
    stop.set()
    reader.join()
    assert torn == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"state": "odd"}'])
@pytest.mark.parametrize("name", ["status", "config"])
def test_a_damaged_file_is_told_in_a_sentence(run, name, content):
    (run.path / f"{name}.json").write_bytes(content)
    with pytest.raises(RunError, match=rf"The run first has no readable {name}\.json\."):
        run.read_status() if name == "status" else run.read_config()


def test_settings_that_stood_for_something_else_are_resolved(run):
    own = {"backbone_name": "all-MiniLM-L6-v2", "backbone_source": "bundled", "data_source": "sample"}
    found = {"backbone": "all-MiniLM-L6-v2", "data": "sample", "device": "cpu", "precision": "fp32"}
    run.update_status(resolved={**own, **found, "layer_ranks": {5: 8}})
    config = run.read_resolved_config()
    assert (config.backbone, config.data, config.seed) == ("all-MiniLM-L6-v2", "sample", 7)
    assert config.layer_ranks == {5: 8}


def test_a_note_is_kept_once(run):
    for note in ("one", "two", "one"):
        run.add_note(note)
    assert run.read_status().notes == ("one", "two")


def test_running_that_nobody_owns_reads_as_interrupted(run):
    run.update_status(state="running")
    status = run.read_status()
    assert status.state == "interrupted"
    assert status.reason == "The program ended while this run was training."


def test_a_run_that_this_process_owns_reads_as_running(run):
    with run.own():
        run.update_status(state="running")
        assert run.read_status().state == "running"
        run.add_note("also while it is owned")
    assert run.read_status().state == "interrupted"


def test_the_file_still_says_running_when_it_reads_as_interrupted(run):
    run.update_status(state="running")
    run.read_status()
    assert json.loads((run.path / "status.json").read_text())["state"] == "running"


def test_a_run_owned_by_another_process_reads_as_running_until_that_is_killed(run, owner):
    assert run.read_status().state == "running"
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert run.read_status().state == "interrupted"
    assert read_rows(run) == [{"step": 1, "loss": 0.5}]


def test_a_run_of_a_killed_process_can_be_owned_again(run, owner):
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    with run.own():
        assert run.is_owned()


def test_a_run_cannot_be_owned_twice(run, owner, monkeypatch):
    monkeypatch.setattr("agnews_core.runs.held.LOCK_SECONDS", 0.1)
    with (
        pytest.raises(RunError, match=r"The run first is being trained by another process; stop it first\."),
        run.own(),
    ):
        pytest.fail("owned twice")


def test_a_run_that_is_trained_cannot_be_deleted(run, owner, monkeypatch):
    monkeypatch.setattr("agnews_core.runs.held.LOCK_SECONDS", 0.1)
    with pytest.raises(RunError, match=r"The run first is being trained by another process; stop it first\."):
        run.delete()
    assert run.read_status().state == "running"


def test_a_run_that_this_process_trains_cannot_be_deleted(run, monkeypatch):
    monkeypatch.setattr("agnews_core.runs.held.LOCK_SECONDS", 0.1)
    with run.own(), pytest.raises(RunError, match="stop it first"):
        run.delete()
    assert run.path.is_dir()


def test_a_run_is_deleted_though_somebody_looks_at_its_lock_just_then(run):
    with run.own():
        pass
    with (run.path / "owner.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (file, fcntl.LOCK_UN)).start()
        run.delete()
    assert not run.exists()


def test_a_run_is_deleted_with_all_its_files(run):
    (run.checkpoints_dir / "checkpoint-1").mkdir(parents=True)
    run.delete()
    assert list(run.path.parent.iterdir()) == []


def test_a_run_that_cannot_be_deleted_is_told(run, monkeypatch):
    def fail(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(one_run.shutil, "rmtree", fail)
    with pytest.raises(RunError, match=r"The run first cannot be deleted: Permission denied\."):
        run.delete()
    assert not run.is_owned()


def test_nobody_has_asked_a_new_run_to_stop(run):
    assert run.read_stop() == ""


@pytest.mark.parametrize(("keep", "asked"), [(True, "keep"), (False, "discard")])
def test_a_request_to_stop_says_what_becomes_of_the_model(run, keep, asked):
    run.request_stop(keep=keep)
    assert run.read_stop() == asked


def test_a_second_request_to_stop_replaces_the_first(run):
    run.request_stop()
    run.request_stop()
    assert run.read_stop() == "keep"
    run.request_stop(keep=False)
    assert run.read_stop() == "discard"


def test_a_request_to_stop_can_be_withdrawn_twice(run):
    run.request_stop()
    run.clear_stop()
    run.clear_stop()
    assert run.read_stop() == ""


def test_a_run_owned_by_another_process_can_be_asked_to_stop(run, owner):
    run.request_stop()
    assert run.read_stop() == "keep"


def test_a_run_whose_folder_cannot_be_written_cannot_be_asked_to_stop(run, monkeypatch):
    def write(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("agnews_core.runs.held.write_whole", write)
    with pytest.raises(RunError, match=r"The run first cannot be asked to stop: No space left on device\."):
        run.request_stop()


@pytest.mark.parametrize("odd", ['{"step": 4, "ti', '{"step": "b", "time": 1.0}\n', "[]\n", "\0\n"])
def test_rows_that_will_be_trained_again_are_forgotten_with_what_is_no_row(run, odd):
    rows = [{"step": step, "time": 1.0 + step} for step in (1, 2, 3)]
    for row in rows:
        run.append_metrics(row)
    with run.metrics_path.open("a") as file:
        file.write(odd)
    drop_rows_after(run.metrics_path, 2)
    run.append_metrics(rows[-1])
    assert read_rows(run) == rows


@pytest.mark.parametrize(
    ("given", "environment", "found"),
    [("a", "b", "a"), (None, "b", "b"), (None, "", "runs"), (Path("~/x"), "", str(Path("~/x").expanduser()))],
)
def test_the_runs_folder_is_as_given_else_as_in_the_environment_else_runs(monkeypatch, given, environment, found):
    monkeypatch.setenv("AGNEWS_RUNS_DIR", environment)
    assert find_runs_dir(given) == Path(found)


def test_runs_are_listed_newest_first(tmp_path):
    for name in ("c", "a", "b"):
        create_run(tmp_path, TrainConfig(), name=name)
    assert [run.name for run in list_runs(tmp_path)] == ["b", "a", "c"]


def test_a_missing_folder_has_no_runs(tmp_path):
    assert list_runs(tmp_path / "none") == []


def test_folders_that_are_not_runs_are_not_listed(run):
    (run.path.parent / "other").mkdir()
    (run.path.parent / ".hidden").mkdir()
    (run.path.parent / ".hidden" / "status.json").write_text("{}")
    assert [found.name for found in list_runs(run.path.parent)] == ["first"]


def test_a_damaged_run_does_not_hide_the_others(run):
    damaged = create_run(run.path.parent, TrainConfig(), name="damaged")
    (damaged.path / "status.json").write_bytes(b"\xff")
    assert [found.name for found in list_runs(run.path.parent)] == ["first", "damaged"]


def test_a_run_that_is_not_there_is_told_with_those_that_are(run):
    with pytest.raises(RunError, match=r"There is no run other in .*; there are: first\."):
        find_run(run.path.parent, "other")


def test_the_newest_run_that_can_be_resumed_is_found(run):
    folder = run.path.parent
    for name, state in (("kept", "stopped"), ("discarded", "stopped"), ("done", "finished"), ("damaged", "failed")):
        other = create_run(folder, TrainConfig(), name=name)
        other.update_status(state=state)
        other.request_stop(keep=name != "discarded")
        os.utime(other.path / "config.json", (2e9, 2e9))
    (folder / "damaged" / "status.json").write_text("{")
    assert find_unfinished_run(folder).name == "kept"
    shutil.rmtree(folder / "kept")
    assert find_unfinished_run(folder) == run  # it waits
    run.update_status(state="finished")
    with pytest.raises(RunError, match=r"There is no run to resume in .*; make one with `train`\."):
        find_unfinished_run(folder)


@pytest.mark.parametrize("state", get_args(State))
def test_a_model_that_was_kept_stays_whatever_becomes_of_its_run(run, state):
    run.update_status(state=state)
    assert not run.has_model()
    run.adapter_dir.mkdir()
    assert not run.has_model()
    (run.adapter_dir / "agnews.json").write_text("{}")
    assert run.has_model()
