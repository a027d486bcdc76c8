"""What visitors of a page that everybody can open may ask the queue for."""

import pytest

from agnews_core.config import PRESETS, build_config
from agnews_core.errors import ConfigError, RunError
from agnews_core.jobs.queue import MAX_OF_A_VISITOR, MAX_WAITING, JobQueue
from agnews_core.jobs.visitors import HOST, Visitor, check_settings
from agnews_core.runs import create_run

ANNA, BEN, NOBODY = Visitor(key="a" * 64), Visitor(key="b" * 64), Visitor()


@pytest.fixture
def queue(tmp_path):
    return JobQueue(tmp_path)  # no worker: all wait


@pytest.mark.parametrize("preset", PRESETS)
def test_a_visitor_may_train_every_preset(queue, preset):
    queue.start(build_config(preset=preset), by=ANNA)


@pytest.mark.parametrize("other", [BEN, NOBODY])
def test_only_who_started_a_run_or_the_host_may_stop_resume_or_delete_it(queue, other):
    run = queue.start(build_config(), by=ANNA)
    for action in ("stop", "resume", "delete"):
        with pytest.raises(
            RunError,
            match=f"^The run {run.name} was not started in this browser; only who started it can {action} it.$",
        ):
            getattr(queue, action)(run.name, by=other)
    assert run.read_status().state == "queued"
    queue.stop(run.name, by=ANNA)
    queue.resume(run.name, by=ANNA)
    queue.stop(run.name, by=HOST)
    queue.delete(run.name, by=ANNA)
    assert not run.path.exists()


@pytest.mark.parametrize("visitor", [ANNA, NOBODY])
def test_a_run_of_the_host_and_one_that_cannot_be_read_belong_to_no_visitor(queue, visitor):
    for damaged in (False, True):
        run = create_run(queue.runs_dir, build_config())
        if damaged:
            (run.path / "status.json").write_text("{torn")
        with pytest.raises(RunError, match="only who started it can delete it"):
            queue.delete(run.name, by=visitor)


def test_a_visitor_has_two_runs_in_the_queue_and_others_still_have_their_turn(queue):
    runs = [queue.start(build_config(), by=ANNA) for _ in range(MAX_OF_A_VISITOR)]
    with pytest.raises(
        RunError, match=r"^2 of your runs wait or are being trained; stop one of them, or come back later\.$"
    ):
        queue.start(build_config(), by=ANNA)
    queue.start(build_config(), by=BEN)
    queue.stop(runs[0].name, by=ANNA)
    queue.start(build_config(), by=ANNA)
    with pytest.raises(RunError, match="2 of your runs"):
        queue.resume(runs[0].name, by=ANNA)


def test_the_queue_is_full_for_every_visitor_alike(queue):
    for number in range(MAX_WAITING):
        queue.start(build_config(), by=Visitor(key=str(number)))
    with pytest.raises(RunError, match="20 runs are waiting already"):
        queue.start(build_config(), by=ANNA)


def test_a_folder_that_holds_many_runs_takes_no_more_of_visitors(queue, monkeypatch):
    monkeypatch.setattr("agnews_core.jobs.queue.MAX_RUNS", 1)
    queue.start(build_config(), by=ANNA)
    with pytest.raises(RunError, match="This page keeps 1 runs already; delete one of yours first"):
        queue.start(build_config(), by=BEN)
    queue.start(build_config(), by=HOST)


def test_a_browser_without_a_cookie_is_told_why_it_cannot_train(queue):
    with pytest.raises(RunError, match="keeps no cookie, so that nobody could stop the run; allow cookies"):
        queue.start(build_config(), by=NOBODY)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"num_train_epochs": 30},
            "3,240,000 texts trained on; .* 400,000 at most. Lower `num_train_epochs`, `max_steps`",
        ),
        ({"max_steps": 10_000_000}, "320,000,000 texts trained on"),
        ({"max_steps": 400_000, "per_device_train_batch_size": 1}, "400,000 steps; .* 20,000 at most"),
        ({"num_train_epochs": 1000, "max_train_samples": 64, "gradient_accumulation_steps": 4096}, "texts trained on"),
        ({"eval_steps": 1}, "121,500,000 texts evaluated; .* Raise `eval_steps` or lower `max_eval_samples`"),
        ({"eval_steps": 0.0001}, "texts evaluated"),
        ({"per_device_eval_batch_size": 4096}, "4,096 texts in a batch; .* 256 at most. Lower the batch sizes"),
        (
            {"backbone": "/etc"},
            "`backbone` '/etc' is not on offer on a page that everybody can open; choose one of auto",
        ),
        ({"backbone": "someone/huge-model"}, "`backbone` 'someone/huge-model' is not on offer"),
        ({"data": "/home"}, "`data` '/home' is not on offer"),
        ({"teachers": "one,/etc"}, "The teacher '/etc' is a folder; .* only runs can be teachers"),
        ({"teachers": "../etc"}, "is a folder"),
        ({"teachers": "a,b,c,d"}, "432,000 texts that teachers are asked about; .* Name fewer `teachers`"),
    ],
)
def test_settings_that_would_keep_the_machine_busy_for_days_or_read_its_folders_are_the_hosts_alone(
    queue, values, said
):
    with pytest.raises(ConfigError, match=said):
        queue.start(build_config(values), by=ANNA)
    check_settings(build_config(values), HOST)


def test_few_texts_may_be_trained_on_often():
    check_settings(build_config({"num_train_epochs": 20, "max_train_samples": 2000}), ANNA)


def test_runs_may_teach_a_visitors_run():
    check_settings(build_config({"teachers": "one,two"}), ANNA)
