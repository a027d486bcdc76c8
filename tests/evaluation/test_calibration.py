import numpy as np
import pytest

from agnews_core.evaluation.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    apply_temperature,
    compute_calibration_error,
    compute_reliability,
    cross_fit,
    fit_temperature,
)
from tests.evaluation.test_compute import make_probabilities


def _sample(*, n, temperature, seed=0):
    """Logits that are `temperature` times too sharp for labels drawn from their probabilities."""
    generator = np.random.default_rng(seed)
    honest = generator.normal(scale=2.0, size=(n, 4)).astype(np.float32)
    shares = apply_temperature(honest, 1.0)
    labels = np.array([generator.choice(4, p=row / row.sum()) for row in shares.astype(np.float64)])
    return honest * temperature, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_fit_temperature_finds_how_much_too_sharp_the_logits_are(temperature):
    logits, labels = _sample(n=4000, temperature=temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.08)


def test_the_fitted_temperature_lowers_the_calibration_error_on_texts_it_was_not_fitted_on():
    logits, labels = _sample(n=4000, temperature=2.5)
    others, other_labels = _sample(n=4000, temperature=2.5, seed=1)
    before = compute_calibration_error(other_labels, apply_temperature(others, 1.0))
    after = compute_calibration_error(other_labels, apply_temperature(others, fit_temperature(logits, labels)))
    assert after < before / 3


def test_a_text_of_one_half_takes_the_temperature_of_the_other_half():
    logits, labels = _sample(n=2000, temperature=2.5)
    shares = cross_fit(logits, labels)
    used = [float((row[0] - row[1]) / np.log(share[0] / share[1])) for row, share in zip(logits, shares, strict=True)]
    one, other = sorted({round(temperature, 2) for temperature in used})
    assert one < fit_temperature(logits, labels) < other


def test_cross_fitting_is_never_kinder_than_fitting_on_the_texts_themselves_where_there_are_few():
    losses = []
    for seed in range(20):
        logits, labels = _sample(n=40, temperature=2.5, seed=seed)
        both = apply_temperature(logits, fit_temperature(logits, labels)), cross_fit(logits, labels)
        losses.append([-np.log(shares[np.arange(40), labels]).mean() for shares in both])
    on_the_texts_themselves, on_the_other_half = np.mean(losses, axis=0)
    assert on_the_other_half > on_the_texts_themselves


@pytest.mark.parametrize("n", [0, 1, 2])
def test_cross_fitting_takes_any_number_of_texts(n):
    assert cross_fit(np.eye(4, dtype=np.float32)[:n], np.arange(n)).shape == (n, 4)


def test_no_temperature_changes_a_predicted_class():
    logits, _ = _sample(n=500, temperature=1.0)
    for temperature in (MIN_TEMPERATURE, 1.7, MAX_TEMPERATURE):
        assert (apply_temperature(logits, temperature).argmax(-1) == logits.argmax(-1)).all()


def test_a_few_texts_that_are_all_right_do_not_make_the_model_certain():
    labels = np.arange(80) % 4
    logits = np.eye(4, dtype=np.float32)[labels] * 3
    confidence = apply_temperature(logits, fit_temperature(logits, labels)).max()
    assert confidence == pytest.approx(81 / 84, abs=0.005)


def test_the_calibration_error_is_as_computed_by_hand():
    # Bins of 1/15. Confidence 0.95 twice, one right: |0.5 - 0.95| * 2; 0.5 twice, both right: |1 - 0.5| * 2; over 4 texts.
    probabilities = make_probabilities([(0, 0.95), (0, 0.95), (1, 0.5), (1, 0.5)])
    error = compute_calibration_error(np.array([0, 1, 1, 1]), probabilities)
    assert error == pytest.approx((0.45 * 2 + 0.5 * 2) / 4)


def test_a_model_that_is_sure_and_right_has_no_calibration_error():
    assert compute_calibration_error(np.array([0, 3]), make_probabilities([(0, 1.0), (3, 1.0)])) == 0


def test_a_model_that_is_sure_and_wrong_has_the_largest():
    assert compute_calibration_error(np.array([1, 2]), make_probabilities([(0, 1.0), (3, 1.0)])) == 1


def test_too_high_and_too_low_confidence_in_different_bins_do_not_cancel():
    probabilities = make_probabilities([(0, 0.9), (0, 0.6)])
    assert compute_calibration_error(np.array([1, 0]), probabilities) == pytest.approx((0.9 + 0.4) / 2)


def test_every_text_is_in_the_bin_of_its_confidence():
    probabilities = make_probabilities([(0, 0.95), (0, 0.95), (1, 0.5)])
    unsure, confident = compute_reliability(np.array([0, 1, 1]), probabilities)
    assert (confident.n, confident.accuracy) == (2, 0.5)
    assert confident.low < 0.95 <= confident.high
    assert (unsure.n, unsure.accuracy, unsure.confidence) == (1, 1.0, pytest.approx(0.5))


@pytest.mark.parametrize("edge", [0.6, 0.8, 1.0])
def test_a_confidence_on_an_edge_is_in_the_bin_below_it(edge):
    (found,) = compute_reliability(np.array([0]), make_probabilities([(0, edge)]))
    assert found.high == pytest.approx(edge)
    assert found.low < edge <= found.high
