"""What the page shows when something goes wrong: a toast of one sentence, never a traceback, never a stuck spinner."""

import functools
import html
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, cast

import gradio as gr

from agnews_core.errors import AgNewsError

logger = logging.getLogger(__name__)

TITLE = "That did not work"
UNEXPECTED = "Something went wrong that should not have; it was written to the program's log. Please try again."
P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def shown_as_toast() -> Iterator[None]:
    """Turn what is raised inside into the toast that the page shows.

    The messages hold what a visitor typed or named a file, and gradio shows a toast's text as HTML: hence the escape.
    """
    try:
        yield
    except AgNewsError as error:
        raise gr.Error(html.escape(str(error), quote=False), title=TITLE, print_exception=False) from error
    except gr.Error:
        raise
    except Exception as error:
        logger.exception("An event of the page failed.")
        raise gr.Error(UNEXPECTED, title=TITLE, print_exception=False) from error


def warn(problem: AgNewsError) -> None:
    """Show the same toast as `shown_as_toast`, from a handler that goes on: it has something to change on the page."""
    gr.Warning(html.escape(str(problem), quote=False), title=TITLE)


def find_problem(compute: Callable[[], R]) -> tuple[R | None, str]:
    """Return a result and "", or None and the sentence that says why there is none, for what is shown while people type."""
    try:
        return compute(), ""
    except AgNewsError as error:
        return None, str(error)


def toasts(handler: Callable[P, R]) -> Callable[P, R]:
    """Wrap an event's handler, a generator too, in `shown_as_toast`; its signature, which gradio reads, stays."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def wrapped_generator(*args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
            with shown_as_toast():
                yield from cast("Iterator[Any]", handler(*args, **kwargs))

        return cast("Callable[P, R]", wrapped_generator)

    @functools.wraps(handler)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with shown_as_toast():
            return handler(*args, **kwargs)

    return wrapped
