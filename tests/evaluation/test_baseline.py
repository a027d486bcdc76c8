import json

import numpy as np
import pytest

from agnews_core.config import build_config
from agnews_core.evaluation.baseline import compute_baseline, load_baseline
from agnews_core.evaluation.files import read_baseline, write_baseline
from agnews_core.inference.tables import build_table
from agnews_core.news.splits import load_news

CONFIG = build_config({"data": "sample"})


@pytest.fixture(scope="module")
def table():
    rows = load_news(CONFIG).validation
    labels = np.asarray(rows["label"])
    return build_table(np.eye(4, dtype=np.float32)[labels], texts=rows["text"], labels=labels)


def test_the_plain_model_learns_the_sample(table):
    rows = load_news(CONFIG).train
    found = compute_baseline(list(rows["text"]), np.asarray(rows["label"]), table)
    assert found.accuracy > 0.7
    assert found.accuracy_low < found.accuracy < found.accuracy_high
    assert (found.n, found.n_train) == (len(table), len(rows))


def test_only_texts_that_one_of_the_two_has_right_tell_them_apart(table):
    rows = load_news(CONFIG).train
    found = compute_baseline(list(rows["text"]), np.asarray(rows["label"]), table)  # the table's model is always right
    n_wrong = round((1 - found.accuracy) * found.n)
    assert (found.n_only_model_right, found.n_only_baseline_right) == (n_wrong, 0)
    assert found.p_value == pytest.approx(2 * 0.5**n_wrong)


def test_it_is_computed_once_for_the_same_rows_and_anew_for_others(table, tmp_path, monkeypatch):
    first = load_baseline(tmp_path, "validation", table, CONFIG)
    assert read_baseline(tmp_path, "validation") == first
    assert load_baseline(tmp_path, "validation", table, CONFIG) == first
    other = load_baseline(tmp_path, "validation", table.head(20), CONFIG)
    assert other.n == 20
    all_world = load_baseline(tmp_path, "validation", table.head(20).assign(predicted=0), CONFIG)
    assert all_world != other


def test_it_is_trained_on_all_training_texts_as_the_model_was(table, tmp_path):
    found = load_baseline(tmp_path, "validation", table, CONFIG)
    assert found.n_train == found.n_train_available == len(load_news(CONFIG).train)


def test_it_is_trained_on_what_a_run_takes_of_the_news_and_on_the_plain_texts_added(table, tmp_path, few_plain_texts):
    config = CONFIG.model_copy(update={"max_train_samples": 100, "plain_repeats": 3})
    assert load_baseline(tmp_path, "validation", table, config).n_train == 100 + 3 * 38


def test_one_that_an_older_version_trained_on_some_of_the_rows_is_computed_anew(table, tmp_path):
    found = load_baseline(tmp_path, "validation", table, CONFIG)
    older = found.model_copy(update={"n_train": 300, "accuracy": 0.1})
    write_baseline(tmp_path, "validation", older)
    again = load_baseline(tmp_path, "validation", table, CONFIG)
    assert (again.n_train, again.accuracy) == (found.n_train, found.accuracy)


def test_a_damaged_file_is_no_baseline(tmp_path):
    for damaged in (json.dumps({"accuracy": 1}).encode(), b"\xff\xfe{}"):
        (tmp_path / "baseline-test.json").write_bytes(damaged)
        assert read_baseline(tmp_path, "test") is None
