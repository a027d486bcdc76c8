"""The evaluation of a split as it is kept in a folder.

    predictions-<split>.parquet    what the model said of every text, and in the metadata the report made of these very rows
    report.json                    the report alone, as people take it along; of the validation split
    baseline-<split>.json          what a plain model reaches on the same texts
    layers-<split>.json            how much each layer's LoRA matters, where that was measured

It computes and predicts nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from agnews_core.evaluation.layers import LayerEffects
from agnews_core.evaluation.report import MAX_REPORT_BYTES, REPORT, SPLITS, Baseline, EvaluationReport, read_lone_report
from agnews_core.whole_files import read_regular, replacing, write_whole

if TYPE_CHECKING:
    import pandas as pd

Kept = TypeVar("Kept", Baseline, LayerEffects)
_REPORT_KEY = b"agnews_report"


@dataclass(frozen=True)
class Evaluated:
    """A report, and the table of predictions it was made of (as `tables.build_table` builds it)."""

    report: EvaluationReport
    table: "pd.DataFrame"


@dataclass(frozen=True)
class Assessment:
    """The report of a model, the baseline on the same texts and its layers; None where that was not computed."""

    report: EvaluationReport
    baseline: Baseline | None = None
    layers: LayerEffects | None = None


def write_evaluated(folder: Path, evaluated: Evaluated) -> None:
    """Write the table with its report inside, whole or not at all."""
    table = pa.Table.from_pandas(evaluated.table, preserve_index=False)
    report = {_REPORT_KEY: evaluated.report.model_dump_json().encode()}
    with replacing(_find_table(folder, evaluated.report.split)) as temporary:
        pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), **report}), temporary)


def read_evaluated(folder: Path, split: str) -> Evaluated | None:
    """Read what is kept of a split with its table, or None where there is no such table."""
    report = _read_inner_report(folder, split)
    return None if report is None else Evaluated(report, pq.read_table(_find_table(folder, split)).to_pandas())


def read_report(folder: Path, split: str) -> EvaluationReport | None:
    """Read the report of a split, or None where it has not been evaluated."""
    return _read_inner_report(folder, split) or read_lone_report(folder, split)


def read_assessment(folder: Path, split: str) -> Assessment | None:
    """Read the report of a split with all its parts, or None where it has not been evaluated."""
    report = read_report(folder, split)
    return None if report is None else Assessment(report, read_baseline(folder, split), read_layers(folder, split))


def read_baseline(folder: Path, split: str) -> Baseline | None:
    """Read the baseline that is kept, if one is."""
    return _read(Baseline, _find_baseline(folder, split))


def write_assessment(folder: Path, assessment: Assessment) -> None:
    """Write a report and what belongs to it, without what the model said of every text."""
    write_whole(folder / REPORT, assessment.report.model_dump_json(indent=2) + "\n")
    if assessment.baseline:
        write_baseline(folder, assessment.report.split, assessment.baseline)
    if assessment.layers:
        write_layers(folder, assessment.layers)


def write_baseline(folder: Path, split: str, baseline: Baseline) -> None:
    """Keep a baseline beside the evaluation it belongs to."""
    write_whole(_find_baseline(folder, split), baseline.model_dump_json(indent=2) + "\n")


def read_layers(folder: Path, split: str) -> LayerEffects | None:
    """Read what is kept of the layers, if anything is."""
    return _read(LayerEffects, _find_layers(folder, split))


def write_layers(folder: Path, effects: LayerEffects) -> None:
    """Keep what was measured of the layers beside the evaluation on the same split."""
    write_whole(_find_layers(folder, effects.split), effects.model_dump_json(indent=2) + "\n")


def forget_evaluated(folder: Path) -> None:
    """Remove what is kept of every split, since the model is going to be another one."""
    for path in (folder / REPORT, *(find(folder, split) for split in SPLITS for find in (_find_table, _find_layers))):
        path.unlink(missing_ok=True)


def _find_table(folder: Path, split: str) -> Path:
    return folder / f"predictions-{split}.parquet"


def _find_baseline(folder: Path, split: str) -> Path:
    return folder / f"baseline-{split}.json"


def _find_layers(folder: Path, split: str) -> Path:
    return folder / f"layers-{split}.json"


def _read(schema: type[Kept], path: Path) -> Kept | None:
    try:
        return schema.model_validate_json(read_regular(path, at_most_bytes=MAX_REPORT_BYTES))
    except (OSError, ValueError):  # not there, not text, or not what it should be
        return None


def _read_inner_report(folder: Path, split: str) -> EvaluationReport | None:
    """Read the report in a table's metadata, without the table."""
    path = _find_table(folder, split)
    try:
        if path.is_file():
            return EvaluationReport.model_validate_json((pq.read_schema(path).metadata or {})[_REPORT_KEY])
    except (OSError, KeyError, ValueError):  # not parquet, or no report; pyarrow's own errors are kinds of these
        pass
    return None
