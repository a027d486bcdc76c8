"""The design is said once, in assets/tokens.css: nothing else has a size of type, a radius or a colour."""

import re

import pytest

from agnews_core.labels import LABELS
from agnews_core.ui.components import build_card, build_notice, build_pill, build_table
from agnews_core.ui.theme import ASSETS, css_name
from tests.ui.conftest import ROOT, choose_tab, wait_for

TOKENS = (ASSETS / "tokens.css").read_text(encoding="utf-8")
STYLES = {path.name: path.read_text(encoding="utf-8") for path in ASSETS.glob("*.css") if path.name != "tokens.css"}
MODULES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "agnews_core" / "ui").glob("*.py")}
DECLARATION = re.compile(r"([\w-]+):\s*([^;{}]+)[;}]")
NAMES = (
    "black|white|red|green|blue|gr[ae]y|orange|yellow|purple|pink|silver|gold|navy|teal|maroon|olive|cyan|magenta|brown"
)
COLOUR = re.compile(rf"#[0-9a-f]{{3,8}}\b|\b(rgb|hsl|hwb|lab|lch|oklab|oklch)a?\(|(?<![\w-])({NAMES})(?![\w-])", re.I)
TAKEN = {
    "font-size": re.compile(r"var\(--type-"),
    "font": re.compile(r"inherit"),
    "border-radius": re.compile(r"var\(--radius|calc\(var\(--radius|50%"),
}
# In Python: a style in a string, and what plotly takes.
SAID = re.compile(
    rf"""["']#[0-9a-f]{{3,8}}["']|\b(rgb|hsl)a?\(|["']({NAMES})["']|font-size|border-radius|["']font["']: \{{|font=|font_size""",
    re.I,
)
TABS = ["Classify", "Configure", "Train", "Evaluate", "Predict"]


def read_tokens(selector: str) -> dict[str, str]:
    block = re.search(rf"^{re.escape(selector)} \{{(.*?)^\}}", TOKENS, re.M | re.S).group(1)
    return dict(re.findall(r"--([\w-]+): ([^;]+);", block))


LIGHT = read_tokens(":root")
PAGES = {"light": LIGHT, "dark": {**LIGHT, **read_tokens(".dark")}}


def find_literals_in_css(text: str) -> list[str]:
    bare = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return [
        f"{name}: {value}"
        for name, value in DECLARATION.findall(bare)
        if COLOUR.search(value) or (name in TAKEN and not TAKEN[name].match(value))
    ]


@pytest.mark.parametrize(
    "declaration",
    ["color: #fff", "color: rgba(0,0,0,.5)", "border: 1px solid White", "background: hsl(1 2% 3%)", "font-size: 12px",
     "font: 400 1em x", "border-radius: 999px", "border-radius: 6px"],
)  # fmt: skip
def test_a_literal_in_css_is_found_however_it_is_said(declaration):
    assert find_literals_in_css(f"#face a.red {{ margin: 0; {declaration}; }}") == [declaration]
    assert find_literals_in_css(f"@media print {{ a {{ {declaration} }} }}")


@pytest.mark.parametrize("name", STYLES)
def test_no_style_but_the_tokens_has_a_size_of_type_a_radius_or_a_colour(name):
    assert find_literals_in_css(STYLES[name]) == [], "Use a token of assets/tokens.css."


@pytest.mark.parametrize(
    "said", ['"#4f46e5"', "rgba(0,0,0,0)", '"color": "white"', '{"font": {"size": 13}}', "font-size: 1em"]
)
def test_a_literal_in_python_is_found_however_it_is_said(said):
    assert SAID.search(said)


@pytest.mark.parametrize("name", MODULES)
def test_no_module_of_the_page_has_a_size_of_type_a_radius_or_a_colour(name):
    assert [found.group() for found in SAID.finditer(MODULES[name])] == [], "Use a token of assets/tokens.css."


def test_every_token_is_used_and_every_token_that_is_used_is_declared():
    said = "".join([*STYLES.values(), *MODULES.values()])
    counted = {f"run-{number}" for number in range(2, 7)} | {f"{css_name(name)}-fill" for name in LABELS}
    unused = [name for name in LIGHT if name not in counted and not re.search(rf"--{name}\b(?!-)|\"{name}\"", said)]
    own = {"fill", "share", "toast-color", "run-"}  # of one element, or put together
    assert unused == []
    assert set(re.findall(r"var\(--([\w-]+)", said)) - own - LIGHT.keys() == set()


def test_only_colours_differ_between_light_and_dark():
    dark = read_tokens(".dark")
    assert dark.keys() <= LIGHT.keys()
    assert [value for value in dark.values() if not value.startswith("#")] == []


def compute_contrast(colour: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two #rrggbb colours."""

    def luminance(value):
        parts = [int(value[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(colour), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("page", PAGES)
def test_text_can_be_read_on_every_ground_that_it_stands_on(page):
    tokens = PAGES[page]
    grounds = ["ground", "surface"]
    texts = {
        "ink": [*grounds, "sunken", "accent-soft", "warn-soft", "bad-soft"], "ink-2": [*grounds, "sunken", "accent-soft"],
        "warn": ["warn-soft"], "bad": [*grounds, "bad-soft"], "accent-text": [*grounds, "accent-soft"],
        "accent-ink": ["accent-fill", "accent-hover"], **{css_name(name): grounds for name in LABELS},
    }  # fmt: skip
    faint = [
        (text, under)
        for text, grounds in texts.items()
        for under in grounds
        if compute_contrast(tokens[text], tokens[under]) < 4.5
    ]
    assert faint == []


@pytest.mark.parametrize("page", PAGES)
def test_what_is_drawn_stands_out_from_the_page(page):
    tokens = PAGES[page]
    drawn = [
        "accent",
        "line-strong",
        *(f"{css_name(name)}-fill" for name in LABELS),
        *(f"run-{n}" for n in range(2, 7)),
    ]
    assert [name for name in drawn if compute_contrast(tokens[name], tokens["surface"]) < 3] == []


HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    "built",
    [
        build_card(HOSTILE), build_notice(HOSTILE, title=HOSTILE), build_pill(HOSTILE, kind=HOSTILE),
        build_table([HOSTILE, "Text"], [[HOSTILE, HOSTILE]], label=HOSTILE),
    ],
)  # fmt: skip
def test_a_component_escapes_text_and_keeps_other_components(built):
    assert "<img" not in built
    assert "&lt;img" in build_card(built)
    assert "&amp;lt;" not in build_card(built)


def test_figures_stand_to_the_right_under_their_heading():
    built = build_table(["Class", "Texts"], [["World", "12"], ["Sports", "–"]], label="Texts")
    assert '<th scope="col" class="number">Texts</th>' in built
    assert '<td class="number">–</td>' in built
    assert '<td><span class="class-label class-world"><i></i>World</span></td>' in built


READ_LOOK = """() => {
  const seen = [...document.querySelectorAll('.gradio-container *')].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && one.checkVisibility({visibilityProperty: true});
  });
  const typed = seen.filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())
    || (one.matches('textarea, input') && !['range', 'checkbox', 'radio'].includes(one.type)));
  const describe = (one, what) => `${what} of ${one.tagName}.${one.getAttribute('class')}`;
  const look = (one, name) => getComputedStyle(one)[name];
  return {
    sizes: typed.filter((one) => !['13px', '15px', '20px', '40px'].includes(look(one, 'fontSize')))
      .map((one) => describe(one, look(one, 'fontSize'))),
    radii: seen.filter((one) => !['0px', '8px', '50%', '9999px'].includes(look(one, 'borderRadius')) && one.type !== 'checkbox')
      .map((one) => describe(one, look(one, 'borderRadius'))),
    sideways: document.documentElement.scrollWidth - innerWidth,
    ground: look(document.body, 'backgroundColor'),
  };
}"""
GROUNDS = {"light": "rgb(247, 247, 248)", "dark": "rgb(13, 14, 18)"}


@pytest.mark.parametrize(("look", "width"), [("light", 390), ("dark", 1280), ("light", 1920)])
def test_every_tab_keeps_to_the_tokens_at_every_width(trained_app, visit, look, width):
    page = visit(trained_app, color_scheme=look)
    page.set_viewport_size({"width": width, "height": 900})
    wait_for(page, lambda: page.evaluate(READ_LOOK)["ground"] == GROUNDS[look], what=look)
    for tab in TABS:
        choose_tab(page, tab)
        if tab in ("Configure", "Train"):
            page.locator({"Configure": "#plan .hero", "Train": "#run-status .facts"}[tab]).wait_for()
        found = page.evaluate(READ_LOOK)
        assert found == {"sizes": [], "radii": [], "sideways": 0, "ground": GROUNDS[look]}, tab


def test_a_plot_takes_its_colours_from_the_page_and_changes_with_it(trained_app, visit):
    page = visit(trained_app, "Configure", color_scheme="light")
    read = "() => document.querySelector('#rank-plot .live-plot')?.data?.[0].marker.color"
    wait_for(page, lambda: page.evaluate(read) == PAGES["light"]["accent"], what="light")
    page.emulate_media(color_scheme="dark")
    wait_for(page, lambda: page.evaluate(read) == PAGES["dark"]["accent"], what="dark")
