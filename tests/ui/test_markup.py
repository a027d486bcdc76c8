import numpy as np
import pytest

from agnews_core.evaluation.calibration import compute_reliability
from agnews_core.evaluation.compute import compute_report
from agnews_core.inference.attribution import Attribution, Piece
from agnews_core.inference.predictions import Prediction
from agnews_core.labels import LABELS
from agnews_core.ui.components import build_line, build_table
from agnews_core.ui.markup import build_confusion, build_prediction, build_words
from agnews_core.ui.report_plots import build_counts_figure, build_reliability_figure

HOSTILE = "<img src=x onerror=alert(1)>"


def test_an_answer_names_the_class_its_shares_and_the_model():
    built = build_prediction(Prediction("x", 1, (0.05, 0.9, 0.03, 0.02)), "Run <a>")
    assert '<p class="hero class-sports"><strong>Sports</strong> <small>90.0%</small></p>' in built
    assert "90.0%" in built
    assert "Run &lt;a&gt;" in built
    assert "Not sure" not in built


@pytest.mark.parametrize(("shares", "unsure"), [((0.49, 0.4, 0.06, 0.05), True), ((0.5, 0.49, 0.01, 0.0), False)])
def test_an_answer_that_is_wrong_more_often_than_not_says_so_and_what_comes_next(shares, unsure):
    said = "Not sure: answers below 50% are wrong more often than not. Next comes Sports."
    assert (said in build_prediction(Prediction("x", 0, shares), "m").striptags()) == unsure


def test_whatever_others_wrote_is_escaped():
    found = Attribution(0, (Piece(HOSTILE, 1.0),))
    for built in (
        build_line(HOSTILE),
        build_table([HOSTILE, "Text"], [[HOSTILE, HOSTILE]], label=HOSTILE),
        build_words(found),
    ):
        assert "<img" not in built
        assert "&lt;img" in built


def test_a_text_that_was_not_read_to_its_end_is_said_to_be():
    assert "reads only the beginning" in build_words(Attribution(0, (Piece("goal", 1.0), Piece(" and more"))))
    assert "reads only the beginning" not in build_words(Attribution(0, (Piece("goal", 1.0), Piece("!"))))


def test_where_no_word_matters_none_is_said_to_decide():
    found = Attribution(0, (Piece("goal", 0.04), Piece(" "), Piece("the", -0.01)))
    assert [found.find_role(piece) for piece in found.pieces] == ["helps", None, None]
    built = build_words(found)
    assert "No single word decides" in built
    assert "word-list" not in built


def test_every_cell_of_the_matrix_is_a_button_that_says_what_it_holds():
    labels = np.array([0, 1, 2, 3])
    shares = np.eye(4, dtype=np.float32)[[0, 2, 2, 3]]
    report = compute_report(
        list("abcd"), labels, shares, split="test", data_source="s", data_counts={}, backbone="b", seed=1
    )
    built = build_confusion(report, chosen=(1, 2))
    assert built.count("<button") == 16
    assert 'aria-label="True class Sports, predicted Business: 1 text"' in built
    assert built.count('aria-pressed="true"') == 1


def test_the_reliability_figure_has_a_bar_for_each_bin_with_texts():
    shares = np.array([[0.9, 0.1, 0, 0], [0.5, 0.3, 0.1, 0.1], [0.52, 0.28, 0.1, 0.1]], dtype=np.float32)
    bins = compute_reliability(np.array([0, 0, 1]), shares)
    assert [(it.n, it.accuracy) for it in bins] == [(2, 0.5), (1, 1.0)]
    bars = build_reliability_figure(bins).data[1]
    assert list(bars.y) == [0.5, 1.0]


def test_each_class_has_its_bar_in_its_colour():
    bars = build_counts_figure(dict.fromkeys(LABELS, 3)).data[0]
    assert list(bars.x) == list(LABELS)
    assert len(set(bars.marker.color)) == 4
