"""The commands for labelled files of one's own: add one as a named set, list the sets, remove one."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from agnews_core.cli.options import JSON_OPTION, RUNS_DIR_OPTION
from agnews_core.cli.output import print_json, progress
from agnews_core.errors import DataError, quote
from agnews_core.labels import LABELS
from agnews_core.news.own_files import Asked, Look, add_set, look
from agnews_core.news.own_labels import parse_mapping
from agnews_core.news.sets import PREFIX, NewsSet, list_sets
from agnews_core.runs import find_runs_dir
from agnews_core.runs.sets import remove
from agnews_core.uploads import choose_own_limits

MOST_LETTERS = 60  # of a cell that is shown


@click.group(short_help="Keep labelled files of your own as named sets.")
def news() -> None:
    """Make named sets of labelled files of your own, for `--data set:NAME`."""


def _join(context: click.Context, parameter: click.Parameter, parts: Sequence[str]) -> dict[str, int | None]:
    return {label: found for part in parts for label, found in parse_mapping(part).items()}


@news.command("add", short_help="Make a named set of a labelled file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="What the set is to be called.")
@click.option(
    "--text-column", "text_columns", multiple=True, help="The column of texts; twice for titles and descriptions."
)
@click.option("--label-column", default="", help="The column of classes.")
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="LABEL=CLASS",
    callback=_join,
    help=f"The class of a label: {', '.join(LABELS)}, 0-3, or none to leave its rows out; several with commas between.",
)
@click.option(
    "--leave-out-unknown", "leaves_out_unknown", is_flag=True, help="Leave out all labels that are no class's."
)
@click.option("--split", help="The part to read of a file that has several.")
@click.option("--dry-run", is_flag=True, help="Show what the file holds and would become, and add nothing.")
@RUNS_DIR_OPTION
@JSON_OPTION
def add(file: Path, name: str, runs_dir: Path | None, dry_run: bool, as_json: bool, **choices: Any) -> None:
    """Make a named set of FILE, a table with a column of texts and one of classes, of any kind that `predict` reads.

    Which columns these are is guessed, and said. Labels are classes by their names, or numbers from 0 to 3 or 1 to 4. The set is
    kept in the folder of all runs.
    """
    asked, limits = Asked(**choices), choose_own_limits()
    if dry_run:
        found = look(file, asked, limits=limits)
        _print_look(found, as_json=as_json)
        if found.problem:
            raise DataError(found.problem)
        return
    with progress(f"Reading {file.name}", unit=" bytes") as tell:
        made = add_set(file, find_runs_dir(runs_dir), name, asked, limits=limits, on_progress=tell)
    card = made.read_card()
    if as_json:
        print_json(_as_json(made), sys.stdout)
        return
    click.echo(f"Texts from {' and '.join(map(quote, card.text_columns))}, classes from {quote(card.label_column)}.")
    for note in card.notes:
        click.echo(note, err=True)
    click.echo(_describe(made))
    click.echo(f"Train on it with --data {PREFIX}{name}, or beside other news with --more-train-files {PREFIX}{name}.")


@news.command("list")
@RUNS_DIR_OPTION
@JSON_OPTION
def list_all(runs_dir: Path | None, as_json: bool) -> None:
    """List the sets, by name."""
    folder = find_runs_dir(runs_dir)
    sets = list_sets(folder)
    if as_json:
        print_json({"runs_dir": str(folder), "sets": [_as_json(one) for one in sets]}, sys.stdout)
        return
    for one in sets:
        click.echo(_describe(one))
    if not sets:
        click.echo(f"There are no sets in {folder}.")


@news.command("remove")
@click.argument("name")
@RUNS_DIR_OPTION
def remove_one(name: str, runs_dir: Path | None) -> None:
    """Remove the set NAME; models that were trained on it stay."""
    remove(find_runs_dir(runs_dir), name)
    click.echo(f"The set {name} is removed.", err=True)


def _as_json(one: NewsSet) -> dict[str, Any]:
    try:
        return {"name": one.name, **one.read_card().model_dump(mode="json")}
    except DataError as error:  # one damaged set does not hide the others
        return {"name": one.name, "problem": str(error)}


def _describe(one: NewsSet) -> str:
    try:
        card = one.read_card()
    except DataError as error:
        return f"{PREFIX}{one.name}: {error}"
    left_out = f"; left out: {card.left_out}" if card.left_out else ""
    return f"{PREFIX}{one.name}: {card.n:,} texts from {card.source} ({_count(card.n_by_class)}){left_out}."


def _count(n_by_class: Sequence[int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in zip(LABELS, n_by_class, strict=True))


def _print_look(found: Look, *, as_json: bool) -> None:
    asked, mapping = found.asked, found.mapping.classes
    names = {label: "none" if number is None else LABELS[number] for label, number in mapping.items()}
    if as_json:
        chosen = {"text_columns": asked.text_columns, "label_column": asked.label_column, "mapping": mapping}
        counts = {"n_by_label": found.n_by_label, "n_by_class": found.n_by_class, "n_unlabelled": found.n_unlabelled}
        said = {"kind": found.kind, "notes": found.notes, "problem": found.problem}
        print_json({"columns": found.columns, "rows": found.rows, **chosen, **counts, **said}, sys.stdout)
        return
    for name, holds in found.columns:
        role = "texts" if name in asked.text_columns else "classes" if name == asked.label_column else ""
        click.echo(f"  {quote(name):24} {holds:12} {role}".rstrip())
    for row in found.rows:
        click.echo("  " + " | ".join(" ".join((cell or "").split())[:MOST_LETTERS] for cell in row))
    for label, count in found.n_by_label.items():
        click.echo(f"  {quote(label):24} {count:9,}  {names.get(label, '?')}")
    for note in found.notes:
        click.echo(note, err=True)
