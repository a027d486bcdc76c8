"""The command that measures a model."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agnews_core.cli.options import MODEL_OPTIONS
from agnews_core.cli.output import print_json, quiet_stdout
from agnews_core.config import TrainConfig, build_config
from agnews_core.errors import ConfigError
from agnews_core.evaluation.files import REPORT
from agnews_core.runs import Run
from agnews_core.whole_files import write_whole

if TYPE_CHECKING:
    from agnews_core.evaluation.files import Evaluated
    from agnews_core.evaluation.report import Baseline, EvaluationReport
from agnews_core.cli.models import find_adapter, load_classifier


@click.command()
@MODEL_OPTIONS
@click.option(
    "--split",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="The texts kept aside from training, or those of the test file.",
)
@click.option("--data", help="Evaluate on this news instead of the run's own.")
@click.option("--max-eval-samples", type=click.IntRange(min=1), help="Use at most this many texts.")
@click.option(
    "--baseline",
    "with_baseline",
    is_flag=True,
    help="Also measure a plain model (TF-IDF) on the same texts of the run.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Where the report goes. Default: the run's report.json for its own validation split, else ./report.json.",
)
def evaluate(
    run_name: str | None,
    adapter: Path | None,
    backbone: str | None,
    runs_dir: Path | None,
    as_json: bool,
    split: str,
    data: str | None,
    max_eval_samples: int | None,
    with_baseline: bool,
    output: Path | None,
) -> None:
    """Measure a model on the validation split it never trained on, or on the test file, and save report.json."""
    changes = {"data": data, "max_eval_samples": max_eval_samples}
    changes = {name: value for name, value in changes.items() if value is not None}
    with quiet_stdout(as_json) as out:
        adapter_dir, run = find_adapter(run_name, adapter, runs_dir)
        kept_in = run if not changes and output is None else None  # where the page shows it
        if with_baseline and kept_in is None:
            raise ConfigError(
                "--baseline is kept with a run and trained on its texts; name a run, and leave out --data, --max-eval-samples "
                "and --output."
            )
        config = (run.read_resolved_config() if run else build_config()).model_copy(update=changes)
        from agnews_core.inference.assess import evaluate as compute

        if run is None and split == "validation":
            click.echo(
                "Which texts this model was trained on is not known here: some of these may be among them.", err=True
            )
        classifier = load_classifier(adapter_dir, run, backbone)
        evaluated = compute(classifier, config, split=split, is_own=kept_in is not None)
        where = output or (kept_in.path if kept_in and split == "validation" else Path()) / REPORT
        _write(where, evaluated.report.model_dump_json(indent=2))
        baseline = _keep(kept_in, evaluated, config, with_baseline=with_baseline) if kept_in else None
    if as_json:
        print_json({**evaluated.report.model_dump(), **({"baseline": baseline.model_dump()} if baseline else {})}, out)
    else:
        _print_report(evaluated.report, baseline, where)


def _keep(run: Run, evaluated: "Evaluated", config: TrainConfig, *, with_baseline: bool) -> "Baseline | None":
    """Keep an evaluation of a run's own split where the page shows it."""
    from agnews_core.evaluation.baseline import load_baseline
    from agnews_core.evaluation.files import write_evaluated

    write_evaluated(run.path, evaluated)
    if not with_baseline or evaluated.table is None:
        return None
    return load_baseline(run.path, evaluated.report.split, evaluated.table, config)


def _print_report(report: "EvaluationReport", baseline: "Baseline | None", where: Path) -> None:
    click.echo(f"{report.n:,} {report.split} texts from {report.data_source}")
    click.echo(
        f"accuracy {report.accuracy:.4f} (95 % interval {report.accuracy_low:.4f} to {report.accuracy_high:.4f})"
    )
    for scores in report.per_class:
        click.echo(
            f"  {scores.label_name:9} precision {scores.precision:.3f}  recall {scores.recall:.3f}  f1 {scores.f1:.3f}"
            f"  ({scores.support:,} texts)"
        )
    if baseline is not None:
        click.echo(f"{baseline.name}, trained on {baseline.n_train:,} texts: accuracy {baseline.accuracy:.4f}")
    click.echo(f"expected calibration error {report.expected_calibration_error:.4f}; report: {where}")


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; choose another place with --output.") from error
