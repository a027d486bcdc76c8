"""A run that learns from plain texts, is chosen by them too, and sees news in other forms."""

import numpy as np
import pytest

from agnews_core.config import build_config
from agnews_core.evaluation.files import read_report
from agnews_core.evaluation.metrics import compute_metrics, compute_score
from agnews_core.inference.assess import load_texts
from agnews_core.news.splits import load_news
from agnews_core.runs import Run, create_run
from agnews_core.runs.snapshot import take_snapshot
from agnews_core.training.estimate import assess
from agnews_core.training.parts import load_parts
from agnews_core.training.recipe import train
from agnews_core.ui.run_status import format_status
from tests.conftest import FIXTURES
from tests.processes import Moment, kill_training
from tests.rows import read_rows

PLAIN = {"plain_repeats": 2, "plain_weight": 0.25, "vary_texts": True, "replay": "on"}


@pytest.fixture
def start(tiny_settings, tmp_path):
    def start(**settings) -> Run:
        return create_run(tmp_path / "runs", build_config({**tiny_settings, **settings}))

    return start


@pytest.fixture(scope="module")
def plain_run(tiny_settings, tmp_path_factory) -> Run:
    """A finished run with all of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agnews_core.news.plain.PLAIN_DIR", FIXTURES)
        run = create_run(tmp_path_factory.mktemp("runs"), build_config({**tiny_settings, **PLAIN}))
        train(run)
    return run


def test_evaluations_tell_both_accuracies_and_the_score_that_the_model_is_chosen_by(plain_run):
    found = [row for row in read_rows(plain_run) if "eval_score" in row]
    assert len(found) == 3
    for row in found:
        accuracy, plain = row["eval_accuracy"], row["eval_plain_accuracy"]
        assert row["eval_score"] == pytest.approx(0.75 * accuracy + 0.25 * plain)
        assert (accuracy * 16, plain * 10) == (pytest.approx(round(accuracy * 16)), pytest.approx(round(plain * 10)))
    best = max(found, key=lambda row: row["eval_score"])
    assert take_snapshot(plain_run).metrics.best.step == best["step"]


def test_the_result_and_the_report_are_of_the_two_kinds_of_texts_apart(plain_run, few_plain_texts):
    result, report = plain_run.read_status().result, read_report(plain_run.path, "validation")
    assert (report.n, report.plain.n) == (16, 10)
    assert (result.eval_accuracy, result.eval_plain_accuracy) == (report.accuracy, report.plain.accuracy)
    config = plain_run.read_resolved_config()
    assert len(load_texts(config, split="validation", is_own=True).plain) == 10
    assert load_texts(config, split="validation").plain is None
    assert load_texts(config, split="test", is_own=True).plain is None


def test_a_run_says_what_came_to_its_texts(plain_run):
    status = plain_run.read_status()
    assert any(
        "220 to train on (plain ones among them: 76), 16 and 10 plain ones to validate" in note for note in status.notes
    )
    assert any("computed once for each text and one other form of it" in note for note in status.notes)
    assert f"On plain texts</dt><dd>{status.result.eval_plain_accuracy:.1%}" in format_status(
        take_snapshot(plain_run), ahead=0
    )


def test_what_is_stored_of_frozen_layers_holds_other_forms_and_plain_validation_texts(plain_run, few_plain_texts):
    parts = load_parts(plain_run)
    n_forms = len(parts.train_tokens) - 220
    assert 0 < n_forms <= 144
    assert plain_run.read_status().resolved.replay.n_texts == 220 + n_forms + 16 + 10


def test_a_plan_counts_what_the_run_then_has(plain_run, few_plain_texts):
    found = assess(plain_run.read_config())
    status = plain_run.read_status()
    assert (found.inputs.n_train, found.inputs.n_plain_train) == (status.data.n_train, status.data.n_plain_train)
    assert (found.evaluations, found.estimate.n_steps) == (status.resolved.evaluations, status.max_steps)
    assert dict(found.facts)["Texts"] == "220 (plain ones among them: 76), and 16 and 10 plain ones to validate"
    assert dict(found.facts)["Evaluations"].endswith("on 16 validation texts and 10 plain ones")


def test_varied_news_is_seen_in_other_forms_and_neither_plain_texts_nor_labels_are(plain_run, few_plain_texts):
    parts, news = load_parts(plain_run), load_news(plain_run.read_resolved_config())
    assert len(parts.other) == len(news.train) == 220
    assert (parts.other[144:] == np.arange(144, 220)).all()
    labels = np.asarray(parts.train["label"])
    assert (labels[parts.other] == labels[:220]).all()


def test_a_run_on_varied_texts_that_is_killed_and_resumed_ends_as_if_it_had_not_been(start, tmp_path):
    whole, killed = start(vary_texts=True), start(vary_texts=True)
    kill_training(killed, Moment(tmp_path, "step 5"))
    for run, resume in ((whole, False), (killed, True)):
        train(run, resume=resume)
    assert "Resumed from step 3." in killed.read_status().notes
    first, second = ([row["loss"] for row in read_rows(run) if "loss" in row] for run in (whole, killed))
    assert len(first) == 9
    assert first == second


def test_a_run_on_plain_texts_that_is_killed_and_resumed_ends_as_if_it_had_not_been(start, tmp_path):
    settings = {"plain_repeats": 1, "plain_weight": 0.5, "average_last": 0.7, "max_steps": 6, "eval_steps": 2}
    whole, killed = start(**settings), start(**settings)
    kill_training(killed, Moment(tmp_path, "step 5"))
    for run, resume in ((whole, False), (killed, True)):
        train(run, resume=resume)
    assert "Resumed from step 4." in killed.read_status().notes
    figures = ("loss", "eval_loss", "eval_accuracy", "eval_plain_accuracy", "eval_score")
    first, second = ([[row.get(name) for name in figures] for row in read_rows(run)] for run in (whole, killed))
    assert first == second
    assert sum(row[-1] is not None for row in first) == 3
    chosen = [
        [note for note in run.read_status().notes if "the average of the last" in note] for run in (whole, killed)
    ]
    assert chosen[0] == chosen[1]
    assert (whole.read_status().result.eval_plain_accuracy, whole.read_status().result.eval_accuracy) == (
        killed.read_status().result.eval_plain_accuracy,
        killed.read_status().result.eval_accuracy,
    )


def test_the_average_of_the_last_steps_is_weighed_against_the_best_checkpoint_by_the_score(start, few_plain_texts):
    run = start(plain_weight=0.75, average_last=0.5, max_steps=4, eval_steps=2)
    train(run)
    best = max(row["eval_score"] for row in read_rows(run) if "eval_score" in row)
    (note,) = (note for note in run.read_status().notes if "the average of the last" in note)
    assert note.startswith(
        "On 16 validation texts and 10 plain ones (which count 75%), the average of the last 2 steps "
    )
    assert f"{best:.2%}" in note


def test_frozen_layers_computed_once_see_the_same_forms_as_in_each_pass(start):
    once, each = (start(vary_texts=True, replay=replay, precision="fp32", lora_dropout=0) for replay in ("on", "off"))
    orders = []
    for run in (once, each):
        parts = load_parts(run)
        orders.append((parts.other, parts.train_tokens["length"][:]))
    assert (orders[0][0] == orders[1][0]).all()
    assert orders[0][1] == orders[1][1]


def test_metrics_of_plain_texts_are_apart_from_those_of_the_others():
    class Prediction:
        predictions = np.eye(4)[[0, 1, 2, 3, 0, 0]]
        label_ids = np.array([0, 1, 2, 0, 1, 0])

    is_plain = np.array([False, False, False, False, True, True])
    found = compute_metrics(Prediction, is_plain=is_plain, plain_weight=0.4)
    assert (found["accuracy"], found["plain_accuracy"]) == (0.75, 0.5)
    assert found["score"] == compute_score(0.75, 0.5, plain_weight=0.4) == pytest.approx(0.65)
    assert "score" not in compute_metrics(Prediction, is_plain=np.zeros(6, dtype=bool))
