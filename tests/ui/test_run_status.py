import pytest

from agnews_core.config import build_config
from agnews_core.runs import PhaseProgress, Replay, create_run
from agnews_core.runs.resolved import Evaluations
from agnews_core.runs.snapshot import RunSummary, take_snapshot
from agnews_core.ui.run_status import format_status
from agnews_core.ui.runs_table import format_runs
from tests.rows import build_resolved

SUMMARY = RunSummary("first", "finished", "quick", "max_steps 20", 0.8765, 61.0)


@pytest.fixture
def run(tmp_path):
    return create_run(tmp_path, build_config(preset="quick"), name="first")


def say(run, *, ahead: int = 0) -> str:
    return str(format_status(take_snapshot(run), ahead=ahead)).replace("&#34;", '"')


def test_a_run_that_goes_on_shows_its_bar_and_keeps_room_for_what_is_not_known_yet(run):
    with run.own():
        run.update_status(state="running", phase="loading the backbone")
        said = say(run)
    assert "Running" in said
    assert "loading the backbone" in said
    assert 'class="bar indeterminate"' in said
    assert "<dt>Time left</dt><dd>–</dd>" in said


def test_a_run_that_failed_before_its_first_step_shows_its_reason_and_no_empty_figures(run):
    run.update_status(state="failed", reason="There is no <news>.")
    said = say(run)
    assert "There is no &lt;news&gt;." in said
    assert "–" not in said
    assert "progressbar" not in said


def test_a_queued_run_is_told_its_place(run):
    assert "position 3 in the queue (2 runs ahead)" in say(run, ahead=2)


@pytest.mark.parametrize(("percent", "said"), [(97, "<dd>1.0 GiB, 97 % busy</dd>"), (None, "<dd>1.0 GiB</dd>")])
def test_a_gpu_that_does_not_tell_its_load_shows_its_memory_alone(run, percent, said):
    run.append_metrics({"step": 1, "time": 1.0, "loss": 1.0, "gpu_memory_mib": 1024, "gpu_percent": percent})
    assert f"<dt>GPU</dt>{said}" in say(run)


def test_an_interrupted_run_says_what_resume_does(run):
    run.update_status(state="running")
    assert 'Press "Resume" to go on from the last checkpoint.' in say(run)


def test_the_table_has_a_line_for_each_run_whose_name_shows_it():
    said = format_runs([SUMMARY, RunSummary("second", "failed", "seed", "", None, None)], shown="second")
    assert '<button type="button" class="run-name" data-run="first" aria-pressed="false">first</button>' in said
    assert 'data-run="second" aria-pressed="true"' in said
    for cell in ("87.6%", "1 min 1 s", "quick: max_steps 20", "Failed", ">seed<"):
        assert cell in said
    assert format_runs([], shown="") == ""


def test_what_a_run_is_called_or_set_to_is_escaped():
    hostile = RunSummary('"><img src=x>', "finished", "seed", "data <img src=x>", None, None)
    assert "<img" not in format_runs([hostile], shown="")


@pytest.mark.parametrize(("seconds", "said"), [(59.0, "under 1 min"), (150.0, ">2 min<"), (3720.0, "1 h 2 min")])
def test_the_time_of_a_run_that_goes_on_is_said_by_the_minute(seconds, said):
    assert said in format_runs([RunSummary("first", "running", "seed", "", None, seconds)], shown="first")


def record(run, **more) -> None:
    """Record what a training decides when it begins."""
    decided = build_resolved(**more)
    run.update_status(state="running", resolved=decided)


@pytest.mark.parametrize(("eta", "left"), [(40.2, ", 40 s left"), (None, "")])
def test_frozen_layers_that_are_being_computed_show_how_far_they_are_and_how_long_it_takes(run, eta, left):
    with run.own():
        record(run)
        progress = PhaseProgress(n_done=3000, n_total=12_000, eta_seconds=eta)
        run.update_status(phase="computing frozen layers", phase_progress=progress)
        said = say(run)
    assert f'<span class="status-phase">computing frozen layers: 3,000 of 12,000 texts{left}</span>' in said
    assert 'aria-label="Progress of this phase"' in said
    assert 'aria-valuenow="25"' in said


@pytest.mark.parametrize(
    ("replay", "said"),
    [
        (Replay(used=True, reason="", n_layers=8, n_bytes=1_230_000_000), "computed once, 1.2 GB"),
        (
            Replay(used=True, reason="", n_bytes=40_000_000, n_layers=8, fill_seconds=72.4),
            "computed once in 1 min 12 s, 40 MB",
        ),
        (Replay(used=True, reason="", n_layers=8, n_bytes=40_000_000, found=True), "from an earlier run, 40 MB"),
        (Replay(used=False, reason="", n_layers=8), "computed in each pass"),
        (Replay(used=False, reason=""), "–"),
        (None, "–"),
    ],
)
def test_what_became_of_frozen_layers_is_shown(run, replay, said):
    with run.own():
        record(run, replay=replay)
        assert f"<dt>Frozen layers</dt><dd>{said}</dd>" in say(run)


def test_on_how_many_validation_texts_a_run_is_evaluated_is_shown(run):
    with run.own():
        record(run, evaluations=Evaluations(every_steps=10, n_texts=2000, n_available=7864, share=0.1))
        assert "<dt>Validation texts</dt><dd>2,000 of 7,864</dd>" in say(run)
