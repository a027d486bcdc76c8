"""Who is behind the event that is being handled."""

from gradio.context import LocalContext

from agnews_core.hosting.visitors import find_visitor
from agnews_core.jobs.visitors import Visitor


def find_current_visitor() -> Visitor:
    """Return the visitor whose browser, or program, sent the event."""
    request = LocalContext.request.get(None)
    return find_visitor(request.cookies if request else {})
