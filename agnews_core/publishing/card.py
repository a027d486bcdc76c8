"""The model card of an exported model: how good it is and how it was made. A figure says on which texts it was measured."""

from huggingface_hub import EvalResult

from agnews_core.config import TrainConfig
from agnews_core.evaluation.report import REPORT, EvaluationReport
from agnews_core.evaluation.sentences import describe_accuracy, describe_calibration
from agnews_core.models.adapters import AdapterInfo
from agnews_core.models.card import build_card
from agnews_core.news.sources import HUB_DATASET


def describe_model(
    info: AdapterInfo, config: TrainConfig, report: EvaluationReport | None, versions: dict[str, str]
) -> str:
    """Build the card of a model with its figures and the way to make it again."""
    making = _describe_making(config, report, versions)
    if report is None:
        return build_card(info, making)
    return build_card(info, _describe_quality(report), making, results=_list_results(report))


def _list_results(report: EvaluationReport) -> list[EvalResult]:
    figures = {
        "accuracy": ("Accuracy", report.accuracy, None),
        "f1": ("Macro F1", report.f1_macro, {"average": "macro"}),
    }
    return [
        EvalResult(
            task_type="text-classification",
            dataset_type=HUB_DATASET if HUB_DATASET in report.data_source else "other",
            dataset_name=f"{report.n:,} texts of {report.data_source}",
            dataset_split=report.split,
            metric_type=kind,
            metric_name=name,
            metric_value=round(value, 4),
            metric_args=arguments,
        )
        for kind, (name, value, arguments) in figures.items()
    ]


def _describe_quality(report: EvaluationReport) -> str:
    return f"""## How good it is

On {report.n:,} texts that were not trained on ({report.split} split): accuracy {report.accuracy:.4f}, macro F1
{report.f1_macro:.4f}. {describe_accuracy(report)}

{describe_calibration(report)} `{REPORT}` has the rest, without the texts.
"""


def _describe_making(config: TrainConfig, report: EvaluationReport | None, versions: dict[str, str]) -> str:
    counts = report.data_counts if report else {}
    trained = f"Trained on {counts['n_train']:,} texts from {counts['source']}. " if counts else ""
    data = " --data FOLDER" if config.data == "auto" else ""
    return f"""## How it was made

{trained}With seed {config.seed} and {", ".join(f"{name} {version}" for name, version in versions.items())}:

    python -m agnews_core train --config config.json{data}
"""
