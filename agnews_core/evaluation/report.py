"""How good a model is, as it is kept and shown. A schema: it computes nothing and loads nothing heavy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from agnews_core.models.adapters import UpdateScale
from agnews_core.whole_files import read_regular

Split = Literal["validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
N_BINS = 15  # of confidence, of equal width from 0 to 1
REPORT = "report.json"  # the evaluation on the validation split, as a folder keeps it and people take it along
MAX_REPORT_BYTES = 10_000_000
CHANCE = 0.05  # what chance alone makes of two equal models less often than this is taken for a difference


class ClassScores(BaseModel):
    """Scores of one class; `support` is how many texts have it."""

    label_name: str
    precision: float
    recall: float
    f1: float
    support: int


class Mistake(BaseModel):
    """A text whose class was not found, and how sure the model was of the wrong one."""

    row: int
    text: str
    label: int
    predicted: int
    probability: float


@dataclass(frozen=True)
class ReliabilityBin:
    """The n texts whose confidence lies in (low, high]: what it was on average, and the share that was right."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


class Share(BaseModel):
    """The share of n texts that was classified correctly, with its 95 % Wilson interval."""

    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float


class EvaluationReport(BaseModel):
    """How good a model is on one split.

    Attributes:
        accuracy_low: Lower end of the 95 % Wilson interval of `accuracy`.
        accuracy_high: Its upper end.
        confusion_matrix: 4 rows (true class) of 4 counts (predicted class).
        expected_calibration_error: Mean distance of confidence from accuracy over 15 bins of equal width, 0-1.
        reliability: How often the model was right by how sure it was; bins without a text are left out.
        is_cross_fitted: Whether the two above were measured with temperatures that were fitted on the other half of the texts.
        mistakes: The most confident ones, most confident first.
        temperature: What the model's logits were divided by.
        engine: What computed the logits, which is what answers too.
        lora_update_scale: How much of LoRA's update the model has.
        uncalibrated_error: The calibration error without that division, where these are the validation texts of the model's own
            run, on which its temperature was fitted and its best checkpoint chosen, and the scale of its update if that was.
        is_ag_news: Whether the texts are AG News', for which there are published figures; not recorded by the first versions.
        plain: What it reaches on the plain validation texts of its run, where there are some; all else is of the other texts.
        is_held_out: Whether the texts are validation texts that the model's run has never seen.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1  # the first reports had no number
    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    f1_macro: float
    precision_macro: float
    recall_macro: float
    per_class: list[ClassScores]
    confusion_matrix: list[list[int]]
    expected_calibration_error: float
    reliability: list[ReliabilityBin] = []
    is_cross_fitted: bool = False
    mistakes: list[Mistake]
    split: str
    data_source: str
    data_counts: dict[str, Any]
    backbone: str
    seed: int
    temperature: float = 1.0
    engine: str = "PyTorch in fp32"  # which it was before there was a choice
    lora_update_scale: UpdateScale = UpdateScale()
    uncalibrated_error: float | None = None
    is_ag_news: bool = False
    plain: Share | None = None
    is_held_out: bool = False
    versions: dict[str, str]
    created_at: str

    @property
    def is_of_chosen_on(self) -> bool:
        """Whether the model's checkpoint and temperature were chosen on these very texts."""
        return self.uncalibrated_error is not None


def read_lone_report(folder: Path, split: str) -> EvaluationReport | None:
    """Read report.json, or None where there is none or it is of another split."""
    try:
        report = EvaluationReport.model_validate_json(read_regular(folder / REPORT, at_most_bytes=MAX_REPORT_BYTES))
    except (OSError, ValueError):  # not there, not text, or not a report
        return None
    return report if report.split == split else None


class Baseline(BaseModel):
    """How the plain model does on the rows of an evaluation.

    Attributes:
        n_train: Texts it was trained on, out of `n_train_available`.
        n: Texts it was measured on.
        n_only_model_right: Texts that the evaluated model alone has right.
        n_only_baseline_right: Texts that the plain model alone has right.
        p_value: How likely two equally good models would differ as much on these texts (McNemar's exact test).
        rows_digest: Tells the rows, and what the evaluated model said of them, from others.
        plain: What it reaches on the plain texts that the evaluation is of too, where there are some.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    name: str = "TF-IDF and logistic regression"
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    n: int
    n_only_model_right: int
    n_only_baseline_right: int
    p_value: float
    n_train: int
    n_train_available: int
    fit_seconds: float
    rows_digest: str
    plain: Share | None = None
