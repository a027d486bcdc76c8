"""The command that measures a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agnews_core.cli.models import find_model, load_classifier
from agnews_core.cli.options import JSON_OPTION, MODEL_OPTIONS, ModelOptions, collect
from agnews_core.cli.output import check_output, print_json, progress, quiet_stdout
from agnews_core.config import TrainConfig, build_config
from agnews_core.errors import ConfigError
from agnews_core.evaluation.layers import MAX_TEXTS, LayerEffects
from agnews_core.evaluation.report import REPORT, SPLITS, Baseline, EvaluationReport, Split
from agnews_core.evaluation.sentences import describe_accuracy, describe_baseline, describe_calibration, describe_layers
from agnews_core.inference.catalogue import TrainedModel
from agnews_core.news.sets import find_set, is_set
from agnews_core.news.sources import find_news
from agnews_core.runs import Run
from agnews_core.runs.sets import uses
from agnews_core.whole_files import write_whole

if TYPE_CHECKING:
    from agnews_core.evaluation.files import Evaluated
    from agnews_core.inference.assess import LabelledTexts


@dataclass(frozen=True)
class _Texts:
    """Which texts a model is measured on."""

    asked_split: Split | None
    data: str | None
    max_eval_samples: int | None

    @property
    def split(self) -> Split:
        """The split asked for; by default the validation texts, and of a set all of it, which is its test split."""
        return self.asked_split or ("test" if self.data and is_set(self.data) else "validation")

    @property
    def are_all_own(self) -> bool:
        """Whether they are a whole split of the run's own news."""
        return self.data is None and self.max_eval_samples is None


@click.command(short_help="Measure a model and save its report.")
@MODEL_OPTIONS
@collect(_Texts, "texts")
@click.option(
    "--split",
    "asked_split",
    type=click.Choice(SPLITS),
    help="The run's validation texts, or those of the test file. Default: validation, and of a set all texts.",
)
@click.option("--data", help="Evaluate on this news, or this set (set:NAME), instead of the run's own.")
@click.option("--max-eval-samples", type=click.IntRange(min=1), help="Use at most this many texts.")
@click.option(
    "--baseline",
    "with_baseline",
    is_flag=True,
    help="Also measure a plain model (TF-IDF) on the same texts of the run.",
)
@click.option(
    "--layers",
    "with_layers",
    is_flag=True,
    help=f"Also measure what the model loses without each layer's LoRA, on at most {MAX_TEXTS:,} of these texts.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the report goes. Default: the run's report.json for its own validation split, else ./report.json.",
)
@JSON_OPTION
def evaluate(
    model: ModelOptions, texts: _Texts, with_baseline: bool, with_layers: bool, output: Path | None, as_json: bool
) -> None:
    """Measure a model on the validation texts that it was not trained on, or on the test file, and save report.json."""
    with quiet_stdout(as_json) as out:
        found = find_model(model)
        kept_in = found.run if texts.are_all_own and output is None else None  # where the page shows it
        if with_baseline and kept_in is None:
            raise ConfigError(
                "--baseline is kept with a run and trained on its texts; name a run, and leave out --data, --max-eval-samples "
                "and --output."
            )
        config = _choose_news(found.run, texts, model.runs_dir)
        where = output or (kept_in.path if kept_in and texts.split == "validation" else Path()) / REPORT
        for path in find_news(config.data).path.iterdir():
            check_output(where, read=path)
        from agnews_core.inference import assess

        classifier = load_classifier(found)
        rows = assess.load_texts(
            config,
            split=texts.split,
            is_own=found.run is not None and texts.data is None,
            at_most=texts.max_eval_samples,
        )
        with progress("Evaluating", len(rows.texts), unit=" texts") as tell:
            evaluated = assess.evaluate(classifier, rows, tell)
        _write(where, evaluated.report.model_dump_json(indent=2))
        baseline = _keep(kept_in, evaluated, config, with_baseline=with_baseline) if kept_in else None
        layers = _measure_layers(found, rows, kept_in) if with_layers else None
    if as_json:
        parts = {"baseline": baseline, "layers": layers}
        known = {name: part.model_dump() for name, part in parts.items() if part}
        print_json({**evaluated.report.model_dump(), **known}, out)
    else:
        _print_report(evaluated.report, baseline, where)
        _print_layers(layers)


def _choose_news(run: Run | None, texts: _Texts, runs_dir: Path | None) -> TrainConfig:
    """Return the settings that say which texts; and say so where the model may have been trained on some of them."""
    config = run.read_resolved_config() if run else build_config()
    found = find_set(texts.data, runs_dir) if texts.data and is_set(texts.data) else None
    if run and found and uses(run, found):
        click.echo(
            f"The model was trained on texts of the set {found.name}, and looks better on it than it is.", err=True
        )
    elif texts.split == "validation" and (run is None or texts.data is not None):
        click.echo("Which of these texts this model was trained on is not known here; there may be some.", err=True)
    if not texts.data:
        return config
    return config.model_copy(update={"data": str(found.path) if found else texts.data, "more_train_files": ()})


def _keep(run: Run, evaluated: "Evaluated", config: TrainConfig, *, with_baseline: bool) -> Baseline | None:
    """Keep an evaluation of a run's own split where the page shows it."""
    from agnews_core.evaluation.baseline import load_baseline
    from agnews_core.evaluation.files import write_evaluated

    write_evaluated(run.path, evaluated)
    return load_baseline(run.path, evaluated, config) if with_baseline else None


def _measure_layers(model: TrainedModel, texts: "LabelledTexts", kept_in: Run | None) -> LayerEffects:
    """Measure the model without each layer's LoRA, and keep that where the page shows it, where that is so."""
    from agnews_core.evaluation.files import write_layers
    from agnews_core.inference.layer_effects import compute_layer_effects

    with progress("Measuring the layers", min(len(texts.texts), MAX_TEXTS), unit=" texts") as tell:
        effects = compute_layer_effects(model, texts, tell)
    if kept_in:
        write_layers(kept_in.path, effects)
    return effects


def _print_layers(effects: LayerEffects | None) -> None:
    if effects is None:
        return
    click.echo(describe_layers(effects))
    for it in effects.layers:
        click.echo(
            f"  layer {it.layer:2}  rank {it.r:3}  {it.parameters:9,} parameters  {it.points:>12} points lost without"
        )


def _print_report(report: EvaluationReport, baseline: Baseline | None, where: Path) -> None:
    click.echo(f"{report.n:,} {report.split} texts from {report.data_source}")
    click.echo(f"Accuracy {report.accuracy:.1%}. {describe_accuracy(report)}")
    for scores in report.per_class:
        click.echo(
            f"  {scores.label_name:9} precision {scores.precision:.3f}  recall {scores.recall:.3f}  f1 {scores.f1:.3f}"
            f"  ({scores.support:,} texts)"
        )
    for sentence in (describe_baseline(report, baseline), describe_calibration(report)):
        if sentence:
            click.echo(sentence)
    click.echo(f"report: {where}")


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; choose another place with --output.") from error
