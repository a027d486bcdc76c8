"""The bundled texts in plain language: apart from the sample, added as often as was asked for, a fifth never trained on."""

from collections import Counter

import pytest

from agnews_core.config import build_config
from agnews_core.news import plain
from agnews_core.news.splits import load_news
from tests.news.files import write_split

pytestmark = pytest.mark.usefixtures("few_plain_texts")


def load(tiny_news, **settings):
    return load_news(build_config({"data": str(tiny_news), **settings}))


def test_without_a_setting_that_asks_for_them_the_news_is_as_it_was(tiny_news):
    news = load(tiny_news)
    assert (len(news.train), len(news.validation), news.plain_validation) == (144, 16, None)
    assert news.digest == load(tiny_news, vary_texts=True).digest


def test_plain_texts_are_added_after_the_news_as_many_times_as_asked_for(tiny_news):
    without, news = load(tiny_news), load(tiny_news, plain_repeats=3)
    assert news.train["text"][:144] == without.train["text"][:]
    assert set(Counter(news.train["text"][144:]).values()) == {3}
    assert (news.counts.n_train, news.counts.n_plain_train, news.counts.n_plain_validation) == (144 + 114, 114, 10)
    assert news.validation["text"][:] == without.validation["text"][:]
    assert news.digest != without.digest


def test_the_limit_of_training_texts_is_of_the_news_alone(tiny_news):
    news = load(tiny_news, plain_repeats=1, max_train_samples=20)
    assert len(news.train) == 20 + 38


def test_a_fifth_of_the_plain_texts_is_never_trained_on(tiny_news):
    one, again, other = (load(tiny_news, plain_repeats=1, seed=seed) for seed in (1, 1, 2))
    assert not set(one.plain_validation["text"]) & set(one.train["text"])
    assert one.plain_validation["text"][:] == again.plain_validation["text"][:] != other.plain_validation["text"][:]
    assert set(one.plain_validation["kind"]) <= set(plain.KINDS)


def test_a_weight_alone_brings_validation_texts_and_trains_on_none(tiny_news):
    news = load(tiny_news, plain_weight=0.5)
    assert (len(news.train), len(news.plain_validation)) == (144, 10)


def test_of_plain_validation_texts_too_a_part_is_held_out_and_none_of_it_is_trained_on(tiny_news):
    whole, cut = load(tiny_news, plain_repeats=1), load(tiny_news, plain_repeats=1, holdout_share=0.5)
    seen, held = {*cut.plain_validation["text"]}, {*cut.plain_holdout["text"]}
    assert (len(seen), len(held)) == (5, 5)
    assert seen | held == {*whole.plain_validation["text"]}
    assert set(cut.plain_holdout["kind"]) <= set(plain.KINDS)
    assert cut.train["text"][:] == whole.train["text"][:]
    assert (whole.plain_holdout, load(tiny_news, holdout_share=0.5).plain_holdout) == (None, None)
    assert "8 and 5 plain ones to validate, 40 to test, 8 and 5 plain ones held out." in cut.counts.describe()


def test_a_plain_text_that_is_in_the_news_too_stays_out_of_it_and_out_of_validation(tiny_news, tmp_path):
    texts = plain.read_plain("train")["text"]
    rows = [
        (text, number % 4) for number, text in enumerate([*(f"news {number}" for number in range(80)), *texts[:20]])
    ]
    write_split(tmp_path, "train", rows)
    write_split(tmp_path, "test", [(texts[30], 2)])
    news = load(tmp_path, plain_repeats=1)
    assert (news.counts.n_duplicates, news.counts.n_in_test) == (20, 1)
    everywhere = Counter([*news.train["text"], *news.validation["text"], *news.plain_validation["text"]])
    assert set(everywhere.values()) == {1}
    assert texts[30] not in everywhere


def test_the_counts_say_how_many_are_plain(tiny_news):
    assert load(tiny_news, plain_repeats=2).counts.describe().endswith(
        "220 to train on (plain ones among them: 76), 16 and 10 plain ones to validate, 40 to test."
    )  # fmt: skip


def test_the_sample_does_not_take_the_plain_texts_for_its_own():
    news = load_news(build_config({"data": "sample"}))
    assert not {*news.train["text"], *news.validation["text"], *news.test["text"]} & set(
        plain.read_plain("train")["text"]
    )
