from agnews_core.evaluation.published import MIN_TEXTS, describe_published, is_ag_news
from tests.conftest import read_sample


def test_the_bundled_sample_is_not_taken_for_ag_news():
    assert not is_ag_news([row["text"] for row in read_sample("train")])


def test_a_few_texts_are_not_enough_to_tell():
    assert not is_ag_news(["Oil prices #39;s fall"] * (MIN_TEXTS - 1))


def test_published_figures_are_said_to_be_of_others_and_of_the_official_test_split():
    said = describe_published()
    assert said.startswith("Published for AG News, on its official test split; not measured here: ")
    assert "roberta-base with LoRA 94.0 to 94.6 %" in said
    assert "fastText 92.5 % (Joulin et al. 2016, arXiv:1607.01759)" in said
