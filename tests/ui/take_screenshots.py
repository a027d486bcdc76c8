"""Take the pictures in assets/screenshots/ anew: `python -m tests.ui.take_screenshots RUNS_DIR`.

RUNS_DIR needs a finished run, trained on the bundled sample, so that no text in a picture is anybody else's.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.ui.conftest import FLAGS, ROOT, choose_model, find_chromium, run_app

FOLDER = ROOT / "assets" / "screenshots"
SIZES = {"light": (1280, 900), "dark": (1280, 900), "phone": (390, 844)}
SETTLE_MS = 4000  # plots are drawn, spinners gone
NEWS = "Shares in the airline fell nine percent after it warned that fuel costs would wipe out its profit."


def show_classify(page: Page) -> None:
    page.get_by_label("News text").fill(NEWS)
    page.get_by_role("button", name="Classify", exact=True).click()
    page.locator(".answer .hero", has_text="Business").wait_for()
    page.locator("#words-button").click()
    page.locator("#words").wait_for()


def show_evaluate(page: Page) -> None:
    choose_model(page, "Run")
    page.get_by_role("button", name="Evaluate", exact=True).click()
    page.locator("#summary .bar-name", has_text="TF-IDF").wait_for()
    page.get_by_label("True class Sci/Tech, predicted Sci/Tech").click()
    page.locator("#cell-texts tbody tr").first.wait_for()


def show_predict(page: Page) -> None:
    page.get_by_role("button", name="Try the example file").click()
    page.locator("#first-rows tbody tr").first.wait_for()
    page.locator("#predict-button").click()
    page.locator("#preview tbody tr").first.wait_for()


def wait(page: Page) -> None:
    """Nothing is pressed: plots and plans come by themselves."""


STEPS = {
    "Classify": show_classify,
    "Configure": wait,
    "Train": wait,
    "Evaluate": show_evaluate,
    "Predict": show_predict,
}


def open_tab(browser: Browser, url: str, look: str, tab: str) -> Page:
    width, height = SIZES[look]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(120_000)
    page.goto(f"{url}?__theme={'dark' if look == 'dark' else 'light'}")
    page.get_by_role("tab", name=tab).click()
    page.wait_for_timeout(SETTLE_MS)
    return page


def take(browser: Browser, url: str, look: str, tab: str) -> None:
    page = open_tab(browser, url, look, tab)
    STEPS[tab](page)
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=FOLDER / f"{tab.lower()}-{look}.png", full_page=True)
    page.close()


def main(runs_dir: Path) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with run_app(runs_dir) as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for tab in STEPS:
            for look in SIZES:
                take(browser, app.url, look, tab)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
