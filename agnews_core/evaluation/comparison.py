"""Two models on the same texts: only the texts that one of the two alone has right tell them apart."""

import math

from scipy.stats import binomtest


def compute_p_value(n_only_first: int, n_only_second: int) -> float:
    """Return how likely two equally good models would differ as much on these texts: McNemar's test, in its exact form.

    McNemar 1947; Dietterich 1998, "Approximate Statistical Tests for Comparing Supervised Classification Learning Algorithms".

    >>> compute_p_value(8, 1), compute_p_value(0, 0)
    (0.0390625, 1.0)
    """
    n_apart = n_only_first + n_only_second
    return float(binomtest(n_only_first, n_apart).pvalue) if n_apart else 1.0


def compute_standard_error(n_only_first: int, n_only_second: int, n: int) -> float:
    """Return the standard error of the difference of two accuracies, 0-1, on the same n texts.

    >>> round(compute_standard_error(8, 1, 100), 3)
    0.029
    """
    return math.sqrt(n_only_first + n_only_second - (n_only_first - n_only_second) ** 2 / n) / n
