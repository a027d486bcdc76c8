import json

import numpy as np
import pytest

from agnews_core.config import build_config
from agnews_core.evaluation.baseline import compute_baseline, load_baseline
from agnews_core.evaluation.compute import compute_report, compute_share
from agnews_core.evaluation.files import Evaluated, read_baseline, write_baseline
from agnews_core.inference.tables import build_table
from agnews_core.news.splits import load_news

CONFIG = build_config({"data": "sample"})


@pytest.fixture(scope="module")
def table():
    rows = load_news(CONFIG).validation
    labels = np.asarray(rows["label"])
    return build_table(np.eye(4, dtype=np.float32)[labels], texts=rows["text"], labels=labels)


@pytest.fixture(scope="module")
def evaluated(table):
    return build_evaluated(table)


def build_evaluated(table, **known):
    labels = table["label"].to_numpy()
    source = {"split": "validation", "data_source": "sample", "data_counts": {}, "backbone": "x", "seed": 42}
    shares = np.eye(4, dtype=np.float32)[table["predicted"]]
    return Evaluated(compute_report(list(table["text"]), labels, shares, **source, **known), table)


def test_the_plain_model_learns_the_sample(table):
    rows = load_news(CONFIG).train
    found = compute_baseline(rows, table)
    assert found.accuracy > 0.7
    assert found.accuracy_low < found.accuracy < found.accuracy_high
    assert (found.n, found.n_train) == (len(table), len(rows))


def test_only_texts_that_one_of_the_two_has_right_tell_them_apart(table):
    rows = load_news(CONFIG).train
    found = compute_baseline(rows, table)  # the table's model is always right
    n_wrong = round((1 - found.accuracy) * found.n)
    assert (found.n_only_model_right, found.n_only_baseline_right) == (n_wrong, 0)
    assert found.p_value == pytest.approx(2 * 0.5**n_wrong)


def test_it_is_computed_once_for_the_same_rows_and_anew_for_others(table, evaluated, tmp_path):
    first = load_baseline(tmp_path, evaluated, CONFIG)
    assert read_baseline(tmp_path, "validation") == first
    assert load_baseline(tmp_path, evaluated, CONFIG) == first
    other = load_baseline(tmp_path, build_evaluated(table.head(20)), CONFIG)
    assert other.n == 20
    all_world = load_baseline(tmp_path, build_evaluated(table.head(20).assign(predicted=0)), CONFIG)
    assert all_world != other


def test_it_is_trained_on_all_training_texts_as_the_model_was(evaluated, tmp_path):
    found = load_baseline(tmp_path, evaluated, CONFIG)
    assert found.n_train == found.n_train_available == len(load_news(CONFIG).train)


def test_it_is_trained_on_what_a_run_takes_of_the_news_and_on_the_plain_texts_added(
    evaluated, tmp_path, few_plain_texts
):
    config = CONFIG.model_copy(update={"max_train_samples": 100, "plain_repeats": 3})
    assert load_baseline(tmp_path, evaluated, config).n_train == 100 + 3 * 38


def test_one_that_an_older_version_trained_on_some_of_the_rows_is_computed_anew(evaluated, tmp_path):
    found = load_baseline(tmp_path, evaluated, CONFIG)
    older = found.model_copy(update={"n_train": 300, "accuracy": 0.1})
    write_baseline(tmp_path, "validation", older)
    again = load_baseline(tmp_path, evaluated, CONFIG)
    assert (again.n_train, again.accuracy) == (found.n_train, found.accuracy)


@pytest.mark.parametrize("is_held_out", [False, True])
def test_it_answers_for_the_same_plain_texts_though_an_older_version_did_not(
    table, evaluated, tmp_path, few_plain_texts, is_held_out
):
    config = CONFIG.model_copy(update={"plain_repeats": 1, "holdout_share": 0.5})
    assert load_baseline(tmp_path, evaluated, config).plain is None
    of_plain = build_evaluated(table, plain=compute_share(np.ones(5, dtype=bool)), is_held_out=is_held_out)
    found = load_baseline(tmp_path, of_plain, config)
    news = load_news(config)
    plain = news.plain_holdout if is_held_out else news.plain_validation
    wanted = compute_baseline(news.train, table, plain=plain).plain
    assert (found.plain, found.plain.n) == (wanted, 5)
    assert load_baseline(tmp_path, of_plain, config) == found


def test_a_damaged_file_is_no_baseline(tmp_path):
    for damaged in (json.dumps({"accuracy": 1}).encode(), b"\xff\xfe{}"):
        (tmp_path / "baseline-test.json").write_bytes(damaged)
        assert read_baseline(tmp_path, "test") is None
