"""What the page shows when something goes wrong: a toast of one sentence, never a traceback, never a stuck spinner."""

import html
import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from agnews_core.errors import AgNewsError, DataError, quote
from agnews_core.ui.components import show_toast

logger = logging.getLogger(__name__)
_logged: set[tuple[str, int | None]] = set()

TITLE = "That did not work"
UNEXPECTED = "Unexpected error; details are in the log. Please try again."


@contextmanager
def shown_as_toast() -> Iterator[None]:
    """Turn what is raised inside into the toast that the page shows.

    The messages hold what a visitor typed or named a file, and gradio shows a toast's text as HTML: hence the escape.
    """
    try:
        yield
    except AgNewsError as error:
        raise gr.Error(html.escape(str(error), quote=False), title=TITLE, print_exception=False) from error
    except gr.Error as error:
        error.print_exception = False
        raise
    except Exception as error:
        _log(error)
        raise gr.Error(UNEXPECTED, title=TITLE, print_exception=False) from error


def _log(error: Exception) -> None:
    """Log a traceback once for each line of code that fails, so that nobody can fill the log."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    if (place.filename, place.lineno) in _logged:
        logger.error("An event of the page failed at the same place again: %s", quote(error))
    else:
        _logged.add((place.filename, place.lineno))
        logger.error("An event of the page failed.", exc_info=error)


class Page(gr.Blocks):  # type: ignore[misc]
    """The page. Each of its events passes here, so that what fails before or after its handler is a toast too."""

    async def process_api(self, block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> Any:
        """Answer an event."""
        with shown_as_toast():
            _check_letters(inputs)
            return await super().process_api(block_fn, inputs, *args, **kwargs)


def _check_letters(inputs: list[Any]) -> None:
    """Refuse half a character, which JSON can carry to us and gradio cannot carry back."""
    try:
        json.dumps(inputs, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        raise DataError("The text holds half a character (a lone surrogate); take it out and try again.") from error


def warn(problem: AgNewsError) -> None:
    """Show the same toast as `shown_as_toast`, from a handler that goes on: it has something to change on the page."""
    show_toast(str(problem), title=TITLE, show=gr.Warning)
