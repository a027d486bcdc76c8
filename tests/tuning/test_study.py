"""A study's folder: made, found, read as it is, and no run."""

import pytest

from agnews_core.config import build_config
from agnews_core.errors import RunError
from agnews_core.runs import create_run, list_runs
from agnews_core.runs.overview import RunsWatch
from agnews_core.tuning.study import StudyStatus, Trial, create_study, find_study, list_studies


def build_status(**more):
    return StudyStatus(**{"config": build_config(), "space": {}, "minutes": 5, **more})


def build_trial(number, score=None, **more):
    state = "waiting" if score is None else "finished"
    return Trial(
        **{
            "number": number,
            "run": f"s-{number:02d}",
            "stage": "search",
            "params": {},
            "state": state,
            "score": score,
            **more,
        }
    )


def test_a_study_reads_back_as_it_was_written(tmp_path):
    study = create_study(tmp_path, build_status(trials=(build_trial(1, 0.9, curve=((10, 0.5), (20, 0.6))),)), name="s")
    status = study.read()
    assert status.trials[0].curve == ((10, 0.5), (20, 0.6))
    assert status.created_at
    assert status.config == build_config()
    assert find_study(tmp_path, "s") == study
    assert list_studies(tmp_path) == [study]
    assert list_studies(tmp_path / "none") == []


def test_a_study_is_no_run_and_in_no_runs_way(tmp_path):
    create_study(tmp_path, build_status(), name="s")
    assert list_runs(tmp_path) == []
    assert RunsWatch(tmp_path).look().snapshots == ()
    with pytest.raises(RunError, match="'_studies' cannot name a run"):
        create_run(tmp_path, build_config(), name="_studies")


def test_a_study_that_nobody_carries_out_reads_as_interrupted(tmp_path):
    study = create_study(tmp_path, build_status(), name="s")
    assert (study.read().state, study.read().reason) == (
        "interrupted", "The program ended while this study was carried out.",
    )  # fmt: skip
    with study.own():
        assert study.read().state == "running"
        with pytest.raises(RunError, match="The study s is being carried out by another process; stop it first"):
            take(study)


def take(study):
    with study.own():
        pass


@pytest.fixture(autouse=True)
def _quick_locks(monkeypatch):
    monkeypatch.setattr("agnews_core.runs.held.LOCK_SECONDS", 0.1)


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "_studies", "", "x" * 59])
def test_a_name_that_a_trials_run_could_not_have_is_refused(tmp_path, name):
    with pytest.raises(RunError, match="cannot name a study; use up to 58 letters"):
        create_study(tmp_path, build_status(), name=name)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_a_study_or_its_runs_have_is_taken(tmp_path):
    create_study(tmp_path, build_status(), name="s")
    create_run(tmp_path, build_config(), name="other-01", study="other")
    for name in ("s", "other"):
        with pytest.raises(RunError, match=f"There is a study named {name}, or runs of one, already"):
            create_study(tmp_path, build_status(), name=name)


def test_a_study_that_is_not_there_is_told_with_those_that_are(tmp_path):
    create_study(tmp_path, build_status(), name="s")
    with pytest.raises(RunError, match=r"There is no study t in .*; there are: s\."):
        find_study(tmp_path, "t")


def test_a_damaged_study_is_told(tmp_path):
    study = create_study(tmp_path, build_status(), name="s")
    (study.path / "study.json").write_text("{")
    with pytest.raises(RunError, match=r"The study s has no readable study.json\."):
        study.read()


def test_of_equal_scores_the_earliest_is_the_best_so_that_the_preset_stays():
    trials = (build_trial(1, 0.9, stage="preset"), build_trial(2, 0.9), build_trial(3, 0.8), build_trial(4))
    assert build_status(trials=trials).best.number == 1


def test_a_good_score_on_a_part_of_the_texts_is_not_compared_with_one_on_all():
    searched = (build_trial(1, 0.8, stage="preset"), build_trial(2, 0.95, max_train_samples=100))
    status = build_status(trials=searched, n_subset=100)
    assert [trial.number for trial in status.candidates] == [1]
    assert status.best.number == 2
    assert status.replace_trial(build_trial(3, 0.85, stage="final", repeats=2)).best.number == 3
