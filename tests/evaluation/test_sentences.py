import numpy as np
import pytest

from agnews_core.evaluation.compute import compute_share
from agnews_core.evaluation.layers import LayerEffect, LayerEffects
from agnews_core.evaluation.sentences import (
    describe_accuracy,
    describe_baseline,
    describe_calibration,
    describe_layers,
)
from tests.evaluation.test_page import BASELINE, report  # noqa: F401  # a fixture


def test_the_baseline_is_described_in_points_and_with_what_it_was_trained_on(report):  # noqa: F811
    said = describe_baseline(report, BASELINE)
    assert "trained on 100 of the 250 training texts, reaches 50.0%" in said
    assert "this model is 25.0 points better" in said
    assert describe_baseline(report, None) == ""


def test_what_the_baseline_reaches_on_the_same_plain_texts_is_said_beside_the_models_share(report):  # noqa: F811
    own, others = (compute_share(np.arange(20) < n_right) for n_right in (18, 15))
    of_plain = report.model_copy(update={"plain": own})
    assert "Of 20 plain texts that it was not trained on, 90.0% are classified correctly" in describe_accuracy(of_plain)
    said = describe_baseline(of_plain, BASELINE.model_copy(update={"plain": others}))
    assert said.endswith(
        " On the same plain texts, TF-IDF and logistic regression reaches 75.0%: this model is 15.0 points better."
    )
    assert "plain" not in describe_baseline(of_plain, BASELINE)


def test_whether_chance_alone_could_make_the_difference_is_said(report):  # noqa: F811
    said = describe_baseline(report, BASELINE)
    assert (
        "Only this model gets 2 texts right, only the baseline 1; the difference is likely enough to be chance (p = 1,"
        in said
    )
    apart = BASELINE.model_copy(update={"p_value": 0.0167})
    assert "is unlikely to be chance (p = 0.017, McNemar's exact test)." in describe_baseline(report, apart)
    assert "(p < 0.001," in describe_baseline(report, BASELINE.model_copy(update={"p_value": 1e-9}))


def test_that_a_model_was_chosen_on_these_texts_is_said_with_its_accuracy(report):  # noqa: F811
    own = report.model_copy(update={"uncalibrated_error": 0.03})
    said = "The model's checkpoint was chosen on these texts; on others it may be a little less accurate."
    assert said in describe_accuracy(own)
    assert "chosen" not in describe_accuracy(report)


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({}, "(expected calibration error, 15 bins)."),
        (
            {"uncalibrated_error": 0.03},
            "measured on the very texts that its temperature was fitted on, so that on others it is a little larger. The model's",
        ),
        (
            {"uncalibrated_error": 0.03, "is_cross_fitted": True, "temperature": 1.25},
            "measured on each half of these texts with a temperature fitted on the other half. The model's own temperature "
            "(1.25) is fitted on them together; without one, the error is 3.0%.",
        ),
    ],
)
def test_on_which_texts_the_calibration_error_was_measured_is_said(report, changes, how):  # noqa: F811
    assert how in describe_calibration(report.model_copy(update=changes))


def _build_effects(*effects):
    layers = [
        LayerEffect(layer=layer, r=8, parameters=100, lost=lost, error=0.004, p_value=p_value)
        for layer, lost, p_value in effects
    ]
    return LayerEffects(
        split="validation",
        n=2000,
        n_available=7864,
        accuracy=0.935,
        layers=layers,
        engine="x",
        seconds=1.0,
        created_at="x",
    )


def test_layers_are_told_by_what_is_lost_without_them_and_chance_is_called_chance():
    said = describe_layers(_build_effects((2, 0.001, 0.7), (3, -0.002, 0.3), (4, 0.01, 0.01), (5, 0.031, 1e-9)))
    assert "on 2,000 of 7,864 validation texts, of which the whole model gets 93.5% right." in said
    assert "Without layer 5, 3.1 ± 0.4 points are lost; without layer 4, 1.0 ± 0.4 points are lost; " in said
    assert "; without layer 2 or 3, no difference can be told from chance (McNemar's exact test)." in said
    assert said.endswith("The losses do not add up: layers stand in for each other.")


def test_of_a_single_layer_nothing_is_said_of_others():
    said = describe_layers(_build_effects((11, 0.2, 1e-9)))
    assert said.endswith("Without layer 11, 20.0 ± 0.4 points are lost. ± is one standard error.")
