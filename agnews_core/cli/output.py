"""What a command tells the outside: its exit status, one JSON value on standard output, everything else beside it."""

import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any

import click

EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130


@contextlib.contextmanager
def quiet_stdout(as_json: bool) -> Iterator[IO[str]]:
    """With --json, send whatever a library prints to standard error; yield the real standard output."""
    out = sys.stdout
    if not as_json:
        yield out
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield out


@contextlib.contextmanager
def progress_bar(n_texts: int) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error; yield what to tell how many texts are done, and of how many."""
    from tqdm import tqdm

    with tqdm(total=n_texts, unit="text", file=sys.stderr) as bar:

        def show(n_done: int, _: int) -> None:
            bar.update(n_done - bar.n)

        yield show


def print_json(value: Any, out: IO[str]) -> None:
    """Print one JSON value."""
    click.echo(json.dumps(value, ensure_ascii=False), file=out)


def log_to_stderr() -> None:
    """Show what the core logs, and of libraries only warnings."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("agnews_core").setLevel(logging.INFO)
