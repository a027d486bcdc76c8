"""A study carried out with real trainings of a tiny model: to its end, stopped, killed, and with trials that go wrong."""

import contextlib
import shutil
import threading
import time

import pytest

from agnews_core.config import build_config
from agnews_core.errors import ConfigError, RunError
from agnews_core.inference.classifier import Classifier
from agnews_core.jobs.queue import JobQueue
from agnews_core.jobs.visitors import HOST, Visitor, check_settings, check_study_minutes
from agnews_core.news.splits import load_news
from agnews_core.runs import Run, find_run, list_runs
from agnews_core.settings_files import read_settings
from agnews_core.tuning.proposals import propose, write_space
from agnews_core.tuning.search import run_study
from agnews_core.tuning.space import apply, build_space
from agnews_core.tuning.start import Wanted, begin_study, resume_study
from agnews_core.tuning.studies import Studies
from agnews_core.tuning.study import Study, StudyStatus, create_study
from tests.processes import Moment, start_training
from tests.rows import read_rows

MINUTES = 60


class Training:
    """What a queue trains its runs with: each in a process of its own, that of one run held at a moment."""

    def __init__(self, held=None, moment=None):
        self.held, self.moment, self.processes, self.turns = held, moment, [], []

    def __call__(self, run, *, resume):
        self.turns.append((run.name, resume))
        moment = self.moment if run.name == self.held else None
        self.processes.append(start_training(run, resume=resume, moment=moment))
        self.processes[-1].join()


def start_queue(runs_dir, train):
    queue = JobQueue(runs_dir, train=train)
    queue.start_worker()
    return queue


@pytest.fixture(scope="module")
def settings(tiny_settings):
    few = {"max_train_samples": 64, "per_device_train_batch_size": 8, "max_steps": 4, "eval_steps": 2}
    return {**tiny_settings, **few, "holdout_share": 0.5}


def begin(runs_dir, settings, *, name="s", max_trials=2, minutes=MINUTES, by=HOST):
    wanted = Wanted(build_config(settings), settings, minutes=minutes, max_trials=max_trials)
    return begin_study(wanted, runs_dir, by=by, name=name)


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def study(settings, tmp_path_factory, told):
    """A finished study: the preset and two trials."""
    runs_dir = tmp_path_factory.mktemp("studies")
    study = begin(runs_dir, settings)
    run_study(study, start_queue(runs_dir, Training()), by=HOST, tell=lambda status, trial: told.append(trial))
    return study


def test_a_study_trains_the_preset_and_then_what_is_proposed_each_as_a_run_like_any_other(study, settings):
    status = study.read()
    assert (status.state, status.reason, status.n_subset) == ("finished", "", None)
    assert [(trial.run, trial.stage) for trial in status.trials] == [
        ("s-01", "preset"),
        ("s-02", "search"),
        ("s-03", "search"),
    ]
    assert {run.name for run in list_runs(study.runs_dir)} == {"s-01", "s-02", "s-03"}
    for trial in status.trials:
        run = find_run(study.runs_dir, trial.run)
        assert run.read_status().study == "s"
        assert run.read_config() == apply(status.config, trial.params)
        assert trial.score == run.read_status().result.eval_accuracy
        assert [percent for percent, _ in trial.curve] == [50, 100]
    assert find_run(study.runs_dir, "s-01").read_config() == build_config(settings)
    assert 0 < sum(trial.seconds for trial in status.trials) <= status.spent_seconds


def test_settings_that_were_given_are_the_same_in_all_trials(study, settings):
    configs = [find_run(study.runs_dir, trial.run).read_config() for trial in study.read().trials]
    searched = {
        "layer_ranks",
        "lora_alpha",
        "lora_dropout",
        "label_smoothing_factor",
        "pooling",
        "layer_lr_decay",
        "average_last",
    }
    for config in configs[1:]:
        changed = {name for name, value in config if value != getattr(configs[0], name)}
        assert changed <= searched
        assert changed


def test_each_trial_is_told_when_it_has_ended(study, told):
    assert told == list(study.read().trials)


def test_no_trial_sees_the_texts_that_the_verdict_is_on(study):
    verdict, (first, *others) = study.read().verdict, [find_run(study.runs_dir, t.run) for t in study.read().trials]
    assert verdict.n == 8
    for run in (first, *others):
        news = load_news(run.read_resolved_config())
        assert not {*news.holdout["text"]} & {*news.validation["text"], *news.train["text"]}
        assert run.read_status().resolved.data_digest == news.digest
        assert run.read_status().result.n_evaluated == 8


def test_the_winners_settings_are_a_file_that_a_training_takes_with_all_validation_texts(study):
    status, found = study.read(), build_config(read_settings(study.winner_path))
    winner = apply(status.config, status.find(status.verdict.winner).params)
    assert found == winner.model_copy(update={"holdout_share": 0.0})


def test_a_study_that_plain_texts_count_in_chooses_by_the_score_and_reports_on_plain_texts_that_chose_nothing(
    settings, tmp_path
):
    study = begin(tmp_path, {**settings, "plain_weight": 0.5}, max_trials=1)
    status = run_study(study, start_queue(tmp_path, Training()), by=HOST)
    for trial in status.trials:
        run = find_run(tmp_path, trial.run)
        result, evaluations = run.read_status().result, [row for row in read_rows(run) if "eval_score" in row]
        assert trial.score == pytest.approx(0.5 * result.eval_accuracy + 0.5 * result.eval_plain_accuracy)
        assert [score for _, score in trial.curve] == [row["eval_score"] for row in evaluations]
        assert trial.n_scored == round(4 / (1 / 8 + 1 / 282))
    news = load_news(run.read_resolved_config())
    seen, held = {*news.plain_validation["text"]}, {*news.plain_holdout["text"]}
    assert not held & {*seen, *news.train["text"]}
    verdict = status.verdict
    assert (verdict.n, verdict.plain.n, verdict.plain_weight) == (8, len(held), 0.5)
    assert f"on {len(held)} plain ones that no trial was chosen by" in verdict.sentences[1]
    classifier = Classifier.load(find_run(tmp_path, "s-01").adapter_dir)
    right = classifier.compute_logits(list(news.plain_holdout["text"])).argmax(-1) == news.plain_holdout["label"]
    assert verdict.plain.preset_accuracy[0] == pytest.approx(right.mean())


def test_what_mattered_cannot_be_told_from_three_trials(study):
    assert study.read().findings == ("What mattered cannot be told from 3 trials that came to their end; 10 might do.",)


def test_a_finished_study_cannot_go_on(study):
    with pytest.raises(
        RunError, match="The study s is finished; only one that was stopped or interrupted, or failed, can go on"
    ):
        resume_study(study.runs_dir, "s")
    with pytest.raises(RunError, match="There is no study to go on with"):
        resume_study(study.runs_dir, None)


@pytest.mark.slow
def test_the_search_is_on_a_part_of_the_texts_where_time_is_short_and_the_best_of_it_is_trained_on_all(
    settings, tmp_path
):
    config = build_config(settings)
    space = build_space(config.model_copy(update={"layer_ranks": {-1: 4}}), n_layers=12, given=settings)
    whole = StudyStatus(config=config, space=write_space(space), minutes=MINUTES, max_trials=2, n_subset=40)
    study = create_study(tmp_path, whole, name="s")
    status = run_study(study, start_queue(tmp_path, Training()), by=HOST)
    stages = [(trial.stage, trial.max_train_samples, trial.repeats) for trial in status.trials]
    assert stages == [("preset", 64, None), ("search", 40, None), ("search", 40, None), ("final", 64, 3)]
    assert find_run(tmp_path, "s-02").read_status().data.n_train == 40
    assert status.trials[1].params == status.trials[0].params  # the preset's, to compare the others with
    assert status.trials[3].params == status.trials[2].params
    assert status.verdict.winner in (1, 4)


def test_too_little_time_for_one_trial_is_told_at_once_with_how_much_would_do(settings, tmp_path):
    with pytest.raises(
        ConfigError, match=r"0.1 minutes are too few to tune: .* on 64 texts, .* take about 1 minutes here\. Give"
    ):
        begin(tmp_path, settings, minutes=0.1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_time_that_is_over_ends_the_search_and_leaves_the_comparison(settings, tmp_path):
    study = begin(tmp_path, settings, max_trials=None)
    queue = start_queue(tmp_path, Training())

    study.write(study.read().model_copy(update={"spent_seconds": 60.0 * MINUTES - 30}))
    status = run_study(study, queue, by=HOST)
    assert status.state == "finished"
    assert status.spent_seconds < 60 * MINUTES + 5
    assert len(status.trials) < 20


def test_a_study_that_is_asked_to_stop_keeps_its_trial_and_goes_on_with_it(settings, tmp_path):
    study, moment = begin(tmp_path, settings, max_trials=1), Moment(tmp_path, "step 3")
    training = Training("s-02", moment)
    queue, ended = start_queue(tmp_path / ".", training), []
    thread = threading.Thread(target=lambda: ended.append(run_study(study, queue, by=HOST)))
    thread.start()
    moment.wait()
    study.request_stop()
    wait_until(lambda: find_run(tmp_path, "s-02").read_stop() == "keep")
    moment.let_go()
    thread.join()
    (status,) = ended
    assert (status.state, status.reason) == ("stopped", "Stopped; what there is was kept.")
    assert [trial.state for trial in status.trials] == ["finished", "waiting"]
    assert find_run(tmp_path, "s-02").has_model()
    training.held = None
    status = run_study(resume_study(tmp_path, None), queue, by=HOST)
    assert [trial.state for trial in status.trials] == ["finished", "finished"]
    assert training.turns == [("s-01", False), ("s-02", False), ("s-02", True)]
    assert status.verdict


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_study_killed_in_its_third_trial_goes_on_with_that_and_ends_as_if_nothing_had_happened(
    study, settings, tmp_path
):
    shutil.copytree(study.runs_dir, tmp_path / "runs")
    killed, before = Study(tmp_path / "runs" / "_studies" / "s"), study.read()
    open_trial = before.trials[2].model_copy(update={"state": "running", "score": None})
    killed.write(before.replace_trial(open_trial).model_copy(update={"state": "running", "verdict": None}))
    shutil.rmtree(tmp_path / "runs" / "s-03")
    moment = Moment(tmp_path, "step 3")
    run = start_queue(tmp_path / "runs", lambda run, resume: None).start(
        apply(before.config, open_trial.params), by=HOST, name="s-03", study="s"
    )
    process = start_training(run, moment=moment)
    moment.wait()
    process.kill()
    process.join()
    assert killed.read().state == "interrupted"
    training = Training()
    status = run_study(resume_study(tmp_path / "runs", "s"), start_queue(tmp_path / "runs", training), by=HOST)
    assert training.turns == [("s-03", True)]
    assert [(t.params, t.score, t.curve) for t in status.trials] == [
        (t.params, t.score, t.curve) for t in before.trials
    ]
    assert status.verdict == before.verdict


def test_what_is_proposed_depends_on_what_is_known_alone(study):
    status = study.read()
    assert propose(status) == propose(status)
    assert propose(status) != propose(status, attempt=1)
    as_before = status.model_copy(update={"trials": status.trials[:2]})
    assert propose(as_before) == status.trials[2].params


def fail(run: Run, *, resume: bool) -> None:
    run.end("failed", "There was not enough memory.")


def test_three_failures_in_a_row_end_the_study_with_the_reason(settings, tmp_path):
    study = begin(tmp_path, settings, max_trials=9)
    wanted = r"3 trials failed one after the other, the last one so: There was not enough memory\."
    with pytest.raises(RunError, match=wanted):
        run_study(study, start_queue(tmp_path, fail), by=HOST)
    assert study.read().state == "failed"
    assert [trial.state for trial in study.read().trials] == ["failed"] * 3


def test_a_trial_that_is_stopped_or_deleted_by_hand_is_pruned_and_the_study_goes_on(settings, tmp_path):
    study, real = begin(tmp_path, settings, max_trials=3), Training()

    def train(run, *, resume):
        if run.name == "s-02":
            run.end("stopped", "Stopped at step 2.")
        elif run.name == "s-03":
            run.delete()
        else:
            real(run, resume=resume)

    status = run_study(study, start_queue(tmp_path, train), by=HOST)
    assert [trial.state for trial in status.trials] == ["finished", "pruned", "pruned", "finished"]
    assert [trial.reason for trial in status.trials[1:3]] == ["Its run was stopped by hand.", "Its run was deleted."]
    assert status.verdict


@pytest.mark.slow
def test_a_trial_that_fails_alone_is_passed_over(settings, tmp_path):
    study, real = begin(tmp_path, settings, max_trials=2), Training()
    status = run_study(
        study,
        start_queue(tmp_path, lambda run, resume: (fail if run.name == "s-02" else real)(run, resume=resume)),
        by=HOST,
    )
    assert [trial.state for trial in status.trials] == ["finished", "failed", "finished"]
    assert status.state == "finished"


def test_a_disk_that_fills_ends_the_study_with_that_and_it_goes_on_when_there_is_room(settings, small_disk):
    study, real, filler = begin(small_disk, settings, max_trials=1), Training(), small_disk / "filler"

    def train(run, *, resume):
        if run.name == "s-02":
            fill_up(filler)
        real(run, resume=resume)

    wanted = rf"The disk that holds {study.path.parent} is full; make room, then resume the study\."
    with pytest.raises(RunError, match=wanted):
        run_study(study, start_queue(small_disk, train), by=HOST)
    assert study.read().state == "failed"
    filler.unlink()
    status = run_study(resume_study(small_disk, "s"), start_queue(small_disk, real), by=HOST)
    assert (status.state, [trial.state for trial in status.trials]) == ("finished", ["finished", "finished"])


def fill_up(path):
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.slow
def test_two_studies_of_one_folder_are_carried_out_at_once_but_one_study_not_twice(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("agnews_core.runs.held.LOCK_SECONDS", 0.1)
    studies = [begin(tmp_path, settings, name=name, max_trials=1) for name in ("a", "b")]
    queue, moment = start_queue(tmp_path, Training("a-01", moment := Moment(tmp_path, "step 1"))), moment
    threads = [threading.Thread(target=run_study, args=(study, queue), kwargs={"by": HOST}) for study in studies]
    for thread in threads:
        thread.start()
    moment.wait()
    with pytest.raises(RunError, match="The study a is being carried out by another process; stop it first"):
        run_study(studies[0], queue, by=HOST)
    moment.let_go()
    for thread in threads:
        thread.join()
    assert [study.read().state for study in studies] == ["finished"] * 2


def test_visitors_are_held_to_what_they_may_train(settings, tmp_path):
    with pytest.raises(ConfigError, match="is not on offer on a page that everybody can open"):
        begin(tmp_path, settings, by=Visitor("somebody"))


def test_a_visitors_study_may_take_an_hour_and_is_told_why_not_longer(tmp_path):
    studies, config, anna = Studies(JobQueue(tmp_path)), build_config({"data": "sample"}), Visitor("anna")
    said = (
        "^On a page that everybody can open a study may take 60 minutes at most, since its trials take turns with everybody's "
        r"runs, got 61\. Set fewer, or start the program on your own machine\.$"
    )
    for ask in (studies.start, studies.describe):
        with pytest.raises(ConfigError, match=said):
            ask(config, minutes=61, by=anna)
    assert list(tmp_path.iterdir()) == []
    check_study_minutes(60, anna)
    check_study_minutes(61, HOST)


def test_no_trial_of_a_visitors_study_takes_longer_than_a_run_of_theirs_may(tiny_settings, tmp_path, monkeypatch):
    for offered, name in (("OPEN_BACKBONES", "backbone"), ("OPEN_NEWS", "data")):
        monkeypatch.setattr(f"agnews_core.jobs.visitors.{offered}", (tiny_settings[name],))
    whole = {"max_steps": None, "num_train_epochs": 3, "eval_steps": 0.1, "holdout_share": 0.5}
    config = build_config({**tiny_settings, **whole})
    space = write_space(build_space(config, n_layers=12, given=()))
    anna, status = Visitor("anna"), StudyStatus(config=config, space=space, minutes=MINUTES, max_trials=8)
    study = create_study(tmp_path, status, name="s")
    queue = start_queue(tmp_path, lambda run, resume: run.end("stopped", "Stopped."))
    status = run_study(study, queue, by=anna)
    assert (status.state, len(status.trials)) == ("finished", 9)
    for trial in status.trials:
        check_settings(find_run(tmp_path, trial.run).read_config(), anna)
