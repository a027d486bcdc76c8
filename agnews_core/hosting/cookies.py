"""Gives each browser that opens a page for everybody the cookie that its runs belong to."""

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agnews_core.hosting.visitors import COOKIE, find_visitor, make_token

_YEAR_SECONDS = 365 * 24 * 3600


class VisitorCookie:
    """ASGI middleware. Scripts cannot read the cookie, and other sites cannot have it sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the cookie to the answer to whoever opens the page without one."""
        await self.app(scope, receive, _with_cookie(scope, send) if _needs_cookie(scope) else send)


def _needs_cookie(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
        return False
    visitor = find_visitor(Request(scope).cookies)
    return not visitor.is_host and not visitor.key


def _with_cookie(scope: Scope, send: Send) -> Send:
    async def send_with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append("set-cookie", _build_cookie(scope))
        await send(message)

    return send_with_cookie


def _build_cookie(scope: Scope) -> str:
    request = Request(scope)
    # A Space is shown inside the hub's page, from which only a cookie of the first kind comes back.
    is_secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
    reach = "SameSite=None; Secure; Partitioned" if is_secure else "SameSite=Lax"
    return f"{COOKIE}={make_token()}; Path=/; Max-Age={_YEAR_SECONDS}; HttpOnly; {reach}"
