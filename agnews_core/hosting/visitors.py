"""Who opens the page: only this machine's user, or everybody; and which visitor a request comes from.

Where only this machine can open the page, whoever does is the host. Where others can too, a browser is known by a random cookie
that the page gives it, of which only the digest is kept. Nobody is the host there but those who use the command line.
"""

import hashlib
import logging
import os
import secrets
from collections.abc import Mapping

from agnews_core.jobs.visitors import HOST, Visitor

logger = logging.getLogger(__name__)

COOKIE = "agnews_visitor"
_TOKEN_BYTES = 32
OWN_ADDRESSES = ("", "127.0.0.1", "localhost", "::1")


def is_open_to_everybody() -> bool:
    """Return whether others than this machine's user can open the page: on Spaces, on a network, or by a shared link."""
    address = os.environ.get("GRADIO_SERVER_NAME", "")
    return bool(os.environ.get("SPACE_ID")) or is_shared() or address not in OWN_ADDRESSES


def warn_where_open() -> None:
    """Log who can open the page and what they may do, where that is more than this machine's user."""
    if is_open_to_everybody():
        logger.warning(
            "Everybody who can reach this page may classify, predict and evaluate, train within limits, and see all runs. A run "
            "is stopped, resumed, deleted and downloaded only in the browser that started it, or on this machine with "
            "`python -m agnews_core runs`. For yourself alone, start it without GRADIO_SERVER_NAME and GRADIO_SHARE."
        )


def is_shared() -> bool:
    """Return whether a link that everybody can open was asked for; none is made otherwise, as gradio would in some notebooks."""
    return os.environ.get("GRADIO_SHARE", "").lower() == "true"


def make_token() -> str:
    """Make what only one browser will know."""
    return secrets.token_hex(_TOKEN_BYTES)


def find_visitor(cookies: Mapping[str, str]) -> Visitor:
    """Return who sends these cookies."""
    if not is_open_to_everybody():
        return HOST
    token = cookies.get(COOKIE, "")
    is_token = len(token) == 2 * _TOKEN_BYTES
    return Visitor(key=hashlib.sha256(token.encode()).hexdigest() if is_token else "")
