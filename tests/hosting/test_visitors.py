import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from agnews_core.hosting.cookies import VisitorCookie
from agnews_core.hosting.visitors import COOKIE, find_visitor, is_open_to_everybody, make_token, warn_where_open
from agnews_core.jobs.visitors import HOST, Visitor
from agnews_core.ui.configure_tab import plan_settings


@pytest.fixture(autouse=True)
def _own_machine(monkeypatch):
    for name in ("SPACE_ID", "GRADIO_SERVER_NAME", "GRADIO_SHARE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def _open(monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")


@pytest.mark.parametrize(
    ("name", "value"), [("SPACE_ID", "someone/news"), ("GRADIO_SERVER_NAME", "0.0.0.0"), ("GRADIO_SHARE", "True")]
)
def test_a_page_on_spaces_on_a_network_or_shared_is_open_to_everybody(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert is_open_to_everybody()


def test_an_open_page_is_started_with_a_word_on_who_may_do_what(monkeypatch, caplog):
    warn_where_open()
    assert not caplog.text
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    warn_where_open()
    assert "Everybody who can reach this page may classify" in caplog.text
    assert "only in the browser that started it, or on this machine with `python -m agnews_core runs`" in caplog.text


def test_on_ones_own_machine_whoever_opens_the_page_is_the_host(monkeypatch):
    assert find_visitor({}) == HOST
    monkeypatch.setenv("GRADIO_SERVER_NAME", "127.0.0.1")
    assert find_visitor({COOKIE: make_token()}) == HOST


@pytest.mark.usefixtures("_open")
def test_on_an_open_page_a_browser_is_known_by_a_digest_of_its_cookie():
    token = make_token()
    visitor = find_visitor({COOKIE: token})
    assert visitor == find_visitor({COOKIE: token})
    assert not visitor.is_host
    assert token not in visitor.key
    assert find_visitor({COOKIE: make_token()}) != visitor


@pytest.mark.usefixtures("_open")
@pytest.mark.parametrize("cookies", [{}, {COOKIE: ""}, {COOKIE: "x" * 10**6}, {"other": "x"}])
def test_who_has_no_cookie_of_ours_owns_nothing(cookies):
    assert find_visitor(cookies) == Visitor()


def open_page(path="/", **headers) -> str:
    """Return the cookie that comes with an answer."""
    scope = {
        "type": "http", "method": "GET", "path": path, "scheme": "http", "server": ("localhost", 80), "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    sent = []

    async def answer(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    # In a thread of its own: where a browser was driven before, this one has an event loop that goes on.
    with ThreadPoolExecutor(1) as other:
        other.submit(lambda: asyncio.run(VisitorCookie(answer)(scope, None, send))).result()
    return dict(sent[0]["headers"]).get(b"set-cookie", b"").decode()


def test_no_cookie_is_given_on_ones_own_machine():
    assert not open_page()


@pytest.mark.usefixtures("_open")
def test_a_browser_gets_one_cookie_that_neither_scripts_nor_other_sites_can_use():
    cookie = open_page()
    assert cookie.endswith("; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax")
    given = cookie.partition(";")[0]
    assert find_visitor(dict([given.split("=")])).key
    assert not open_page(cookie=given)
    assert not open_page("/gradio_api/queue/join")


@pytest.mark.usefixtures("_open")
def test_inside_the_hubs_page_the_cookie_comes_back_too():
    assert open_page(x_forwarded_proto="https").endswith("; HttpOnly; SameSite=None; Secure; Partitioned")


def test_the_api_has_the_same_rule(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "someone/news")
    with pytest.raises(Exception, match="is not on offer"):
        plan_settings(backbone="/etc")
