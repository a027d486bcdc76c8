"""News as people type it: what its other forms are, and which is drawn when."""

import json
from collections import Counter

import numpy as np
import pytest
from datasets import Dataset

from agnews_core.news.sources import SAMPLE_DIR
from agnews_core.news.tables import UNKNOWN, read_table
from agnews_core.news.variations import FORMS, LEAST_WORDS, SHOWN_SHARE, find_title_end, list_forms, vary
from agnews_core.training.batches import SeededLengthSampler

SAMPLE = [json.loads(line) for line in (SAMPLE_DIR / "train.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("title", "description"),
    [
        ("Miner Finds Larger Seam Than Hoped", "(AP) AP - A mining company said it had found copper."),
        ("Oil at new high on pipeline blaze", "KIRKUK, Iraq (Reuters) - Oil rose on Monday."),
        ("Storm Closes Ports Along the Gulf", " NEW ORLEANS - Ships waited off the coast."),
        ("Seven Held After Raid in Lyon", "The police said that all seven were known to them."),
        ("Chip maker opens plant in Dresden", "In a move to meet demand, it hired 400 people."),
        ("Coach sees no reason to change his team", "On the eve of the final he named the same eleven."),
    ],
)
def test_a_title_ends_where_a_description_begins(title, description):
    text = f"{title} {description}"
    assert text[: find_title_end(text)] == title


@pytest.mark.parametrize(
    "text",
    [
        "Mussel beds flourish again BBC correspondent Martin Cassidy looks at mussels.",
        "The minister said: The talks go on.",
        "Half of The Hague was without power for an hour on Monday.",
        "A short one",
        "",
    ],
)
def test_where_nothing_tells_no_title_is_taken_for_one(text):
    assert find_title_end(text) == UNKNOWN


def test_the_forms_of_a_text_are_what_people_would_type_of_it():
    assert list_forms("Oil at new high on pipeline blaze KIRKUK, Iraq (Reuters) - Oil rose on Monday.") == {
        "title": "Oil at new high on pipeline blaze",
        "description": "Oil rose on Monday.",
        "undated": "Oil at new high on pipeline blaze Oil rose on Monday.",
        "lowercase": "oil at new high on pipeline blaze kirkuk, iraq (reuters) - oil rose on monday.",
    }
    assert list_forms("all in lower case already") == {}


def test_columns_that_tell_title_and_description_are_believed(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("title,description,label\nRain stops play again,In the third hour it rained once more,1\n,None,1\n")
    rows = read_table(path)
    assert rows["title_end"].tolist() == [21, 0]
    forms = [list_forms(text, end) for text, end in zip(rows["text"], rows["title_end"], strict=True)]
    assert forms[0]["title"] == "Rain stops play again"
    assert forms[0]["description"] == "In the third hour it rained once more"


def test_no_form_is_empty_too_short_or_the_text_itself():
    for row in SAMPLE:
        for form in list_forms(row["text"]).values():
            assert len(form.split()) >= LEAST_WORDS
            assert form != row["text"]


def test_titles_of_the_sample_are_found_in_a_good_part_of_it():
    assert np.mean([find_title_end(row["text"]) != UNKNOWN for row in SAMPLE]) > 0.4


@pytest.fixture(scope="module")
def news() -> Dataset:
    rows = [{**row, "title_end": UNKNOWN} for row in SAMPLE]
    return Dataset.from_list(rows)


def test_each_text_has_one_other_form_at_most_drawn_by_seed_and_of_its_own_class(news):
    varied, other = vary(news, n_texts=len(news) - 7, seed=1)
    assert varied["text"][: len(news)] == news["text"][:]
    assert len(other) == len(news)
    assert (other[-7:] == np.arange(len(news))[-7:]).all()
    found = Counter()
    for row, of_other in enumerate(other):
        if of_other != row:
            forms = list_forms(news["text"][row])
            name = next(name for name, form in forms.items() if form == varied["text"][of_other])
            assert varied["label"][of_other] == news["label"][row]
            found[name] += 1
    assert len(set(other)) == len(other)
    assert found.total() == len(varied) - len(news)
    assert found["lowercase"] / len(news) == pytest.approx(FORMS["lowercase"], abs=0.04)
    assert set(found) == set(FORMS)
    again, other_seed = (vary(news, n_texts=len(news) - 7, seed=seed)[1] for seed in (1, 2))
    assert (again == other).all()
    assert not np.array_equal(other_seed, other)


def test_each_epoch_shows_each_text_once_in_one_of_its_forms_the_same_after_a_resume():
    other = np.where(np.arange(1000) < 900, np.arange(1000, 2000), np.arange(1000))
    lengths = [10] * 1000 + [5] * 1000

    def draw(epoch: int, seed: int = 3) -> list[int]:
        sampler = SeededLengthSampler(lengths, batch_size=32, seed=seed, other=other)
        sampler.set_epoch(epoch)
        assert len(sampler) == 1000
        return list(sampler)

    first, second = draw(0), draw(1)
    for rows in (first, second):
        assert sorted(row % 1000 for row in rows) == list(range(1000))
        assert np.mean([row >= 1000 for row in rows]) == pytest.approx(0.9 * SHOWN_SHARE, abs=0.05)
    assert {row for row in first if row >= 1000} != {row for row in second if row >= 1000}
    assert draw(1) == second
    assert draw(1, seed=4) != second
