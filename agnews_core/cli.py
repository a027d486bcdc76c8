"""The command line: plan, train, evaluate, predict, classify, runs.

With --json, standard output is exactly one JSON value and everything else goes to standard error. Exit status 0: fine; 2: the
user's mistake, told in a sentence; 130: interrupted. Nothing heavy is imported before a command runs, so that --help is
instant.
"""

import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, Literal, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from agnews_core import __version__
from agnews_core.config import PRESETS, TrainConfig, build_config, read_settings, write_settings
from agnews_core.errors import AgNewsError, ConfigError, RunError
from agnews_core.runs import (
    Run,
    RunStatus,
    create_run,
    find_newest_run,
    find_run,
    find_runs_dir,
    list_runs,
)
from agnews_core.whole_files import write_whole

if TYPE_CHECKING:
    from agnews_core.inference import Classifier
    from agnews_core.training import TrainResult

EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    try:
        result = commands.main(args=arguments, prog_name="python -m agnews_core", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return EXIT_MISTAKE
    except click.ClickException as error:
        return _fail(error.format_message())
    except AgNewsError as error:
        return _fail(str(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def _fail(message: str) -> int:
    click.echo(f"Error: {message}", err=True)
    return EXIT_MISTAKE


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="agnews_core")
def commands() -> None:
    """Fine-tune BERT-family models with LoRA on AG News, evaluate them, and classify news with them."""


def _with_options(options: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _setting_option(name: str, field: FieldInfo) -> Callable[[Any], Any]:
    """Make the flag of a setting. Its value stays text: `TrainConfig` reads and checks it, as it does a file's."""
    extra = field.json_schema_extra
    group = extra["group"] if isinstance(extra, dict) else ""
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    about = f" One of {', '.join(choices)}." if choices else ""
    return click.option(
        _flag(name), name, metavar="VALUE", help=f"[{group}] {field.description}{about}{_tell_default(field)}"
    )


def _tell_default(field: FieldInfo) -> str:
    if field.default is None:
        return ""
    default = field.default
    if isinstance(default, dict):
        default = ",".join(f"{layer}:{r}" for layer, r in default.items())
    elif isinstance(default, tuple):
        default = ",".join(default)
    return f" [default: {default:g}]" if isinstance(default, float) else f" [default: {default}]"


CONFIG_OPTIONS = _with_options(
    [
        click.option("--preset", help=f"Settings to start from: {', '.join(PRESETS)}. [default: seed]"),
        click.option(
            "--config",
            "settings_file",
            type=click.Path(path_type=Path),
            help="A YAML or JSON file of settings; flags go before it.",
        ),
        *(_setting_option(name, field) for name, field in TrainConfig.model_fields.items()),
    ]
)
JSON_OPTION = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON value on standard output, nothing else."
)
RUNS_DIR_OPTION = click.option(
    "--runs-dir", type=click.Path(path_type=Path), help="The folder of all runs. Default: AGNEWS_RUNS_DIR, else ./runs."
)
MODEL_OPTIONS = _with_options(
    [
        click.option(
            "--run",
            "run_name",
            help="The run whose model is used. Default: the newest finished run, else the shipped model.",
        ),
        click.option("--adapter", type=click.Path(path_type=Path), help="An adapter folder to use instead of a run's."),
        click.option("--backbone", help="Where the adapter's backbone is now, if it has moved."),
        RUNS_DIR_OPTION,
        JSON_OPTION,
    ]
)


def _read_overrides(settings_file: Path | None, flags: dict[str, Any]) -> dict[str, Any]:
    """Merge settings that were given: flags over the file. Flags are text; TrainConfig reads the values in them."""
    given = {name: value for name, value in flags.items() if value is not None}
    return {**(read_settings(settings_file) if settings_file else {}), **given}


@commands.command()
@CONFIG_OPTIONS
@click.option("--save", type=click.Path(path_type=Path), help="Also write the settings to this YAML or JSON file.")
@JSON_OPTION
def plan(preset: str | None, settings_file: Path | None, save: Path | None, as_json: bool, **flags: Any) -> None:
    """Show what the settings come to, without weights: the rank of each layer, the parameters that would be trained."""
    config = build_config(_read_overrides(settings_file, flags), preset=preset or "seed")
    if save:
        write_settings(config, save)
    with _quiet_stdout(as_json) as out:
        from agnews_core.model import plan as make_plan

        result = make_plan(config)
    if as_json:
        _print_json(result.to_json(), out)
        return
    share = result.trainable_parameters / result.total_parameters
    click.echo(f"{result.backbone}: {result.n_layers} layers, {result.total_parameters:,} parameters")
    click.echo(
        f"{result.trainable_parameters:,} are trained ({share:.2%}): {result.lora_parameters:,} LoRA, "
        f"{result.head_parameters:,} classification head"
    )
    for layer in range(result.n_layers):
        r = result.layer_ranks.get(layer)
        click.echo(f"  layer {layer:2}  " + (f"r = {r}" if r else "frozen"))


@commands.command()
@CONFIG_OPTIONS
@RUNS_DIR_OPTION
@click.option("--name", help="The new run's name. Default: the time.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    metavar="[RUN]",
    help="Go on with a run that was stopped or interrupted; without a name, --name or the newest one.",
)
@JSON_OPTION
def train(
    preset: str | None,
    settings_file: Path | None,
    runs_dir: Path | None,
    name: str | None,
    resume: str | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Fine-tune a model. Ctrl-C stops after the current step and keeps the best model so far."""
    overrides = _read_overrides(settings_file, flags)
    folder = find_runs_dir(runs_dir)
    if resume is None:
        run = create_run(folder, build_config(overrides, preset=preset or "seed"), name=name)
    else:
        run = _find_unfinished(folder, resume or name)
        _check_same_settings(run, overrides, preset)
    run.clear_stop()
    _log_to_stderr()
    with _quiet_stdout(as_json) as out, _stop_on_interrupt(run):
        from agnews_core.training import train as run_training

        try:
            result = run_training(run, resume=resume is not None)
        except RunError as error:
            if run.read_status().state != "stopped":
                raise
            click.echo(str(error), err=True)  # asked to stop before there was anything to keep
            return EXIT_INTERRUPTED
    if as_json:
        _print_json(result.to_json(), out)
    else:
        _print_result(result)
    return EXIT_INTERRUPTED if result.state == "stopped" else 0


def _print_result(result: "TrainResult") -> None:
    accuracy = "not evaluated" if result.eval_accuracy is None else f"{result.eval_accuracy:.4f}"
    click.echo(f"Run {result.run_dir} {result.state}. Validation accuracy of the best model: {accuracy}.")
    click.echo(f"News: {result.data_source}. Backbone: {result.plan.backbone}.")


def _find_unfinished(folder: Path, name: str | None) -> Run:
    """Find the run to resume.

    Raises:
        ConfigError: It is finished, so that there is nothing to go on with.
    """
    run = (
        find_run(folder, name)
        if name
        else find_newest_run(folder, states=("interrupted", "stopped", "failed", "queued"))
    )
    if run.read_status().state == "finished":
        raise ConfigError(f"The run {run.name} is finished; start a new one.")
    return run


def _check_same_settings(run: Run, overrides: dict[str, Any], preset: str | None) -> None:
    """Refuse to resume with settings other than the run's own, rather than leave them out in silence."""
    own = run.read_config()
    wanted = build_config(overrides, preset=preset) if preset else build_config({**own.model_dump(), **overrides})
    different = [name for name in TrainConfig.model_fields if getattr(wanted, name) != getattr(own, name)]
    if different:
        flags = ", ".join(_flag(name) for name in different)
        raise ConfigError(f"The run {run.name} was begun with another {flags}; leave that out, or start a new run.")


@contextlib.contextmanager
def _stop_on_interrupt(run: Run) -> Iterator[None]:
    """Make the first Ctrl-C ask the run to stop and keep its model; a second one interrupts at once."""

    def ask(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run.request_stop(keep=True)
        # Not through sys.stderr: the signal may come while that very stream is being written to.
        os.write(2, b"\nStopping after this step; Ctrl-C again to stop at once.\n")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@commands.command()
@MODEL_OPTIONS
@click.option("--split", type=click.Choice(["validation", "test"]), default="validation", show_default=True)
@click.option("--data", help="Evaluate on this news instead of the run's own.")
@click.option("--max-eval-samples", type=click.IntRange(min=1), help="Use at most this many texts.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Where the report goes. Default: the run's report.json."
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
    output: Path | None,
) -> None:
    """Measure a model on the validation split it never trained on, or on the test file, and save report.json."""
    with _quiet_stdout(as_json) as out:
        adapter_dir, run = _find_model(run_name, adapter, runs_dir)
        config = run.read_resolved_config() if run else build_config()
        changes = {"data": data, "max_eval_samples": max_eval_samples}
        config = config.model_copy(update={name: value for name, value in changes.items() if value is not None})
        from agnews_core.inference import evaluate as compute

        report = compute(_load_classifier(adapter_dir, run, backbone), config, split=split)
        where = output or (run.path / "report.json" if run else Path("report.json"))
        _write(where, report.model_dump_json(indent=2))
    if as_json:
        _print_json(report.model_dump(), out)
        return
    click.echo(f"{report.n:,} {split} texts from {report.data_source}")
    click.echo(
        f"accuracy {report.accuracy:.4f} (95 % interval {report.accuracy_low:.4f} to {report.accuracy_high:.4f})"
    )
    for scores in report.per_class:
        click.echo(
            f"  {scores.label_name:9} precision {scores.precision:.3f}  recall {scores.recall:.3f}  f1 {scores.f1:.3f}"
            f"  ({scores.support:,} texts)"
        )
    click.echo(f"expected calibration error {report.expected_calibration_error:.4f}; report: {where}")


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; choose another place with --output.") from error


@commands.command()
@click.argument("file", type=click.Path(path_type=Path))
@MODEL_OPTIONS
@click.option("--output", type=click.Path(path_type=Path), default=Path("predictions.csv"), show_default=True)
@click.option("--column", help="The column that holds the texts, if it is not clear from the file.")
@click.option("--split", help="The split to read, if the file holds several.")
@click.option("--empty-missing", is_flag=True, help="Read missing texts as empty ones instead of refusing the file.")
@click.option("--label-names", is_flag=True, help="Add a column with the class's name.")
@click.option("--probabilities", is_flag=True, help="Add a column with the probability of each class.")
def predict(
    file: Path,
    run_name: str | None,
    adapter: Path | None,
    backbone: str | None,
    runs_dir: Path | None,
    as_json: bool,
    output: Path,
    column: str | None,
    split: str | None,
    empty_missing: bool,
    label_names: bool,
    probabilities: bool,
) -> None:
    """Classify the texts in FILE (pickle, csv, tsv, jsonl, json, parquet, arrow, txt) and write a CSV of ID,Label."""
    with _quiet_stdout(as_json) as out:
        from agnews_core.uploads import read_upload

        upload = read_upload(file, column=column, split=split, missing="empty" if empty_missing else "refuse")
        for note in upload.notes:
            click.echo(note, err=True)
        classifier = _load_classifier(*_find_model(run_name, adapter, runs_dir), backbone)
        from tqdm import tqdm

        from agnews_core.predictions import write_predictions

        rows = tqdm(classifier.predict(upload.texts), total=len(upload.texts), unit="text", file=sys.stderr)
        n_rows = write_predictions(output, rows, label_names=label_names, probabilities=probabilities)
    if as_json:
        _print_json(
            {"file": str(file), "kind": upload.kind, "column": upload.column, "n": n_rows, "output": str(output)}, out
        )
    else:
        click.echo(f"{n_rows:,} predictions in {output}")


@commands.command()
@click.argument("texts", nargs=-1, metavar="TEXT...")
@MODEL_OPTIONS
def classify(
    texts: tuple[str, ...],
    run_name: str | None,
    adapter: Path | None,
    backbone: str | None,
    runs_dir: Path | None,
    as_json: bool,
) -> None:
    """Classify each TEXT, or each line of standard input where none is given."""
    lines = texts or tuple(line for line in sys.stdin.read().splitlines() if line.strip())
    if not all(text.strip() for text in lines) or not lines:
        raise ConfigError('There is no text to classify; give it in quotes: classify "Stocks rose on Monday".')
    with _quiet_stdout(as_json) as out:
        classifier = _load_classifier(*_find_model(run_name, adapter, runs_dir), backbone)
        predictions = list(classifier.predict(lines))
    if as_json:
        _print_json([prediction.to_json() for prediction in predictions], out)
        return
    for prediction in predictions:
        click.echo(f"{prediction.label_name:9} {max(prediction.probabilities):6.1%}  {prediction.text}")


@commands.command()
@RUNS_DIR_OPTION
@click.option("--stop", "to_stop", metavar="RUN", help="Ask a run to stop and keep its model.")
@click.option("--delete", "to_delete", metavar="RUN", help="Delete a run and all its files.")
@JSON_OPTION
def runs(runs_dir: Path | None, to_stop: str | None, to_delete: str | None, as_json: bool) -> None:
    """List all runs, newest first; stop or delete one."""
    folder = find_runs_dir(runs_dir)
    if to_stop:
        find_run(folder, to_stop).request_stop()
    if to_delete:
        find_run(folder, to_delete).delete()
    rows = [_describe_run(run) for run in list_runs(folder)]
    if as_json:
        _print_json({"runs_dir": str(folder), "runs": rows}, sys.stdout)
        return
    for row in rows:
        accuracy = "      " if row["eval_accuracy"] is None else f"{row['eval_accuracy']:.4f}"
        steps = f"{row['step']}/{row['max_steps']}"
        click.echo(f"{row['name']:24} {row['state']:12} {accuracy}  {steps:>12}  {row['backbone']}  {row['reason']}")
    if not rows:
        click.echo(f"There are no runs in {folder}.")


def _describe_run(run: Run) -> dict[str, Any]:
    try:
        status = run.read_status()
    except RunError as error:  # one damaged run does not hide the others
        status = RunStatus(state="failed", reason=str(error))
    return {
        "name": run.name,
        "state": status.state,
        "reason": status.reason,
        "step": status.step,
        "max_steps": status.max_steps,
        "backbone": status.plan.get("backbone", ""),
        "eval_accuracy": status.result.get("eval_accuracy"),
        "created_at": status.created_at,
    }


def _find_model(run_name: str | None, adapter: Path | None, runs_dir: Path | None) -> tuple[Path, Run | None]:
    """Return the adapter that was named, else the newest finished run's, else the shipped one; and the run that made it."""
    if adapter is not None:
        return adapter, None
    folder = find_runs_dir(runs_dir)
    if run_name is not None:
        run = find_run(folder, run_name)
        return run.adapter_dir, run
    from agnews_core.catalogue import find_model

    model = find_model(folder)
    return model.adapter_dir, model.run


def _load_classifier(adapter_dir: Path, run: Run | None, backbone: str | None) -> "Classifier":
    from agnews_core.inference import Classifier

    named = backbone or (run.read_status().resolved.get("backbone") if run else None)
    click.echo(f"Model: {adapter_dir}", err=True)
    return Classifier.load(adapter_dir, backbone_name=named)


@contextlib.contextmanager
def _quiet_stdout(as_json: bool) -> Iterator[IO[str]]:
    """With --json, send whatever a library prints to standard error; yield the real standard output."""
    out = sys.stdout
    if not as_json:
        yield out
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield out


def _print_json(value: Any, out: IO[str]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False), file=out)


def _log_to_stderr() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("agnews_core").setLevel(logging.INFO)
