"""The command that classifies a file of texts."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agnews_core.cli.options import MODEL_OPTIONS
from agnews_core.cli.output import print_json, quiet_stdout

if TYPE_CHECKING:
    pass
from agnews_core.cli.models import find_adapter, load_classifier


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@MODEL_OPTIONS
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("predictions.csv"),
    show_default=True,
    help="Where the predictions go; a file that is there is replaced.",
)
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
    with quiet_stdout(as_json) as out:
        from agnews_core.uploads import read_upload

        upload = read_upload(file, column=column, split=split, missing="empty" if empty_missing else "refuse")
        for note in upload.notes:
            click.echo(note, err=True)
        classifier = load_classifier(*find_adapter(run_name, adapter, runs_dir), backbone)
        from tqdm import tqdm

        from agnews_core.inference.predictions import write_predictions

        rows = tqdm(classifier.predict(upload.texts), total=len(upload.texts), unit="text", file=sys.stderr)
        n_rows = write_predictions(output, rows, label_names=label_names, probabilities=probabilities)
    if as_json:
        print_json(
            {"file": str(file), "kind": upload.kind, "column": upload.column, "n": n_rows, "output": str(output)}, out
        )
    else:
        click.echo(f"{n_rows:,} predictions in {output}")
