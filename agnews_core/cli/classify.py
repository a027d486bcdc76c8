"""The command that classifies texts given to it."""

import sys

import click

from agnews_core.cli.models import find_model, load_classifier
from agnews_core.cli.options import JSON_OPTION, MODEL_OPTIONS, ModelOptions
from agnews_core.cli.output import print_json, quiet_stdout
from agnews_core.errors import ConfigError
from agnews_core.inference.predictions import UNSURE

MAX_LETTERS = 100  # of a text that is shown again


@click.command(short_help="Classify texts that are typed or piped in.")
@click.argument("texts", nargs=-1, metavar="TEXT...")
@MODEL_OPTIONS
@JSON_OPTION
def classify(texts: tuple[str, ...], model: ModelOptions, as_json: bool) -> None:
    """Classify each TEXT, or each line of standard input where none is given."""
    lines = texts or _read_lines()
    if not all(text.strip() for text in lines) or not lines:
        raise ConfigError('There is no text to classify; give it in quotes: classify "Stocks rose on Monday".')
    with quiet_stdout(as_json) as out:
        predictions = load_classifier(find_model(model)).predict(lines)
    if as_json:
        print_json([prediction.to_json() for prediction in predictions], out)
        return
    for prediction in predictions:
        click.echo(f"{prediction.label_name:9} {max(prediction.probabilities):6.1%}  {_shorten(prediction.text)}")
    n_cut = sum(prediction.cut_at is not None for prediction in predictions)
    if n_cut:
        click.echo(f"Only the beginning was read of {n_cut} of {len(predictions)} texts.", err=True)
    if n_unsure := sum(prediction.is_unsure for prediction in predictions):
        click.echo(f"Not sure of {n_unsure} of {len(predictions)} texts: {UNSURE}.", err=True)


def _shorten(text: str) -> str:
    r"""Return as much of a text as a line of a terminal takes.

    >>> _shorten("Rates\nfall"), len(_shorten("Rates fall " * 99))
    ('Rates fall', 100)
    """
    words = " ".join(text.split())
    return words if len(words) <= MAX_LETTERS else f"{words[: MAX_LETTERS - 1]}…"


def _read_lines() -> tuple[str, ...]:
    if sys.stdin.isatty():
        click.echo("Type a text a line; Ctrl-D ends.", err=True)
    try:
        read = sys.stdin.read()
        read.encode()  # Python may have let bytes that are no text through as halves of characters
    except UnicodeError as error:
        raise ConfigError("Standard input is not text in UTF-8; convert it first, as with iconv.") from error
    return tuple(line for line in read.splitlines() if line.strip())
