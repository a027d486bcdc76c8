"""The queue and its worker, with trainings that do what a test needs; one real one in its child process."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from agnews_core.config import build_config
from agnews_core.errors import ConfigError, RunError
from agnews_core.jobs import child
from agnews_core.jobs.child import PACKAGE_PARENT
from agnews_core.jobs.queue import MAX_WAITING, JobQueue
from agnews_core.jobs.visitors import HOST
from agnews_core.runs import Run, create_run, find_run, now
from agnews_core.runs.overview import RunsWatch
from agnews_core.runs.snapshot import take_snapshot
from agnews_core.training.checkpoints import find_checkpoint
from tests.rows import read_rows

SLOW = 300  # for several processes that load their libraries on a busy machine


ENDLESS = {"max_steps": 5000, "early_stopping_patience": 0}  # of a tiny model, whose accuracy may well stay what it is


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Training:
    """Stands in for training: owns the run until it is told to stop, or to end."""

    def __init__(self):
        self.end = threading.Event()
        self.order = []

    def __call__(self, run, *, resume):
        self.order.append((run.name, resume))
        with run.own():
            run.update_status(state="running", started_at=now(), phase="training")
            while not self.end.is_set() and not run.read_stop():
                time.sleep(0.01)
            run.update_status(state="stopped" if run.read_stop() else "finished", ended_at=now(), phase="done")


@pytest.fixture
def training():
    training = Training()
    yield training
    training.end.set()


@pytest.fixture
def queue(tmp_path, training):
    queue = JobQueue(tmp_path / "runs", train=training)
    queue.start_worker()
    return queue


def state(run):
    return run.read_status().state


def test_runs_are_trained_one_at_a_time_in_the_order_they_were_started(queue, training):
    runs = [queue.start(build_config(), name=f"run{number}", by=HOST) for number in range(3)]
    wait_until(lambda: state(runs[0]) == "running")
    assert [state(run) for run in runs[1:]] == ["queued", "queued"]
    assert [RunsWatch(queue.runs_dir).look().count_ahead(run.name) for run in runs] == [0, 1, 2]
    training.end.set()
    wait_until(lambda: all(state(run) == "finished" for run in runs))
    assert training.order == [("run0", False), ("run1", False), ("run2", False)]


def test_a_queued_run_that_is_stopped_leaves_the_queue_at_once_and_is_never_trained(queue, training):
    first, second, third = (queue.start(build_config(), name=name, by=HOST) for name in ("a", "b", "c"))
    wait_until(lambda: state(first) == "running")
    assert queue.stop("b", by=HOST).state == "stopped"
    assert RunsWatch(queue.runs_dir).look().count_ahead("c") == 1
    training.end.set()
    wait_until(lambda: state(third) == "finished")
    assert [name for name, _ in training.order] == ["a", "c"]
    assert second.read_status().reason == "Stopped before its turn came."


def test_a_queued_run_that_is_stopped_can_be_resumed_at_once_and_then_waits_at_the_end(queue, training):
    first, second, third = (queue.start(build_config(), name=name, by=HOST) for name in ("a", "b", "c"))
    wait_until(lambda: state(first) == "running")
    queue.stop("b", by=HOST)
    began = time.monotonic()
    queue.resume("b", by=HOST)
    assert time.monotonic() - began < 1
    assert [RunsWatch(queue.runs_dir).look().count_ahead(name) for name in ("c", "b")] == [1, 2]
    training.end.set()
    wait_until(lambda: state(second) == "finished")
    assert training.order == [("a", False), ("c", False), ("b", True)]
    assert state(third) == "finished"


def test_a_stopped_queued_run_can_be_deleted_at_once_and_is_never_trained(queue, training):
    first, second, third = (queue.start(build_config(), name=name, by=HOST) for name in ("a", "b", "c"))
    wait_until(lambda: state(first) == "running")
    queue.stop("b", by=HOST)
    queue.delete("b", by=HOST)
    assert not second.path.exists()
    training.end.set()
    wait_until(lambda: state(third) == "finished")
    assert [name for name, _ in training.order] == ["a", "c"]


def test_a_run_whose_training_has_recorded_its_end_but_is_not_gone_yet_can_be_resumed_at_once(tmp_path):
    gone, turns = threading.Event(), []

    def train(run, *, resume):
        turns.append(resume)
        run.update_status(state="finished" if resume else "stopped")
        gone.wait(20)

    queue = JobQueue(tmp_path, train=train)
    queue.start_worker()
    run = queue.start(build_config(), name="a", by=HOST)
    wait_until(lambda: state(run) == "stopped")
    began = time.monotonic()
    queue.resume("a", by=HOST)
    assert time.monotonic() - began < 1
    assert queue.stop("a", by=HOST).reason == "Stopped before its turn came."
    queue.resume("a", by=HOST)
    assert state(run) == "queued"
    gone.set()
    wait_until(lambda: state(run) == "finished")
    assert turns == [False, True]


def test_stopping_twice_is_as_good_as_once_and_an_ended_run_stays_as_it_is(queue):
    run = queue.start(build_config(), by=HOST)
    wait_until(lambda: state(run) == "running")
    queue.stop(run.name, keep=True, by=HOST)
    queue.stop(run.name, keep=True, by=HOST)
    wait_until(lambda: state(run) == "stopped")
    assert queue.stop(run.name, keep=False, by=HOST).state == "stopped"
    assert run.read_stop() == "keep"


def test_a_stopped_run_is_resumed_with_the_request_to_stop_withdrawn(queue, training):
    run = queue.start(build_config(), name="a", by=HOST)
    wait_until(lambda: state(run) == "running")
    queue.stop("a", by=HOST)
    wait_until(lambda: state(run) == "stopped")
    queue.resume("a", by=HOST)
    wait_until(lambda: state(run) == "running")
    assert not run.read_stop()
    assert training.order == [("a", False), ("a", True)]


def test_only_a_run_that_came_to_no_good_end_is_resumed(queue, training):
    run = queue.start(build_config(), name="a", by=HOST)
    wait_until(lambda: state(run) == "running")
    with pytest.raises(
        RunError, match="The run a is running; only an interrupted, stopped or failed run can be resumed"
    ):
        queue.resume("a", by=HOST)
    training.end.set()
    wait_until(lambda: state(run) == "finished")
    with pytest.raises(RunError, match="The run a is finished"):
        queue.resume("a", by=HOST)


def test_a_run_is_deleted_only_at_its_end(queue, training):
    run = queue.start(build_config(), name="a", by=HOST)
    with pytest.raises(RunError, match="The run a is still queued or training; stop it first"):
        queue.delete("a", by=HOST)
    training.end.set()
    wait_until(lambda: state(run) == "finished")
    queue.delete("a", by=HOST)
    assert not run.path.exists()


def test_names_that_lead_out_of_the_runs_folder_are_refused_by_every_action(queue):
    for action in (queue.stop, queue.resume, queue.delete):
        with pytest.raises(RunError, match="cannot name a run"):
            action("../outside", by=HOST)


def test_a_queue_that_is_full_says_so(tmp_path):
    queue = JobQueue(tmp_path)  # no worker: all wait
    for _ in range(MAX_WAITING):
        queue.start(build_config(), by=HOST)
    with pytest.raises(RunError, match=f"{MAX_WAITING} runs are waiting already"):
        queue.start(build_config(), by=HOST)


def test_stopping_a_waiting_run_makes_room_in_a_full_queue(tmp_path):
    queue = JobQueue(tmp_path)  # no worker: all wait
    runs = [queue.start(build_config(), by=HOST) for _ in range(MAX_WAITING)]
    queue.stop(runs[0].name, by=HOST)
    queue.start(build_config(), by=HOST)
    with pytest.raises(RunError, match="are waiting already"):
        queue.resume(runs[0].name, by=HOST)


def test_a_training_that_breaks_is_recorded_and_the_next_run_gets_its_turn(tmp_path):
    def break_once(run, *, resume):
        if run.name == "a":
            raise OSError("no such program")
        run.update_status(state="finished")

    queue = JobQueue(tmp_path, train=break_once)
    queue.start_worker()
    broken, fine = queue.start(build_config(), name="a", by=HOST), queue.start(build_config(), name="b", by=HOST)
    wait_until(lambda: state(fine) == "finished")
    assert state(broken) == "failed"
    assert broken.read_status().reason == "Training could not be started: OSError: no such program"
    assert "Traceback" in (broken.path / "traceback.txt").read_text()


def test_a_reason_that_is_no_text_is_recorded_all_the_same(tmp_path):
    def fail(run, *, resume):
        raise OSError("no program in /caf\udce9")

    queue = JobQueue(tmp_path, train=fail)
    queue.start_worker()
    run = queue.start(build_config(), by=HOST)
    wait_until(lambda: state(run) == "failed")
    assert run.read_status().reason == "Training could not be started: OSError: no program in /caf\\udce9"


@pytest.mark.filterwarnings("ignore:Exception in thread agnews-worker")  # that is how it dies
def test_a_worker_that_has_died_has_a_successor_when_the_next_run_is_started(tmp_path):
    def train(run, *, resume):
        if run.name == "a":
            raise SystemExit
        run.update_status(state="finished")

    queue = JobQueue(tmp_path, train=train)
    queue.start_worker()
    first = queue.start(build_config(), name="a", by=HOST)
    queue._worker.join(20)
    assert state(first) == "interrupted"
    second = queue.start(build_config(), name="b", by=HOST)
    wait_until(lambda: state(second) == "finished")


@pytest.mark.parametrize("keep", [True, False])
def test_a_discarded_run_is_not_resumed_and_one_that_was_kept_is(queue, training, keep):
    run = queue.start(build_config(), name="a", by=HOST)
    wait_until(lambda: state(run) == "running")
    queue.stop("a", keep=keep, by=HOST)
    wait_until(lambda: state(run) == "stopped")
    assert run.can_resume("stopped") is keep
    if keep:
        queue.resume("a", by=HOST)
        return
    with pytest.raises(RunError, match="The run a was discarded, so that there is nothing to resume; start a new one"):
        queue.resume("a", by=HOST)


@pytest.mark.parametrize("keep", [True, False])
def test_a_run_that_is_stopped_before_its_turn_can_be_resumed_whatever_was_to_become_of_its_model(tmp_path, keep):
    queue = JobQueue(tmp_path)  # no worker: it waits
    run = queue.start(build_config(), name="a", by=HOST)
    queue.stop("a", keep=keep, by=HOST)
    assert queue.resume("a", by=HOST) == run
    assert state(run) == "queued"


def test_a_queued_run_whose_program_has_ended_reads_as_interrupted_and_can_be_resumed(tmp_path):
    script = (
        "import os, pathlib; from agnews_core.jobs.queue import JobQueue; from agnews_core.config import build_config;"
        "from agnews_core.jobs.visitors import HOST;"
        f"JobQueue(pathlib.Path({str(tmp_path)!r})).start(build_config(), name='a', by=HOST); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=PACKAGE_PARENT, check=False)
    run = find_run(tmp_path, "a")
    assert state(run) == "interrupted"
    assert run.read_status().reason == "The program ended before this run's turn came."
    training = Training()
    queue = JobQueue(tmp_path, train=training)
    queue.start_worker()
    queue.resume("a", by=HOST)
    wait_until(lambda: state(run) == "running")
    training.end.set()
    wait_until(lambda: state(run) == "finished")


def test_many_may_ask_whether_a_run_is_owned_without_disturbing_each_other(tmp_path):
    run = JobQueue(tmp_path).start(build_config(), by=HOST)
    run.update_status(state="running")
    with run.own():
        pass
    states, stop = set(), threading.Event()

    def ask():
        while not stop.is_set():
            states.add(Run(run.path).read_status().state)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert states == {"interrupted"}


def test_a_run_that_is_gone_is_followed_by_the_active_one_then_the_newest(queue):
    assert RunsWatch(queue.runs_dir).look().find_shown(None) is None
    first = queue.start(build_config(), name="a", by=HOST)
    second = queue.start(build_config(), name="b", by=HOST)
    wait_until(lambda: state(first) == "running")
    assert RunsWatch(queue.runs_dir).look().find_shown("b").run == second
    assert RunsWatch(queue.runs_dir).look().find_shown("gone").run == first


@pytest.fixture
def tiny(tiny_backbone):
    few = {
        "max_train_samples": 80,
        "max_eval_samples": 20,
        "eval_steps": 4,
        "max_steps": 8,
        "per_device_train_batch_size": 4,
    }
    return build_config({"backbone": str(tiny_backbone), "data": "sample", **few})


def test_a_real_run_trains_in_a_child_process_to_its_end(tmp_path, tiny):
    queue = JobQueue(tmp_path)
    queue.start_worker()
    run = queue.start(tiny, by=HOST)
    wait_until(lambda: state(run) not in ("queued", "running"), seconds=120)
    assert state(run) == "finished", run.read_status().reason
    rows = read_rows(run)
    assert all(row["memory_mib"] > 0 for row in rows if "loss" in row)
    assert (run.adapter_dir / "adapter_model.safetensors").is_file()
    assert "%|" not in (run.path / "output.txt").read_text()  # no bar where nobody sees it move


def test_a_run_that_is_resumed_the_moment_it_has_stopped_goes_on_to_its_end_and_its_parts_times_are_added(
    tmp_path, tiny
):
    queue = JobQueue(tmp_path)
    queue.start_worker()
    run = queue.start(tiny, by=HOST)
    wait_until(lambda: run.read_status().step >= 5, seconds=120)
    queue.stop(run.name, by=HOST)
    wait_until(lambda: state(run) == "stopped", seconds=60)
    first = take_snapshot(run).summary.seconds
    queue.resume(run.name, by=HOST)  # the first child is still on its way out
    wait_until(lambda: state(run) not in ("queued", "running"), seconds=120)
    assert state(run) == "finished", run.read_status().reason
    assert run.read_status().earlier_seconds > 0
    assert take_snapshot(run).summary.seconds >= first - 3  # what came after the last recorded step is left out


def test_a_resume_that_is_refused_says_why_and_leaves_the_run_interrupted(tmp_path, tiny):
    run = create_run(tmp_path, tiny.model_copy(update={"data": str(tmp_path / "gone")}), name="a")
    run.update_status(state="running")
    queue = JobQueue(tmp_path)
    queue.start_worker()
    queue.resume("a", by=HOST)
    wait_until(lambda: run.read_status().ended_at, seconds=120)
    wait_until(lambda: not run.is_owned())
    status = run.read_status()
    assert status.state == "interrupted"
    assert status.reason.startswith("It could not be resumed. There is no news folder")


def test_a_child_that_is_killed_leaves_a_run_that_says_so_and_can_be_resumed(tmp_path, tiny):
    queue = JobQueue(tmp_path)
    queue.start_worker()
    run = queue.start(tiny.model_copy(update=ENDLESS), by=HOST)
    wait_until(lambda: run.read_status().step > 4, seconds=120)
    for pid in find_children_of_tests(run):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "was killed (signal 9)" in run.read_status().reason)
    assert state(run) == "interrupted"


def test_a_run_of_several_processes_is_started_resumed_and_stopped_by_the_queue_as_any_other(
    tmp_path, tiny, monkeypatch
):
    monkeypatch.setenv("AGNEWS_NUM_PROCESSES", "2")
    queue = JobQueue(tmp_path)
    queue.start_worker()
    run = queue.start(tiny.model_copy(update=ENDLESS), by=HOST)
    wait_until(lambda: find_checkpoint(run), seconds=SLOW)
    assert run.read_status().resolved.n_processes == 2
    (first,) = [pid for pid in find_children_of_tests(run) if psutil.Process(pid).environ().get("RANK") == "0"]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: "was killed" in run.read_status().reason, seconds=SLOW)
    assert run.read_status().reason.startswith(
        "A training process was killed, most often because memory ran out. Resume goes"
    )
    assert state(run) == "interrupted"
    monkeypatch.delenv("AGNEWS_NUM_PROCESSES")  # a run goes on with as many as it began with
    queue.resume(run.name, by=HOST)
    wait_until(lambda: run.read_status().phase == "training", seconds=SLOW)
    queue.stop(run.name, by=HOST)
    wait_until(lambda: run.read_status().ended_at, seconds=SLOW)
    assert state(run) == "stopped"
    assert run.has_model()
    assert "4 texts x 1 = 8 a step" in " ".join(run.read_status().notes)
    wait_until(lambda: not find_children_of_tests(run), seconds=SLOW)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [("two", "AGNEWS_NUM_PROCESSES must be a number of processes, got 'two'."), ("3", "3 processes need a GPU each")],
)
def test_a_number_of_processes_that_cannot_be_is_refused(monkeypatch, wanted, reason):
    monkeypatch.setattr(child, "count_gpus", lambda: 2)
    assert child.count_planned_processes() == 2
    monkeypatch.setenv("AGNEWS_NUM_PROCESSES", wanted)
    with pytest.raises(ConfigError, match=reason):
        child.count_planned_processes()


def find_children_of_tests(run):
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended
            if str(run.path.resolve()) in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


def test_a_damaged_run_can_be_deleted(tmp_path):
    run = create_run(tmp_path, build_config(), name="damaged")
    (run.path / "status.json").write_text("{torn")
    JobQueue(tmp_path).delete("damaged", by=HOST)
    assert not run.path.exists()
