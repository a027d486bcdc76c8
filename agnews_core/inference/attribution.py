"""Which words of a text decided its class, by leaving each out in turn.

It knows the classifier only by its logits.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from agnews_core.inference.predictions import Prediction

METHOD = (
    "Each word is left out in turn, and the change in the log-odds of the class is its weight: representation erasure "
    "(Li et al. 2016, arXiv:1612.08220), in the log-odds of Robnik-Šikonja and Kononenko (2008)."
)
_WORD = re.compile(r"[^\W_]+(?:['’.,-][^\W_]+)*")


class LogitModel(Protocol):
    """What `explain` needs of a classifier."""

    @property
    def temperature(self) -> float:
        """What logits are divided by."""

    def compute_logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, 4) logits of n texts."""


@dataclass(frozen=True)
class Piece:
    """A part of the text; `weight` is None for what stands between words and for what the model does not read.

    `weight` is in natural log-odds: by how much the odds of the class fall when the word is left out. Negative: they rise.
    """

    text: str
    weight: float | None = None


NOTEWORTHY = (
    0.1  # log-odds; a word that moves the odds by less than a tenth decides nothing, though it may be the weightiest
)
# Shares of the largest weight from which a word is said to decide, to help, or to speak against the class.
DECIDES_FROM, HELPS_FROM = 0.5, 0.15
Role = Literal["decides", "helps", "speaks against it"]


@dataclass(frozen=True)
class Attribution:
    """The whole text in pieces, and the class (0-3) whose log-odds the weights are of."""

    label: int
    pieces: tuple[Piece, ...]

    @property
    def largest_weight(self) -> float:
        """The weight of the weightiest word, either sign."""
        return max((abs(piece.weight or 0.0) for piece in self.pieces), default=0.0)

    def find_role(self, piece: Piece) -> Role | None:
        """Return in a word what a piece does, measured against the weightiest one; None where that is next to nothing."""
        share = (piece.weight or 0.0) / max(self.largest_weight, NOTEWORTHY)
        if share <= -HELPS_FROM:
            return "speaks against it"
        return "decides" if share >= DECIDES_FROM else "helps" if share >= HELPS_FROM else None

    def rank_words(self, at_most: int) -> list[Piece]:
        """Return the words of the largest weights, either sign, largest first."""
        words = [piece for piece in self.pieces if piece.weight is not None]
        return sorted(words, key=lambda word: -abs(word.weight or 0.0))[:at_most]


def explain(model: LogitModel, prediction: Prediction) -> Attribution:
    """Weigh every word that the model read by what leaving it out does to the class it was given.

    As many texts go through the model as there are words, in one go. A word that stands twice is left out once at a time, so
    that neither weighs much where the other one says the same.

    Args:
        model: The `Classifier` that predicted.
        prediction: Its own.
    """
    text, end = prediction.text, prediction.cut_at or len(prediction.text)
    spans = [match.span() for match in _WORD.finditer(text) if match.end() <= end]
    without = model.compute_logits([text[:start] + text[stop:] for start, stop in spans])  # (n_words, 4)
    logits = np.vstack([prediction.logits, without]) / model.temperature
    log_odds = compute_log_odds(logits, prediction.label)
    return Attribution(prediction.label, _cut(text, spans, (log_odds[0] - log_odds[1:]).tolist()))


def compute_log_odds(logits: NDArray[np.floating[Any]], label: int) -> NDArray[np.float64]:
    """Return log(p / (1 - p)) of one class, for each row of (n, k) logits, exact also where p rounds to 1.

    >>> compute_log_odds(np.array([[40.0, 0.0, 0.0]]), 0).round(3).tolist()
    [39.307]
    """
    from scipy.special import logsumexp  # late: the page imports this module before it answers

    logits = np.asarray(logits, dtype=np.float64)
    result: NDArray[np.float64] = logits[:, label] - logsumexp(np.delete(logits, label, axis=1), axis=1)
    return result


def _cut(text: str, spans: Sequence[tuple[int, int]], weights: Sequence[float]) -> tuple[Piece, ...]:
    """Cut the text at its words; the pieces joined are the text."""
    pieces, at = [], 0
    for (start, stop), weight in zip(spans, weights, strict=True):
        pieces += [Piece(text[at:start]), Piece(text[start:stop], weight)]
        at = stop
    return tuple(piece for piece in [*pieces, Piece(text[at:])] if piece.text)
