"""The page without a mouse."""

import pytest

MAX_STOPS = 120


def tab_to(page, selector: str, key: str = "Tab") -> None:
    """Press Tab until the focus is on what is looked for, which must show that it has the focus."""
    for _ in range(MAX_STOPS):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            shadow = page.evaluate("getComputedStyle(document.activeElement).boxShadow")
            assert (outline, shadow) != ("none", "none"), f"{selector} does not show that it has the focus"
            return
        page.keyboard.press(key)
    pytest.fail(f"{selector} cannot be reached by {key}")


def open_tab(page, name: str) -> None:
    tab_to(page, f"button[data-tab-id={name}]", "Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_timeout(1000)  # a tab is made when it is first opened; a person looks at it before going on


def test_everything_can_be_reached_and_done_with_the_keyboard(trained_app, visit):
    page = visit(trained_app)
    page.locator("#news-text textarea:focus").wait_for()  # where a visitor begins
    page.keyboard.type("Shares fell on Monday")
    page.keyboard.press("Enter")
    page.locator(".answer .hero").wait_for(timeout=60_000)
    tab_to(page, "#words-button")
    page.keyboard.press("Enter")
    page.locator("#words").wait_for()

    open_tab(page, "configure")
    counted = page.locator("#trainable")
    counted.wait_for(timeout=60_000)
    before = counted.inner_text()
    tab_to(page, ".rank-row input[type=range]")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(before) => document.querySelector('#trainable').innerText !== before", arg=before)

    open_tab(page, "train")
    page.locator("#runs button").first.wait_for()
    tab_to(page, "#start")
    tab_to(page, "#runs button[data-run]")
    page.keyboard.press("Enter")
    page.locator("#run-status", has_text="trained").wait_for()

    open_tab(page, "evaluate")
    tab_to(page, "input[aria-label=Model]")
    page.keyboard.press("Control+A")
    page.keyboard.type("Run trained")
    page.keyboard.press("Enter")
    page.get_by_text("evaluated on the validation texts").wait_for()
    tab_to(page, "button[data-cell]")
    page.keyboard.press("Enter")
    page.locator("#cell-note", has_text="True class World, predicted World").wait_for()

    open_tab(page, "predict")
    tab_to(page, "#example-button")
    page.keyboard.press("Enter")
    page.locator("#first-rows tbody tr").first.wait_for()
    tab_to(page, "#predict-button")
    page.keyboard.press("Enter")
    page.locator("#preview tbody tr").first.wait_for(timeout=60_000)
    tab_to(page, "#download-predictions")
