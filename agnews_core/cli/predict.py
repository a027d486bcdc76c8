"""The command that classifies a file of texts."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from agnews_core.cli.launch import check_launch, ending_in_order
from agnews_core.cli.models import find_model, load_classifier
from agnews_core.cli.options import JSON_OPTION, MODEL_OPTIONS, ModelOptions, collect
from agnews_core.cli.output import check_output, print_json, progress, quiet_stdout
from agnews_core.processes import is_first, load_in_turn, share
from agnews_core.uploads import Choice, Upload, choose_own_limits, open_upload


@dataclass(frozen=True)
class _Csv:
    """Where the predictions go, and with which columns."""

    output: Path
    label_names: bool
    probabilities: bool


@click.command(short_help="Classify the texts of a file and write a CSV of ID,Label.")
@click.argument("file", type=click.Path(path_type=Path))
@MODEL_OPTIONS
@collect(Choice, "choice")
@collect(_Csv, "csv")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("predictions.csv"),
    show_default=True,
    help="Where the predictions go; a file that is there is replaced.",
)
@click.option("--column", help="The column that holds the texts, if it is not clear from the file.")
@click.option("--split", help="The split to read, if the file holds several.")
@click.option(
    "--empty-missing",
    "missing",
    flag_value="empty",
    default="refuse",
    help="Read missing texts as empty ones instead of refusing the file.",
)
@click.option("--label-names", is_flag=True, help="Add a column with the class's name.")
@click.option("--probabilities", is_flag=True, help="Add a column with the probability of each class.")
@JSON_OPTION
def predict(file: Path, model: ModelOptions, choice: Choice, csv: _Csv, as_json: bool) -> None:
    """Classify the texts in FILE (pickle, csv, tsv, jsonl, json, parquet, arrow, txt) and write a CSV of ID,Label."""
    check_launch()
    with quiet_stdout(as_json) as out, ending_in_order(), ExitStack() as stack:
        opened: list[Upload] = []
        share(lambda: check_output(csv.output, read=file))
        share(lambda: opened.append(stack.enter_context(_open(file, choice))))
        classifier = load_in_turn(lambda: load_classifier(find_model(model)))
        from agnews_core.inference.csv_files import write_csv
        from agnews_core.inference.shared import classify_for_the_first, iterate_shared

        if not is_first():
            classify_for_the_first(classifier)
            return
        (upload,) = opened
        n_texts = len(upload.texts)
        with progress("Classifying", n_texts, unit=" texts") as tell:
            pieces = iterate_shared(classifier, upload.texts, tell)
            write_csv(pieces, csv.output, label_names=csv.label_names, probabilities=csv.probabilities)
    if as_json:
        counts = {"n": n_texts, "output": str(csv.output), "engine": classifier.engine.name}
        print_json({"file": str(file), "kind": upload.kind, "column": upload.column, **counts}, out)
    else:
        click.echo(f"{n_texts:,} predictions in {csv.output}")


@contextmanager
def _open(file: Path, choice: Choice) -> Iterator[Upload]:
    """Have a file read within what this machine has, showing how far that is, and print what was decided about it."""
    with ExitStack() as stack:
        with progress(f"Reading {file.name}", unit=" bytes") as tell:
            upload = stack.enter_context(open_upload(file, choice, limits=choose_own_limits(), on_progress=tell))
        for note in upload.notes:
            click.echo(note, err=True)
        yield upload
