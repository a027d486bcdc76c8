"""The command that classifies a file of texts."""

from dataclasses import dataclass
from pathlib import Path

import click

from agnews_core.cli.models import find_model, load_classifier
from agnews_core.cli.options import JSON_OPTION, MODEL_OPTIONS, ModelOptions, collect
from agnews_core.cli.output import print_json, progress_bar, quiet_stdout
from agnews_core.uploads import Upload, read_upload


@dataclass(frozen=True)
class _Reading:
    """How the file is read."""

    column: str | None
    split: str | None
    empty_missing: bool


@dataclass(frozen=True)
class _Csv:
    """Where the predictions go, and with which columns."""

    output: Path
    label_names: bool
    probabilities: bool


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@MODEL_OPTIONS
@collect(_Reading, "reading")
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
@click.option("--empty-missing", is_flag=True, help="Read missing texts as empty ones instead of refusing the file.")
@click.option("--label-names", is_flag=True, help="Add a column with the class's name.")
@click.option("--probabilities", is_flag=True, help="Add a column with the probability of each class.")
@JSON_OPTION
def predict(file: Path, model: ModelOptions, reading: _Reading, csv: _Csv, as_json: bool) -> None:
    """Classify the texts in FILE (pickle, csv, tsv, jsonl, json, parquet, arrow, txt) and write a CSV of ID,Label."""
    with quiet_stdout(as_json) as out:
        upload = _read(file, reading)
        classifier = load_classifier(find_model(model))
        from agnews_core.inference.tables import build_table, write_csv

        with progress_bar(len(upload.texts)) as show:
            table = build_table(classifier.compute_probabilities(upload.texts, show))
        write_csv(table, csv.output, label_names=csv.label_names, probabilities=csv.probabilities)
    if as_json:
        counts = {"n": len(table), "output": str(csv.output)}
        print_json({"file": str(file), "kind": upload.kind, "column": upload.column, **counts}, out)
    else:
        click.echo(f"{len(table):,} predictions in {csv.output}")


def _read(file: Path, reading: _Reading) -> Upload:
    upload = read_upload(
        file, column=reading.column, split=reading.split, missing="empty" if reading.empty_missing else "refuse"
    )
    for note in upload.notes:
        click.echo(note, err=True)
    return upload
