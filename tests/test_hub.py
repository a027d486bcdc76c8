"""Whether the hub answers, and that nobody waits long to know."""

import threading
import time

import httpx
import pytest

from agnews_core import hub
from agnews_core.hub import hub_answers


def test_a_hub_that_hangs_is_given_up_on_once(monkeypatch):
    asked, release = [], threading.Event()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(hub, "HUB_TIMEOUT_SECONDS", 0.2)

    def hang(*args, **kwargs):
        asked.append(args)
        release.wait(20)
        return httpx.Response(200)

    monkeypatch.setattr(httpx, "head", hang)
    began = time.monotonic()
    assert [hub_answers(), hub_answers()] == [False, False]
    assert time.monotonic() - began < 5
    assert len(asked) == 1
    release.set()


@pytest.mark.parametrize(("status", "answers"), [(200, True), (302, True), (401, True), (503, False)])
def test_a_hub_that_answers_with_its_own_failure_does_not_count(monkeypatch, status, answers):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(httpx, "head", lambda *args, **kwargs: httpx.Response(status))
    assert hub_answers() is answers


@pytest.mark.parametrize("setting", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["nonsense://x", "socks5://127.0.0.1:9", "http://[", "http://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_reads_as_no_hub(monkeypatch, setting, proxy):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv(setting, proxy)
    assert hub_answers() is False


def test_the_time_limit_for_the_hub_is_three_seconds():
    assert hub.HUB_TIMEOUT_SECONDS <= 3


def test_offline_mode_asks_nobody(monkeypatch):
    monkeypatch.setattr(httpx, "head", lambda *args, **kwargs: pytest.fail("asked the hub"))
    assert hub_answers() is False
