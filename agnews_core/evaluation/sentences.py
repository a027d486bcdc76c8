"""What an evaluation means, in sentences: the same on the page, on the command line, in reports and in a model's card."""

from agnews_core.evaluation.layers import LayerEffects
from agnews_core.evaluation.report import CHANCE, N_BINS, Baseline, EvaluationReport, Share
from agnews_core.runs.resolved import count_of

SMALLEST_P = 0.001


def describe_accuracy(report: EvaluationReport) -> str:
    """Describe how sure the accuracy is, and whether the model was chosen by it."""
    chosen = ""
    if report.is_of_chosen_on:
        scale = report.lora_update_scale
        what = f"checkpoint and the scale of its update ({scale.value:g}) were" if scale.is_fitted else "checkpoint was"
        chosen = f" The model's {what} chosen on these texts; on others it may be a little less accurate."
    elif report.is_held_out:
        chosen = " Nothing was learned from these texts, and nothing chosen on them."
    return (
        f"With {report.n:,} texts, the true share lies between {report.accuracy_low:.1%} and {report.accuracy_high:.1%} "
        f"(95 % interval, Wilson).{chosen}{describe_plain(report)}"
    )


def describe_plain(report: EvaluationReport) -> str:
    """Describe what the model reaches on plain texts, after a space, where that was measured."""
    if report.plain is None:
        return ""
    found = report.plain
    return (
        f" Of {found.n:,} plain texts that it was not trained on, {found.accuracy:.1%} are classified correctly "
        f"({found.accuracy_low:.1%} to {found.accuracy_high:.1%})."
    )


def describe_baseline(report: EvaluationReport, baseline: Baseline | None) -> str:
    """Describe what the plain model reaches on the same texts, and whether the difference is more than chance."""
    if baseline is None:
        return ""
    some = "the" if baseline.n_train == baseline.n_train_available else f"{baseline.n_train:,} of the"
    chance = "unlikely" if baseline.p_value < CHANCE else "likely enough"
    p_value = f"p = {baseline.p_value:.2g}" if baseline.p_value >= SMALLEST_P else f"p < {SMALLEST_P}"
    plain = ""
    if baseline.plain and report.plain:
        reached = f"{baseline.plain.accuracy:.1%}: {_compare(report.plain, baseline.plain)}"
        plain = f" On the same plain texts, {baseline.name} reaches {reached}."
    return (
        f"{baseline.name}, trained on {some} {baseline.n_train_available:,} training texts, reaches {baseline.accuracy:.1%} on "
        f"the same texts: {_compare(report, baseline)}. Only this model gets {baseline.n_only_model_right:,} texts right, only "
        f"the baseline {baseline.n_only_baseline_right:,}; the difference is {chance} to be chance ({p_value}, McNemar's exact "
        f"test).{plain}"
    )


def _compare(own: Share | EvaluationReport, baseline: Share | Baseline) -> str:
    ahead = own.accuracy - baseline.accuracy
    return f"this model is {abs(ahead) * 100:.1f} points {'better' if ahead >= 0 else 'worse'}"


def describe_calibration(report: EvaluationReport) -> str:
    """Describe how far the probabilities can be taken at their word, and on which texts that was measured."""
    error = (
        f"On average the model's probability is {report.expected_calibration_error:.1%} away from how often it is right "
        f"(expected calibration error, {N_BINS} bins)"
    )
    if report.uncalibrated_error is None:
        return f"{error}."
    how = (
        "measured on each half of these texts with a temperature fitted on the other half"
        if report.is_cross_fitted
        else "measured on the very texts that its temperature was fitted on, so that on others it is a little larger"
    )
    return (
        f"{error}, {how}. The model's own temperature ({report.temperature:.2f}) is fitted on them together; without one, the "
        f"error is {report.uncalibrated_error:.1%}."
    )


def describe_origin(report: EvaluationReport) -> str:
    """Name the base model, the seed, the engine and the versions that decide the numbers."""
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return f"Base model {report.backbone}, seed {report.seed}, computed with {report.engine}; {versions}."


def describe_layers(effects: LayerEffects) -> str:
    """Describe which layers' LoRA matters, and of which that cannot be told."""
    told = sorted((it for it in effects.layers if it.is_told), key=lambda it: -it.lost)
    found = [f"without layer {it.layer}, {it.points} points are lost" for it in told]
    if untold := " or ".join(str(it.layer) for it in effects.layers if not it.is_told):
        found.append(f"without layer {untold}, no difference can be told from chance (McNemar's exact test)")
    said = "; ".join(found)
    together = " The losses do not add up: layers stand in for each other." if len(effects.layers) > 1 else ""
    return (
        f"The LoRA of each layer was switched off in turn, on {count_of(effects.n, effects.n_available)} {effects.split} texts, "
        f"of which the whole model gets {effects.accuracy:.1%} right. {said[0].upper()}{said[1:]}. ± is one standard error."
        f"{together}"
    )
