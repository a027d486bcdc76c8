import json
import shutil
import threading
from functools import partial

import pytest

from agnews_core.errors import RunError
from agnews_core.inference import catalogue
from agnews_core.inference.catalogue import ClassifierCache, find_model, list_models, load_ahead
from agnews_core.inference.classifier import Classifier
from agnews_core.runs import Run


@pytest.fixture
def runs_dir(trained_run, tmp_path):
    """A folder of two finished runs and a stopped one, the newest last."""
    folder = tmp_path / "runs"
    for name, state in (("old", "finished"), ("new", "finished"), ("halted", "stopped")):
        shutil.copytree(trained_run.path, folder / name)
        created = {"old": "2026-01-01", "new": "2026-01-02", "halted": "2026-01-03"}[name]
        Run(folder / name).update_status(state=state, created_at=created)
    return folder


@pytest.fixture
def bundled_dir(trained_run, tmp_path):
    shutil.copytree(trained_run.adapter_dir, tmp_path / "bundled" / "tiny")
    report = json.loads((trained_run.path / "report.json").read_text())
    (tmp_path / "bundled" / "tiny" / "report.json").write_text(json.dumps({**report, "accuracy": 0.93, "n": 7864}))
    return tmp_path / "bundled"


def test_the_bundled_model_answers_until_another_is_chosen(runs_dir, bundled_dir):
    keys = [model.key for model in list_models(runs_dir, bundled_dir=bundled_dir)]
    assert keys == ["bundled/tiny", "run/new", "run/old", "run/halted"]
    assert find_model(runs_dir, bundled_dir=bundled_dir).key == "bundled/tiny"
    assert find_model(runs_dir, "run/old", bundled_dir=bundled_dir).key == "run/old"


def test_where_no_model_is_bundled_the_newest_finished_runs_answers(runs_dir, tmp_path):
    assert find_model(runs_dir, bundled_dir=tmp_path).key == "run/new"


def test_a_run_that_is_deleted_at_this_moment_does_not_hide_the_others(runs_dir, bundled_dir, monkeypatch):
    has_model = Run.has_model

    def delete_afterwards(run):
        found = has_model(run)
        if run.name == "new":
            shutil.rmtree(run.path)
        return found

    monkeypatch.setattr(Run, "has_model", delete_afterwards)
    keys = [model.key for model in list_models(runs_dir, bundled_dir=bundled_dir)]
    assert {"bundled/tiny", "run/old", "run/halted"} <= set(keys)


def test_a_models_title_says_its_accuracy_and_of_how_many_texts_that_is(tmp_path, bundled_dir):
    model = find_model(tmp_path / "none", bundled_dir=bundled_dir)
    assert model.title == "Bundled model (tiny-roberta, 93.0% of 7,864)"


def test_a_damaged_bundled_model_does_not_hide_the_others(tmp_path, bundled_dir, caplog):
    (bundled_dir / "damaged").mkdir()
    (bundled_dir / "damaged" / "agnews.json").write_text("{}")
    assert [model.key for model in list_models(tmp_path, bundled_dir=bundled_dir)] == ["bundled/tiny"]
    assert "A model is left out" in caplog.text


def test_without_any_model_a_sentence_says_how_to_get_one(tmp_path):
    with pytest.raises(RunError, match="no trained model yet; start a training"):
        find_model(tmp_path, bundled_dir=tmp_path)


def test_runs_without_a_whole_adapter_offer_no_model(runs_dir, tmp_path):
    shutil.rmtree(runs_dir / "new" / "adapter")
    (runs_dir / "old" / "status.json").write_text("torn")
    assert [model.key for model in list_models(runs_dir, bundled_dir=tmp_path)] == ["run/halted"]


def test_a_model_that_was_deleted_meanwhile_is_told_as_such(runs_dir, tmp_path):
    model = find_model(runs_dir, "run/old", bundled_dir=tmp_path)
    Run(runs_dir / "old").delete()
    with pytest.raises(RunError, match="no longer there"):
        find_model(runs_dir, "run/old", bundled_dir=tmp_path)
    with pytest.raises(RunError, match="no longer there"):
        ClassifierCache().load(model)


def test_a_model_is_loaded_once_however_many_ask_for_it(runs_dir, tmp_path, monkeypatch):
    loads = []
    real = Classifier.load
    monkeypatch.setattr(Classifier, "load", lambda *args, **kwargs: (loads.append(1), real(*args, **kwargs))[1])
    cache, model, answers = ClassifierCache(), find_model(runs_dir, bundled_dir=tmp_path), []
    assert not cache.has(model)
    threads = [threading.Thread(target=lambda: answers.append(cache.load(model))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len(set(map(id, answers))) == 1
    assert cache.has(model)


def test_the_cache_lets_the_least_lately_used_model_go(runs_dir, tmp_path):
    cache = ClassifierCache(size=2)
    new, old, halted = (find_model(runs_dir, f"run/{name}", bundled_dir=tmp_path) for name in ("new", "old", "halted"))
    cache.load(new)
    cache.load(old)
    cache.load(new)
    cache.load(halted)
    assert [cache.has(model) for model in (new, old, halted)] == [True, False, True]


def test_many_threads_get_the_answers_that_one_would(runs_dir, tmp_path):
    classifier = ClassifierCache().load(find_model(runs_dir, bundled_dir=tmp_path))
    texts = ["A goal in the last minute", "Shares fell " * 40, "x"]
    expected = [classifier.predict([text])[0].probabilities for text in texts]
    wrong = []

    def ask():
        for _ in range(5):
            for text, wanted in zip(texts, expected, strict=True):
                if classifier.predict([text])[0].probabilities != pytest.approx(wanted, abs=1e-5):
                    wrong.append(text)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_without_any_model_the_way_to_one_is_told(tmp_path):
    with pytest.raises(RunError, match="There is no trained model yet; start a training"):
        find_model(tmp_path, bundled_dir=tmp_path)


def test_a_model_is_loaded_ahead_and_where_there_is_none_the_log_says_so(runs_dir, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(catalogue, "CLASSIFIERS", ClassifierCache())
    monkeypatch.setattr(catalogue, "find_model", partial(find_model, bundled_dir=tmp_path))
    for folder in (runs_dir, tmp_path / "none"):
        load_ahead(folder).join(60)
    assert catalogue.CLASSIFIERS.has(find_model(runs_dir, bundled_dir=tmp_path))
    assert "The model could not be loaded ahead: There is no trained model yet" in caplog.text
