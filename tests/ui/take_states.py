"""Take a picture of every tab in every state, to be looked at: `python -m tests.ui.take_states FOLDER`.

Empty, working (and queued behind it), done, failed; light, dark and on a phone. The runs are short ones on the bundled sample.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from agnews_core.runs import list_runs
from tests.rows import read_rows
from tests.ui.conftest import FLAGS, App, choose_tab, configure, find_chromium, run_app, wait_for, wait_for_state
from tests.ui.take_screenshots import SETTLE_MS, SIZES, STEPS, open_tab

SHORT = {"backbone": "all-MiniLM-L6-v2", "data": "sample", "max_steps": 30, "eval_steps": 10}
LONG = {**SHORT, "max_steps": 3000, "eval_steps": 5}


def take(browser: Browser, app: App, folder: Path, state: str, tabs: tuple[str, ...]) -> None:
    for tab in tabs:
        for look in SIZES:
            page = open_tab(browser, app.url, look, tab)
            if state == "done":
                STEPS[tab](page)
                page.wait_for_timeout(SETTLE_MS)
            page.screenshot(path=folder / f"{tab.lower()}-{state}-{look}.png", full_page=True)
            page.close()


def start(page: Page, **settings: object) -> None:
    configure(page, **settings)
    choose_tab(page, "Train")
    page.get_by_role("button", name="Start training").click()


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as runs, run_app(Path(runs) / "runs") as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        take(browser, app, folder, "empty", tuple(STEPS))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(app.url)
        bad = Path(runs) / "news"
        bad.mkdir()
        (bad / "train.csv").write_text("text,label\nGood news,5\n")
        start(page, **{**SHORT, "data": str(bad)})
        wait_for_state(page, "Failed")
        take(browser, app, folder, "failed", ("Train",))
        start(page, **LONG)
        wait_for_state(page, "Running")
        start(page, **SHORT)
        wait_for_state(page, "Queued")
        page.screenshot(path=folder / "train-queued-light.png", full_page=True)
        wait_for(page, lambda: len(read_rows(list_runs(app.runs_dir)[1])) > 15, seconds=300)
        take(browser, app, folder, "working", ("Train",))
        list_runs(app.runs_dir)[1].request_stop(keep=True)
        wait_for_state(page, "Finished", seconds=600)
        take(browser, app, folder, "done", tuple(STEPS))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
