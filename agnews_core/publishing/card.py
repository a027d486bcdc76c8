"""The model card of an exported model: what it is for, where it is wrong, how good it is and how it was made.

A figure says on which texts it was measured, how sure it is, and whether the model was chosen by it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from huggingface_hub import EvalResult

from agnews_core.config import TrainConfig
from agnews_core.evaluation.figures import Figures
from agnews_core.evaluation.files import Assessment
from agnews_core.evaluation.report import REPORT, EvaluationReport, Share
from agnews_core.evaluation.sentences import (
    describe_accuracy,
    describe_baseline,
    describe_calibration,
    describe_layers,
)
from agnews_core.labels import LABELS
from agnews_core.models.adapters import AdapterInfo
from agnews_core.models.card import build_card
from agnews_core.news.sources import HUB_DATASET
from agnews_core.runs.presets import describe_settings


@dataclass(frozen=True)
class ModelFacts:
    """What a card is made of.

    Attributes:
        seconds: What the training took, that of its teachers too; None where it is not known.
        measured: How good it is, None where that was not measured.
        figures: How good it is on other texts, likewise.
        is_of_recipe: Whether it was made from a recipe that lies beside the card.
    """

    info: AdapterInfo
    config: TrainConfig
    versions: dict[str, str]
    machine: str
    seconds: float | None
    measured: Assessment | None
    figures: Figures | None
    is_of_recipe: bool


def describe_model(facts: ModelFacts) -> str:
    """Build the card of a model."""
    sections = [_USE, _describe_limits(facts), _describe_quality(facts), _describe_making(facts)]
    return build_card(facts.info, *filter(None, sections), results=_list_results(facts))


_USE = """## What it is for

It gives a short English news text, a headline or a few sentences, one of four classes, with a probability for each. It is made
for trying out, for teaching, and as a start for a model of your own. It is not made to decide anything about people.
"""


def _describe_limits(facts: ModelFacts) -> str:
    report = facts.measured.report if facts.measured else None
    limits = [
        f"It knows four classes and nothing else. Whatever it is given gets one of them: {', '.join(LABELS)}. A recipe, a "
        "program's text or a poem gets one too.",
        "It reads English. In other languages its answers, and how sure it seems, mean nothing.",
    ]
    if report and report.is_ag_news:
        limits.append(
            "AG News is news of 2004 and the years around it. People, companies and things of later years are unknown to it, and "
            "its labels come from the sections of news sites, some of which are wrong themselves."
        )
    if report and (confused := _describe_confusion(report)):
        limits.append(confused)
    if facts.figures:
        worst, share = min(facts.figures.shares.items(), key=lambda it: it[1].accuracy)
        limits.append(
            f"People write otherwise than news agencies: of all texts below, it is weakest on {worst} "
            f"({share.accuracy:.1%} right)."
        )
    return "## Where it is wrong\n\n" + "\n".join(f"- {limit}" for limit in limits) + "\n"


def _describe_confusion(report: EvaluationReport) -> str:
    """Describe which class is taken for which other one most often."""
    counts = np.array(report.confusion_matrix)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    true, predicted = np.unravel_index(shares.argmax(), shares.shape)
    if not shares[true, predicted]:
        return ""
    return (
        f"What it confuses most: of 100 {LABELS[true]} texts, about {shares[true, predicted] * 100:.0f} are called "
        f"{LABELS[predicted]}. Where two classes come close, look at the probabilities."
    )


def _describe_quality(facts: ModelFacts) -> str:
    if facts.measured is None:
        return ""
    report = facts.measured.report
    rows: list[tuple[str, EvaluationReport | Share]] = [(f"{report.split} texts of {report.data_source}", report)]
    rows += [("plain validation texts", report.plain)] if report.plain else []
    rows += list(facts.figures.shares.items()) if facts.figures else []
    lines = "\n".join(
        f"| {name} | {it.n:,} | {it.accuracy:.1%} | {it.accuracy_low:.1%} to {it.accuracy_high:.1%} |"
        for name, it in rows
    )
    sentences = [
        describe_accuracy(report),
        _describe_choice(facts),
        describe_baseline(report, facts.measured.baseline),
        f"{describe_calibration(report)} `{REPORT}` has the rest, without the texts.",
        describe_layers(facts.measured.layers) if facts.measured.layers else "",
    ]
    return f"""## How good it is

None of these texts was trained on. The interval is where the share of right answers on endlessly many such texts lies, with 95 %
certainty.

| texts | how many | right | 95 % interval |
| --- | ---: | ---: | --- |
{lines}

On {report.n:,} texts that were not trained on ({report.split} split): accuracy {report.accuracy:.4f}, macro F1
{report.f1_macro:.4f} (each class's precision and recall in one figure, and of those the mean).

{chr(10).join(f"{sentence}{chr(10)}" for sentence in sentences if sentence)}"""


def _describe_choice(facts: ModelFacts) -> str:
    if not (facts.measured and facts.measured.report.is_held_out):
        return ""
    counts = facts.measured.report.data_counts
    plain = f" and {counts['n_plain_validation']:,} plain ones" if facts.config.plain_weight else ""
    scale = "how much of LoRA's update counts, " if facts.info.lora_update_scale.is_fitted else ""
    return (
        f"The checkpoint that was kept, {scale}and the number by which its outputs are divided to make them probabilities, were "
        f"chosen on {counts['n_validation']:,} other validation texts{plain}."
    )


def _describe_making(facts: ModelFacts) -> str:
    config, counts = facts.config, facts.measured.report.data_counts if facts.measured else {}
    trained = f"Trained on {counts['n_train']:,} texts from {counts['source']}, " if counts else "Trained "
    teachers = f"{len(config.teachers)} other models" if len(config.teachers) > 1 else "another model"
    learned = f" It also learned from the answers of {teachers} of its kind." if config.teachers else ""
    data = " --data FOLDER" if config.data == "auto" else ""
    command = "make recipe.yaml" if facts.is_of_recipe else "train --config config.json"
    return f"""## How it was made

{trained}with {describe_settings(config)}.{learned}{_describe_effort(facts)} With seed {config.seed} and
{", ".join(f"{name} {version}" for name, version in facts.versions.items())}:

    python -m agnews_core {command}{data}
"""


def _describe_effort(facts: ModelFacts) -> str:
    if facts.seconds is None:
        return ""
    hours, minutes = facts.seconds / 3600, facts.seconds / 60
    took = (
        f"{hours:.1f} hours"
        if hours >= 2
        else f"{minutes:.0f} minutes"
        if minutes >= 2
        else f"{facts.seconds:.0f} seconds"
    )
    teachers = ", its teachers' too," if facts.config.teachers else ""
    return f" The training{teachers} took {took}{f' on {facts.machine}' if facts.machine else ''}."


def _list_results(facts: ModelFacts) -> list[EvalResult]:
    """List the figures as the hub reads them."""
    if facts.measured is None:
        return []
    report = facts.measured.report
    news = {
        "dataset_type": HUB_DATASET if report.is_ag_news or HUB_DATASET in report.data_source else "other",
        "dataset_name": f"{report.n:,} texts of {report.data_source}",
        "dataset_split": report.split,
    }
    results = [
        _build_result("accuracy", "Accuracy", report.accuracy, **news),
        _build_result("f1", "Macro F1", report.f1_macro, metric_args={"average": "macro"}, **news),
    ]
    for name, share in (facts.figures.shares if facts.figures else {}).items():
        # The hub tells results apart by their configuration, not by their name.
        where = {"dataset_type": "other", "dataset_name": f"{share.n:,} {name}", "dataset_config": name}
        results.append(_build_result("accuracy", "Accuracy", share.accuracy, dataset_split="test", **where))
    return results


def _build_result(kind: str, name: str, value: float, **more: Any) -> EvalResult:
    return EvalResult(
        task_type="text-classification", metric_type=kind, metric_name=name, metric_value=round(value, 4), **more
    )
