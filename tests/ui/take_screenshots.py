"""Take the pictures in assets/screenshots/ anew: `python -m tests.ui.take_screenshots RUNS_DIR`.

RUNS_DIR needs a finished run, trained on the bundled sample, so that no text in a picture is anybody else's.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.ui.conftest import FLAGS, ROOT, find_chromium, run_app

FOLDER = ROOT / "assets" / "screenshots"
SIZES = {"light": (1280, 900), "dark": (1280, 900), "phone": (390, 844)}
NEWS = "Striker scores twice as Rovers reach the cup final, and the champions go home without a goal"


def show_classify(page: Page) -> None:
    page.get_by_label("News text").fill(NEWS)
    page.get_by_role("button", name="Classify", exact=True).click()
    page.get_by_text("Sports").first.wait_for()
    page.wait_for_timeout(4000)


def show_predict(page: Page) -> None:
    page.get_by_role("button", name="Try the example file").click()
    page.wait_for_timeout(12000)


STEPS = {"Classify": show_classify, "Predict": show_predict}


def take(browser: Browser, url: str, look: str, tab: str) -> None:
    width, height = SIZES[look]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(f"{url}?__theme={'dark' if look == 'dark' else 'light'}")
    page.get_by_role("tab", name=tab).click()
    page.wait_for_timeout(3000)
    STEPS.get(tab, lambda page: page.wait_for_timeout(4000))(page)
    page.screenshot(path=FOLDER / f"{tab.lower()}-{look}.png", full_page=True)
    page.close()


def main(runs_dir: Path) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with run_app(runs_dir) as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for tab in ("Classify", "Configure", "Train", "Evaluate", "Predict"):
            for look in SIZES:
                take(browser, app.url, look, tab)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
