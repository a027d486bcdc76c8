"""What a request may be before the page looks at it: not too long, and for an event that the page has."""

from typing import Any

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from agnews_core.hosting.cookies import VisitorCookie

MAX_BODY_BYTES = 1_000_000
UPLOAD = "/gradio_api/upload"  # has a limit of its own
TOO_LONG = f"A request holds at most {MAX_BODY_BYTES // 1_000_000} MB; upload a file of texts instead."
UNKNOWN = "This page is older than the program and asks for something that is not there any more; reload it."


class BodyLimit:
    """ASGI middleware that refuses a long request before it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        answer = JSONResponse({"detail": TOO_LONG, "error": TOO_LONG}, 413) if _is_too_long(scope) else self.app
        await answer(scope, receive, send)


def _is_too_long(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/").endswith(UPLOAD):
        return False
    headers = Headers(scope=scope)
    length = headers.get("content-length", "")
    # In chunks it has no end, whatever length is told beside them.
    return "transfer-encoding" in headers or not length.isdecimal() or int(length[:20]) > MAX_BODY_BYTES


async def _refuse_unknown(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": UNKNOWN, "error": UNKNOWN}, 404)


def build_app_options(*unknown: type[Exception]) -> dict[str, Any]:
    """Return what the web application under the page is made with; `unknown` is raised for an event that it does not have."""
    return {
        "middleware": [Middleware(BodyLimit), Middleware(VisitorCookie)],
        "exception_handlers": dict.fromkeys(unknown, _refuse_unknown),
    }
