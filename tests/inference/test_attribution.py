import numpy as np
import pytest

from agnews_core.inference.attribution import Piece, compute_log_odds, explain
from agnews_core.inference.predictions import Prediction


class WordCounter:
    """Log-odds of Sports grow with "goal" and fall with "shares"."""

    temperature = 1.0

    def __init__(self):
        self.calls = []

    def compute_logits(self, texts):
        self.calls.append(list(texts))
        logits = np.zeros((len(texts), 4), dtype=np.float32)
        logits[:, 1] = [3 + 2 * text.count("goal") - text.count("shares") for text in texts]
        return logits

    def predict(self, text, *, cut_at=None):
        (logits,) = self.compute_logits([text])
        self.calls.clear()
        return Prediction(text, int(logits.argmax()), (), tuple(logits.tolist()), cut_at)


def explain_anew(text, *, cut_at=None):
    model = WordCounter()
    return explain(model, model.predict(text, cut_at=cut_at))


TEXT = "A goal, and shares\nrose  in the U.S."


def test_the_pieces_joined_are_the_text():
    found = explain_anew(TEXT)
    assert "".join(piece.text for piece in found.pieces) == TEXT


def test_a_word_weighs_what_leaving_it_out_takes_from_the_log_odds():
    found = explain_anew(TEXT)
    weights = {piece.text: piece.weight for piece in found.pieces if piece.weight is not None}
    assert found.label == 1
    assert weights == pytest.approx({"A": 0, "goal": 2, "and": 0, "shares": -1, "rose": 0, "in": 0, "the": 0, "U.S": 0})
    assert [word.text for word in found.rank_words(2)] == ["goal", "shares"]


def test_roles_are_measured_against_the_weightiest_word():
    found = explain_anew(TEXT)
    roles = {piece.text: found.find_role(piece) for piece in found.pieces}
    assert roles["goal"] == "decides"
    assert roles["shares"] == "speaks against it"
    assert roles["rose"] is None


def test_all_words_go_through_the_model_in_one_call_and_the_text_itself_not_again():
    model = WordCounter()
    explain(model, model.predict(TEXT))
    assert [len(texts) for texts in model.calls] == [8]
    assert TEXT not in model.calls[0]


def test_weights_are_of_the_probabilities_that_are_shown():
    class Cool(WordCounter):
        temperature = 2.0

    found = explain(Cool(), Cool().predict("A goal"))
    assert {piece.text: piece.weight for piece in found.pieces if piece.weight is not None} == pytest.approx(
        {"A": 0, "goal": 1}
    )


def test_words_that_the_model_does_not_read_have_no_weight():
    found = explain_anew(TEXT, cut_at=6)
    assert [piece.text for piece in found.pieces if piece.weight is not None] == ["A", "goal"]
    assert found.pieces[-1] == Piece(TEXT[6:])


@pytest.mark.parametrize("text", ["", "   ", "!?"])
def test_a_text_without_words_has_no_weights(text):
    found = explain_anew(text)
    assert found.rank_words(5) == []
    assert "".join(piece.text for piece in found.pieces) == text


def test_log_odds_are_exact_where_the_probability_rounds_to_one():
    assert compute_log_odds(np.array([[60.0, 0.0, 0.0, 0.0]]), 0) == pytest.approx([60 - np.log(3)])


def test_a_real_classifier_is_explained_as_far_as_it_reads(trained_run):
    from agnews_core.inference.classifier import Classifier

    classifier = Classifier.load(trained_run.adapter_dir)
    text = "Shares fell on Monday. " * 60
    (prediction,) = classifier.predict([text])
    found = explain(classifier, prediction)
    read = [piece for piece in found.pieces if piece.weight is not None]
    assert "".join(piece.text for piece in found.pieces) == text
    assert 5 < len(read) < 60
