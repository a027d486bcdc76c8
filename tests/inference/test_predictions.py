import numpy as np
import pytest

from agnews_core.evaluation.calibration import apply_temperature
from agnews_core.inference.predictions import Prediction


@pytest.mark.parametrize("low", [0.4, 0.45, 0.5, 0.55])
def test_of_calibrated_answers_those_that_are_not_sure_are_wrong_more_often_than_not_and_no_others(low):
    draw = np.random.default_rng(0)
    shares = apply_temperature(draw.normal(size=(20_000, 4)).astype(np.float32), 1.0)
    shares = shares[(shares.max(-1) >= low) & (shares.max(-1) < low + 0.05)]
    labels = (shares.cumsum(-1) < draw.random((len(shares), 1))).sum(-1)  # what is right as often as it is said to be
    is_mostly_wrong = bool((shares.argmax(-1) != labels).mean() > 0.5)
    assert {Prediction("x", 0, tuple(row)).is_unsure for row in shares} == {is_mostly_wrong}
