"""Whether frozen layers are computed once, by counting."""

import pytest

from agnews_core.config import build_config
from agnews_core.news.counts import TextCounts
from agnews_core.runs import Replay
from agnews_core.training.replay_choice import choose_replay
from agnews_core.training.resolve import resolve


def choose(*, n_train: int = 8000, n_validation: int = 800, **settings) -> Replay:
    given = build_config({"backbone": "all-MiniLM-L6-v2", "data": "sample", "precision": "bf16", **settings})
    resolved = resolve(given)
    return choose_replay(resolved.apply_to(given), resolved, TextCounts(n_train, n_validation))


def test_three_passes_pay_and_what_is_kept_is_counted(monkeypatch):
    monkeypatch.setenv("AGNEWS_REPLAY_GB", "1")
    replay = choose()
    assert (replay.used, replay.n_layers, replay.n_texts) == (True, 2, 8800)
    assert replay.n_bytes == 8800 * 55 * 384 * 2
    assert replay.reason == (
        "The lowest 2 layers are frozen and computed once for each text, with no dropout there (`replay` off computes "
        "them in each pass)."
    )
    assert choose(precision="fp32").n_bytes == 2 * replay.n_bytes
    assert choose(max_length=11).n_bytes == replay.n_bytes / 5


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"replay": "off"}, "Frozen layers are computed in each pass (`replay` off, as set)."),
        ({"num_train_epochs": 1}, "gone through 1.0 times, too few"),
        ({"max_steps": 100}, "gone through 0.4 times, too few"),
        ({"layer_ranks": {0: 8}}, "No layer lies below the lowest trained one"),
        ({"layer_ranks": {0: 8}, "replay": "on"}, "No layer lies below the lowest trained one"),
    ],
)
def test_where_it_does_not_pay_it_says_why(settings, reason):
    replay = choose(**settings)
    assert not replay.used
    assert reason in replay.reason


def test_on_asks_no_more_whether_it_pays():
    assert choose(replay="on", max_steps=1).used


def test_more_than_may_be_kept_is_not_even_where_it_is_asked_for(monkeypatch):
    monkeypatch.setenv("AGNEWS_REPLAY_GB", "0.1")
    for setting in ("auto", "on"):
        replay = choose(replay=setting)
        assert not replay.used
        assert "would take about 0.37 GB, and 0.1 GB may be kept (AGNEWS_REPLAY_GB)" in replay.reason


def test_the_choice_does_not_depend_on_what_is_there_already(trained_run):
    found = trained_run.read_status().resolved
    config = found.apply_to(trained_run.read_config())
    assert found.replay.used
    chosen = choose_replay(config, found, TextCounts(144, 16))
    assert (chosen.used, chosen.reason) == (True, found.replay.reason)


def test_varied_news_takes_more_room_and_more_passes_to_pay():
    plain, varied = choose(), choose(vary_texts=True)
    assert varied.n_bytes / plain.n_bytes == pytest.approx((1.4 * 8000 + 800) / 8800, rel=1e-4)
    assert "computed once for each text and one other form of it" in varied.reason
    assert [choose(vary_texts=vary, num_train_epochs=1.7).used for vary in (False, True)] == [True, False]
    assert choose(vary_texts=True, num_train_epochs=2).used
