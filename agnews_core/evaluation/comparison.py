"""Two models on the same texts: only the texts that one of the two alone has right tell them apart."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, binomtest

Rights = NDArray[np.bool_]
"""(n,), which of n texts a model classifies correctly."""


@dataclass(frozen=True)
class Apart:
    """How far two models are apart on the same n texts, whose accuracy counts `weight` in what the models are judged by."""

    n_only_first: int
    n_only_second: int
    n: int
    weight: float = 1.0

    @property
    def lead(self) -> float:
        """By how much the first is above the second, as it counts."""
        return self.weight * (self.n_only_first - self.n_only_second) / self.n

    @property
    def error(self) -> float:
        """The standard error of the lead."""
        return self.weight * compute_standard_error(self.n_only_first, self.n_only_second, self.n)


def count_apart(first: Rights, second: Rights, *, weight: float = 1.0) -> Apart:
    """Return how far two models are apart."""
    return Apart(int((first & ~second).sum()), int((second & ~first).sum()), len(first), weight)


def compute_p_value(n_only_first: int, n_only_second: int) -> float:
    """Return how likely two equally good models would differ as much on these texts: McNemar's test, in its exact form.

    McNemar 1947; Dietterich 1998, "Approximate Statistical Tests for Comparing Supervised Classification Learning Algorithms".

    >>> compute_p_value(8, 1), compute_p_value(0, 0)
    (0.0390625, 1.0)
    """
    n_apart = n_only_first + n_only_second
    return float(binomtest(n_only_first, n_apart).pvalue) if n_apart else 1.0


def compute_joint_p_value(one: Apart, other: Apart) -> float:
    """Return the same for two sets of texts together, with the leads on both added as they count.

    As in McNemar's test, each text that one model alone has right could as well have been the other's.

    >>> round(compute_joint_p_value(Apart(8, 1, 100), Apart(0, 0, 50)), 7)
    0.0390625
    >>> round(compute_joint_p_value(Apart(8, 1, 100, 0.5), Apart(6, 1, 100, 0.5)), 3)
    0.004
    """
    leads, chances = zip(*(_list_leads(apart) for apart in (one, other)), strict=True)
    is_as_far = np.abs(np.add.outer(*leads)) >= abs(one.lead + other.lead) - 1e-12
    return min(float(np.multiply.outer(*chances)[is_as_far].sum()), 1.0)


def _list_leads(apart: Apart) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return all leads that as many texts apart can make, and how likely chance makes each."""
    n_apart = apart.n_only_first + apart.n_only_second
    firsts = np.arange(n_apart + 1)
    return apart.weight * (2 * firsts - n_apart) / apart.n, binom.pmf(firsts, n_apart, 0.5)


def compute_standard_error(n_only_first: int, n_only_second: int, n: int) -> float:
    """Return the standard error of the difference of two accuracies, 0-1, on the same n texts.

    >>> round(compute_standard_error(8, 1, 100), 3)
    0.029
    """
    return math.sqrt(n_only_first + n_only_second - (n_only_first - n_only_second) ** 2 / n) / n
