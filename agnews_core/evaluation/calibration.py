"""Logits -> probabilities that mean what they say: temperature scaling, fitted on texts the model was not trained on.

One number divides all logits before the softmax. It moves no maximum, so that no predicted class changes.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from agnews_core.evaluation.report import N_BINS, ReliabilityBin

MIN_TEMPERATURE = 0.25
MAX_TEMPERATURE = 10.0


def apply_temperature(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return (n, 4) probabilities of (n, 4) logits.

    >>> [round(float(share), 2) for share in apply_temperature(np.array([[2.0, 0.0]], dtype=np.float32), 2.0)[0]]
    [0.73, 0.27]
    """
    result: NDArray[np.float32] = softmax(np.asarray(logits, dtype=np.float32) / np.float32(temperature), axis=-1)
    return result


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the temperature that makes the labels likeliest (Guo et al. 2017, arXiv:1706.04599, section 4.2).

    Each label counts as (n + 1) / (n + k) of its class and 1 / (n + k) of each other one, as Platt (1999) does for two
    classes: on a few texts that are all right the plain likelihood would ask for a temperature of 0.

    Args:
        logits: (n, k), of texts that the model was not trained on.
        labels: (n,), 0 to k - 1; of none, the temperature is 1.
    """
    from scipy.optimize import minimize_scalar  # late: an answer needs no fit, and waits for it

    n, k = logits.shape
    if not n:
        return 1.0
    targets = np.full((n, k), 1 / (n + k))
    targets[np.arange(n), labels] = (n + 1) / (n + k)

    def compute_loss(log_temperature: float) -> float:
        log_probabilities = log_softmax(logits.astype(np.float64) / math.exp(log_temperature), axis=-1)
        return float(-(targets * log_probabilities).sum(-1).mean())

    bounds = (math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE))
    return math.exp(minimize_scalar(compute_loss, bounds=bounds, method="bounded").x)


def cross_fit(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return (n, k) probabilities that show how calibrated a model is on texts that its temperature was not fitted on.

    The texts are halved at random, and each half takes the temperature that was fitted on the other one.
    """
    probabilities = np.empty_like(logits, dtype=np.float32)
    order = np.random.default_rng(0).permutation(len(labels))
    halves = order[::2], order[1::2]
    for fitted_on, measured_on in (halves, halves[::-1]):
        temperature = fit_temperature(logits[fitted_on], labels[fitted_on])
        probabilities[measured_on] = apply_temperature(logits[measured_on], temperature)
    return probabilities


def compute_reliability(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> list[ReliabilityBin]:
    """Sort texts by confidence into equal bins (Guo et al. 2017, figure 1); bins without a text are left out.

    Args:
        labels: (n,) true classes.
        probabilities: (n, k), rows sum to 1.
    """
    confidence = probabilities.max(-1)  # (n,)
    right = probabilities.argmax(-1) == labels  # (n,)
    bins = np.digitize(
        confidence, np.arange(1, N_BINS) / N_BINS, right=True
    )  # a confidence on an edge is in the lower bin
    return [
        ReliabilityBin(
            low=number / N_BINS,
            high=(number + 1) / N_BINS,
            n=int((bins == number).sum()),
            confidence=float(confidence[bins == number].mean()),
            accuracy=float(right[bins == number].mean()),
        )
        for number in np.unique(bins).tolist()
    ]


def compute_calibration_error(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    """Return the expected calibration error, 0-1: how far confidence is from accuracy, over the bins of `compute_reliability`."""
    bins = compute_reliability(labels, probabilities)
    return sum(it.n * abs(it.accuracy - it.confidence) for it in bins) / len(labels)
