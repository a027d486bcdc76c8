"""The page as people have it: `python app.py` in a process of its own, and a real Chromium that drives it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from agnews_core.runs import ACTIVE, list_runs

ROOT = Path(__file__).parent.parent.parent
UP_SECONDS = 90
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def find_chromium() -> str | None:
    named = os.environ.get("CHROMIUM_PATH")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


class App:
    """A running `python app.py`."""

    def __init__(self, runs_dir: Path, port: int | None = None) -> None:
        self.runs_dir = runs_dir
        self.port = port or find_free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.log = runs_dir.parent / f"app-{self.port}.log"
        environment = {
            **os.environ,
            "AGNEWS_RUNS_DIR": str(runs_dir),
            "GRADIO_SERVER_PORT": str(self.port),
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(ROOT),
        }
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        self._wait_until_up()
        self.up_seconds = time.monotonic() - began

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + UP_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.url, timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        self.kill()
        pytest.fail(f"The app did not come up:\n{self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def run_app(runs_dir: Path, port: int | None = None):
    app = App(runs_dir, port)
    try:
        yield app
    finally:
        app.kill()


@pytest.fixture(scope="session")
def _empty_app(tmp_path_factory):
    with run_app(tmp_path_factory.mktemp("app") / "runs") as running:
        yield running


@pytest.fixture
def app(_empty_app):
    """The one app of all tests that begin without runs: those that an earlier test left are ended and deleted."""
    for run in list_runs(_empty_app.runs_dir):
        run.request_stop(keep=False)
    deadline = time.monotonic() + 60
    while runs := list_runs(_empty_app.runs_dir):
        assert time.monotonic() < deadline, f"not at their end: {runs}"
        for run in runs:
            if run.read_status().state not in ACTIVE:
                run.delete()
        time.sleep(0.05)
    return _empty_app


@pytest.fixture(scope="session")
def trained_app(trained_run, tmp_path_factory):
    """An app over one finished run, for tests that leave it as it is."""
    runs_dir = tmp_path_factory.mktemp("page") / "runs"
    shutil.copytree(trained_run.path, runs_dir / "trained")
    with run_app(runs_dir) as running:
        yield running


@pytest.fixture(scope="session")
def browser():
    path = find_chromium()
    if path is None:
        reason = "No Chromium was found; install the package chromium, or name one in CHROMIUM_PATH."
        if os.environ.get("AGNEWS_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser):
    """Open the page as a new visitor; what the browser asks of any other host fails the test."""
    contexts, strangers = [], []

    def open_page(app: App, tab: str | None = None, **options):
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: strangers.append(request.url) if _is_strange(request.url, app) else None)
        page.goto(app.url)
        if tab:
            choose_tab(page, tab)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not strangers


def _is_strange(url: str, app: App) -> bool:
    return not url.startswith((app.url, "data:", "blob:"))


def choose_tab(page, title: str) -> None:
    page.get_by_role("tab", name=title, exact=True).click()


def choose_model(page, title: str) -> None:
    page.get_by_label("Model").locator("visible=true").first.click()
    page.get_by_role("option", name=title).locator("visible=true").last.click()


def set_text(page, name: str, value: object) -> None:
    """Type a setting's value under Configure, as a person does."""
    box = page.locator(f"#setting-{name} input, #setting-{name} textarea").first
    box.fill(str(value))
    box.press("Enter")  # chooses what was typed in a drop-down list
    box.blur()


def configure(page, **settings: object) -> None:
    choose_tab(page, "Configure")
    for name, value in settings.items():
        box = page.locator(f"#setting-{name}")
        if not box.is_visible():
            for fold in ("More ways to learn", "Advanced"):
                page.get_by_role("button", name=fold).click()
        set_text(page, name, value)


def count_points(page, plot: str, trace: int = 0) -> int:
    return page.evaluate(
        "([plot, trace]) => document.querySelector(`#${plot} .live-plot`)?.data?.[trace]?.x?.length ?? 0", [plot, trace]
    )


def wait_for(page, condition, *, seconds: float = 60, what: str = "") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        shown = page.locator("#run-status, #plan").all_inner_texts() if time.monotonic() > deadline else ""
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}; the page shows {shown}"
        page.wait_for_timeout(200)


def wait_for_state(page, state: str, *, seconds: float = 120) -> None:
    chip = page.locator("#run-status .pill")
    wait_for(page, lambda: chip.count() and chip.inner_text() == state, seconds=seconds, what=state)


def read_toast(page) -> str:
    toast = page.get_by_test_id("toast-body").first
    toast.wait_for()
    return toast.inner_text()
