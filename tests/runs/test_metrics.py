"""Rows are read on from where the last look ended, and what is odd among them takes nothing from the rest."""

import itertools
import json
import tracemalloc

import pytest

from agnews_core.config import TrainConfig
from agnews_core.runs import create_run
from agnews_core.runs import metrics as module
from agnews_core.runs.metrics import MAX_POINTS, Curve, Metrics, Reading, drop_rows_after, read_on


def write(path, steps, **values):
    with path.open("a") as file:
        for step in steps:
            file.write(json.dumps({"step": step, "time": 1000.0 + step, "loss": 1 / step, **values}) + "\n")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def list_steps(reading):
    return reading.metrics.loss.points[0]


def test_only_what_came_since_is_read(path, monkeypatch):
    parsed = []
    parse = module._parse
    monkeypatch.setattr(module, "_parse", lambda line: parsed.append(line) or parse(line))
    write(path, range(1, 1001))
    first = read_on(path, Reading())
    write(path, [1001])
    second = read_on(path, first)
    assert len(parsed) == 1001
    assert list_steps(second) == list(range(1, 1002))
    assert read_on(path, second) is second


def test_a_curve_without_a_new_point_stays_the_same_object(path):
    write(path, [1, 2])
    first = read_on(path, Reading()).metrics
    write(path, [2], loss=None, eval_accuracy=0.5, eval_f1=0.4)
    second = read_on(path, read_on(path, Reading())).metrics
    assert second.loss.stamp == first.loss.stamp
    assert second.eval_accuracy.stamp != first.eval_accuracy.stamp


def test_a_line_without_its_end_waits_for_it(path):
    write(path, [1])
    with path.open("a") as file:
        file.write('{"step": 2, "time": 1002.0, "lo')
        file.flush()
        first = read_on(path, Reading())
        assert list_steps(first) == [1]
        file.write('ss": 0.5}\n')
    assert list_steps(read_on(path, first)) == [1, 2]


def test_a_file_that_was_cut_is_read_anew(path):
    write(path, range(1, 9))
    before = read_on(path, Reading())
    path.write_text("")
    write(path, [1, 2])
    assert list_steps(read_on(path, before)) == [1, 2]


def test_a_resumed_run_s_file_is_read_anew_also_where_it_is_longer_than_before(tmp_path):
    run = create_run(tmp_path, TrainConfig())
    path = run.path / "metrics.jsonl"
    write(path, range(1, 9))
    before = read_on(path, Reading())
    drop_rows_after(path, 4)
    write(path, range(5, 30), note="from the second part")
    found = read_on(path, before).metrics
    assert found.loss.points[0] == list(range(1, 30))
    assert found.best_accuracy is None


def test_a_file_that_went_has_no_rows(path):
    write(path, [1])
    before = read_on(path, Reading())
    path.unlink()
    assert read_on(path, before).metrics.loss.n == 0


@pytest.mark.parametrize(
    "odd",
    [
        '{"step": 2, "time": 1002.0, "loss": "b"}',
        '{"step": "2", "time": 1002.0, "loss": 1.0}',
        '{"step": 2, "time": "yesterday", "loss": 1.0}',
        '{"step": 2, "time": 1e400, "loss": 1.0}',
        '{"step": -2, "time": 1002.0, "loss": 1.0}',
        '{"step": 1' + "0" * 400 + ', "time": 1002.0, "loss": 1.0}',
        '{"step": 2, "time": 1002.0, "eval_accuracy": NaN}',
        '{"step": 2, "time": 1002.0, "eval_accuracy": 7}',
        '{"step": 2, "time": 1002.0, "memory_mib": {}}',
        '{"loss": 1.0}',
        "[]",
        "12",
        "{torn",
        "\0\0\0",
        "",
    ],
)
def test_a_row_that_is_odd_is_skipped_and_the_others_stay(path, odd):
    write(path, [1])
    with path.open("a") as file:
        file.write(odd + "\n")
    write(path, [3])
    assert list_steps(read_on(path, Reading())) == [1, 3]


def test_a_loss_that_is_no_number_is_a_point(path):
    write(path, [1])
    write(path, [2], loss=float("nan"))
    assert read_on(path, Reading()).metrics.loss.n == 2


def test_a_long_curve_is_thinned_evenly_and_keeps_its_newest_point():
    curve = Curve()
    for start in range(0, 100_000, 1000):
        curve = curve.extend((step, float(step)) for step in range(start, start + 1000))
    steps, values = curve.points
    assert len(steps) <= MAX_POINTS + 1
    assert (steps[0], steps[-1], curve.n) == (0, 99_999, 100_000)
    assert steps == values
    assert {later - earlier for earlier, later in itertools.pairwise(steps[:-1])} == {curve.stride}


def test_what_the_table_needs_is_kept_of_all_rows_however_many_there_are(path):
    write(path, range(1, 20_000))
    write(path, [20_000], loss=None, eval_accuracy=0.9, eval_runtime=3.0)
    write(path, range(20_001, 40_000))
    write(path, [40_000], loss=None, eval_accuracy=0.8)
    found = read_on(path, Reading()).metrics
    assert (found.best_accuracy, found.eval_seconds, found.newest_loss.step) == (0.9, 3.0, 39_999)
    assert found.recent[-1].eval_accuracy == 0.8


def test_a_large_file_takes_little_memory(path):
    line = json.dumps({"step": 1, "time": 1e9, "loss": 0.5, "grad_norm": 1.2345678901234567, "memory_mib": 900}) + "\n"
    with path.open("w") as file:
        for _ in range(20):
            file.write(line * 10_000)
    tracemalloc.start()
    found = read_on(path, Reading())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.metrics.loss.n == 200_000
    assert peak < 12 * 2**20 < path.stat().st_size


def test_no_rows_are_no_points():
    assert Metrics().loss.points == ([], [])
    assert Metrics().extend([]).loss.n == 0
