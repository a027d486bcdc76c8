"""What a command tells the outside: its exit status, one JSON value on standard output, everything else beside it."""

import contextlib
import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import click

from agnews_core.errors import ConfigError
from agnews_core.processes import is_first

TERMINAL_SECONDS = 0.5
LOG_SECONDS = 60.0
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


def check_output(output: Path, *, read: Path) -> None:
    """Refuse to write over what is read, however both are spelled, or linked to each other.

    Raises:
        ConfigError: They are the same file.
    """
    with contextlib.suppress(OSError):  # one of them is not there
        if output.samefile(read):
            raise ConfigError(
                f"{output} holds the texts that are read, and would be lost; choose another place with --output."
            )


@contextlib.contextmanager
def progress(what: str, total: int | None = None, *, unit: str = "") -> Iterator[Callable[..., None]]:
    """Show on standard error that something goes on and how far it is: on a terminal a bar that moves, in a log a line a minute.

    Yields:
        What to tell how many are done, as often as one likes.
    """
    if not is_first():
        yield lambda *_: None
        return
    from tqdm import tqdm

    on_terminal = sys.stderr.isatty()
    file = sys.stderr if on_terminal else io.StringIO()
    look = None if total else f"{{desc}}{': {n:,}{unit}' if unit else ''} [{{elapsed}}]"
    with tqdm(desc=what, total=total, unit=unit, file=file, leave=total is not None, bar_format=look) as bar:

        def show() -> None:
            bar.refresh() if on_terminal else click.echo(str(bar), err=True)

        def tell(n_done: int, _: int | None = None) -> None:
            bar.n = n_done

        with _repeating(show, TERMINAL_SECONDS if on_terminal else LOG_SECONDS):
            yield tell


@contextlib.contextmanager
def _repeating(show: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call a function every so many seconds meanwhile, in a thread."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            show()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def say(text: str) -> None:
    """Print a line on standard error; of several processes that work together, the first one does."""
    if is_first():
        click.echo(text, err=True)


def print_json(value: Any, out: IO[str]) -> None:
    """Print one JSON value."""
    click.echo(json.dumps(value, ensure_ascii=False), file=out)


def log_to_stderr() -> None:
    """Show what the core logs, and of libraries only warnings."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("agnews_core").setLevel(logging.INFO)
