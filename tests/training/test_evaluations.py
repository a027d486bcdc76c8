"""How often a training evaluates and on what, so that its evaluations take no more than their share of the time."""

import math

import pytest

from agnews_core.config import TrainConfig, build_config
from agnews_core.inference.assess import load_texts
from agnews_core.news.counts import TextCounts
from agnews_core.news.splits import load_news
from agnews_core.runs import Run, create_run
from agnews_core.runs.resolved import Evaluations
from agnews_core.training import endings, evaluations
from agnews_core.training.evaluations import FEWEST, FEWEST_TEXTS, describe, plan_evaluations
from agnews_core.training.parts import load_parts
from agnews_core.training.recipe import train
from tests.rows import read_rows


def decide(
    n_train: int = 8000, n_validation: int = 7864, *, n_plain: int = 0, n_computed: int = 6, **settings
) -> Evaluations:
    config = build_config({"num_train_epochs": 2, **settings})
    return plan_evaluations(config, TextCounts(n_train, n_validation, 0, n_plain), n_computed=n_computed, n_trained=4)


def count(found: Evaluations, n_steps: int) -> int:
    return math.ceil(n_steps / found.every_steps)


def test_first_there_are_fewer_evaluations_then_they_are_on_fewer_texts():
    long = decide(n_train=108_000, n_validation=12_000, num_train_epochs=10)
    assert (long.n_texts, count(long, 33_750), long.share) == (12_000, 10, 0.062)
    fewer = decide(n_train=108_000, n_validation=12_000, num_train_epochs=5)
    assert (fewer.n_texts, count(fewer, 16_875), fewer.share) == (12_000, 8, 0.096)
    sampled = decide()
    assert (count(sampled, 500), sampled.n_texts) == (5, 592)
    assert sampled.share == pytest.approx(0.1, abs=0.001)
    patient = decide(num_train_epochs=6)
    assert (count(patient, 1500), patient.n_texts) == (6, 1481)  # with fewer, early stopping could never act


def test_plain_texts_that_count_are_in_every_evaluation_and_in_its_share_of_the_time():
    without, found = decide(n_plain=240), decide(n_plain=240, plain_weight=0.5)
    assert (without.n_plain, found.n_plain) == (0, 240)
    assert (
        found.describe(500)
        == f"every {found.every_steps} steps on {found.n_texts} of 7,864 validation texts and 240 plain ones"
    )
    assert found.n_texts >= FEWEST_TEXTS
    assert found.share <= 0.1


def test_layers_that_are_not_computed_leave_less_time_to_evaluate_in_and_make_evaluations_cheaper():
    whole, cut = decide(early_stopping_patience=0), decide(early_stopping_patience=0, n_computed=4)
    assert count(whole, 500) == count(cut, 500) == FEWEST
    assert cut.n_texts == pytest.approx(whole.n_texts * (2 / (10 / 6)), abs=2)


def test_where_even_few_texts_are_too_many_there_are_fewer_evaluations():
    found = decide(n_train=2000, num_train_epochs=1)
    assert (found.n_texts, count(found, 63)) == (FEWEST_TEXTS, 1)
    assert decide(n_train=100, n_validation=30, num_train_epochs=1).n_texts == 30
    assert decide(max_steps=1).every_steps == 1


def test_a_number_of_evaluations_that_somebody_asked_for_is_kept_and_the_texts_are_fewer():
    found = decide(eval_steps=50)
    assert (found.every_steps, found.n_texts) == (50, FEWEST_TEXTS)
    config = build_config({"eval_steps": 50})
    assert describe(found, config, 500) == (
        "Evaluations come every 50 steps on 500 of 7,864 validation texts and take about 16% of the time, more than "
        "`max_eval_seconds_share`; fewer than 500 texts would tell too little."
    )


def test_a_share_of_one_is_no_limit_and_nothing_is_said_of_it():
    found, config = decide(max_eval_seconds_share=1), TrainConfig(max_eval_seconds_share=1)
    assert (found.every_steps, found.n_texts, found.texts) == (50, 7864, "7,864 validation texts")
    assert describe(found, config, 500) == ""


@pytest.fixture
def sampled(tiny_settings, tmp_path, monkeypatch) -> Run:
    """A run that may spend a twentieth on evaluations, of which three are asked for: each is on 8 of 16 validation texts."""
    monkeypatch.setattr(evaluations, "FEWEST_TEXTS", 8)
    return create_run(
        tmp_path, build_config({**tiny_settings, "max_eval_seconds_share": 0.05, "replay": "off"}), name="sampled"
    )


def test_a_sample_is_stratified_the_same_for_the_whole_run_and_said(sampled):
    parts = load_parts(sampled)
    status = sampled.read_status()
    assert status.resolved.evaluations == Evaluations(every_steps=3, n_texts=8, n_available=16, share=0.059)
    assert sorted(parts.validation_tokens["labels"]) == [0, 0, 1, 1, 2, 2, 3, 3]
    lengths = parts.validation_tokens["length"]
    assert list(lengths) == sorted(lengths)
    assert load_parts(sampled).validation_tokens.to_dict() == parts.validation_tokens.to_dict()
    assert len(parts.validation) == 16
    assert any("every 3 steps on 8 of 16 validation texts" in note for note in status.notes)


def test_the_end_is_evaluated_in_full(sampled):
    status = train(sampled)
    accuracies = [row["eval_accuracy"] for row in read_rows(sampled) if "eval_accuracy" in row]
    assert all((8 * accuracy).is_integer() for accuracy in accuracies)
    assert len(accuracies) == 3
    assert status.result.n_evaluated == 16


def test_a_run_that_goes_on_keeps_what_was_decided_whatever_would_be_decided_now(sampled, monkeypatch):
    load_parts(sampled)
    before = sampled.read_status().resolved.evaluations
    monkeypatch.setattr(evaluations, "FEWEST_TEXTS", 500)
    assert train(sampled, resume=True).resolved.evaluations == before
    assert before.n_texts == 8


def test_checkpoints_come_as_often_though_evaluations_do_not(tiny_settings, tmp_path, monkeypatch):
    run = create_run(
        tmp_path, build_config({**tiny_settings, "eval_steps": 0.1, "early_stopping_patience": 0, "replay": "off"})
    )
    saved = []
    monkeypatch.setattr(
        "transformers.Trainer._save_checkpoint", lambda trainer, *given: saved.append(trainer.state.global_step)
    )
    monkeypatch.setattr("transformers.Trainer._load_best_model", lambda trainer: None)
    status = train(run)
    assert status.resolved.evaluations.every_steps == 5
    assert [row["step"] for row in read_rows(run) if "eval_accuracy" in row] == [5, 9]
    assert saved == list(range(1, 10))


def test_a_stop_evaluates_what_it_keeps_in_full_unless_that_takes_long(tiny_settings, tmp_path, monkeypatch):
    for seconds, texts, has_report in ((10.0, "16", True), (-1.0, "8 of 16", False)):
        run = create_run(tmp_path, build_config({**tiny_settings, "seed": 1}), name=f"stopped{has_report}")
        monkeypatch.setattr(endings, "STOP_SECONDS", seconds)
        monkeypatch.setattr(endings, "STOP_TEXTS", 8)
        ask_at_step(run, 4, monkeypatch)
        status = train(run)
        monkeypatch.undo()
        assert status.reason.endswith(f"was kept. It was evaluated on {texts} validation texts.")
        assert status.result.n_evaluated == int(texts.split()[0])
        assert (run.path / "report.json").exists() == has_report


def ask_at_step(run: Run, step: int, monkeypatch) -> None:
    append = Run.append_metrics

    def append_and_ask(self, *rows):
        append(self, *rows)
        if any(row["step"] >= step for row in rows):
            run.request_stop()

    monkeypatch.setattr(Run, "append_metrics", append_and_ask)


def test_some_texts_of_a_split_keep_the_classes_shares(tiny_settings):
    config = build_config(tiny_settings)
    validation = load_texts(config, split="validation")
    some = validation.sample(8)
    assert sorted(some.labels.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]
    labels = dict(zip(*(load_news(config).validation[name] for name in ("text", "label")), strict=True))
    assert [labels[text] for text in some.texts] == some.labels.tolist()
    assert validation.sample(None).texts == validation.texts
