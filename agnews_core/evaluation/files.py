"""The evaluation of a split as it is kept in a folder: the report, and beside it what the model said of every text.

    predictions-<split>.parquet    a row for each text, and in the file's metadata the report made of these very rows
    report.json                    the report alone, as people take it along; of the validation split

It computes and predicts nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from agnews_core.whole_files import replacing

if TYPE_CHECKING:
    import pandas as pd

    from agnews_core.evaluation.report import EvaluationReport

Split = Literal["validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
REPORT = "report.json"
_REPORT_KEY = b"agnews_report"


@dataclass(frozen=True)
class Evaluated:
    """A report, and the table of predictions it was made of (as `predictions.build_table` builds it) if that was kept."""

    report: "EvaluationReport"
    table: "pd.DataFrame | None" = None


def write_evaluated(folder: Path, evaluated: Evaluated) -> None:
    """Write the table with its report inside, whole or not at all; an `Evaluated` without a table is not written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if evaluated.table is None:
        return
    table = pa.Table.from_pandas(evaluated.table, preserve_index=False)
    report = {_REPORT_KEY: evaluated.report.model_dump_json().encode()}
    with replacing(_find_file(folder, evaluated.report.split)) as temporary:
        pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), **report}), temporary)


def read_evaluated(folder: Path, split: str) -> Evaluated | None:
    """Read what is kept of a split, or None where it has not been evaluated, or by a version that kept less."""
    import pyarrow.parquet as pq

    from agnews_core.evaluation.report import EvaluationReport

    try:
        table = pq.read_table(_find_file(folder, split))
        report = EvaluationReport.model_validate_json((table.schema.metadata or {})[_REPORT_KEY])
    except (OSError, KeyError, ValueError):  # not there, not parquet, or not a report
        alone = read_report(folder, split)
        return None if alone is None else Evaluated(alone)
    return Evaluated(report, table.to_pandas())


def forget_evaluated(folder: Path) -> None:
    """Remove what is kept of every split, since the model is going to be another one."""
    for path in (folder / REPORT, *(_find_file(folder, split) for split in SPLITS)):
        path.unlink(missing_ok=True)


def _find_file(folder: Path, split: str) -> Path:
    return folder / f"predictions-{split}.parquet"


def read_report(folder: Path, split: str) -> "EvaluationReport | None":
    """Read the report that stands alone, or None where there is none or it is of another split."""
    from agnews_core.evaluation.report import EvaluationReport

    try:
        report = EvaluationReport.model_validate_json((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, not text, or not a report
        return None
    return report if report.split == split else None
