"""How the page looks: its theme, its one accent colour, and the colour of each class. It knows no component.

The colours of the classes are Okabe and Ito's, which people with colour-blind eyes tell apart, darkened for text on
white and lightened for text on the dark page until both have a contrast of at least 4.5 : 1 (WCAG AA).
"""

from dataclasses import dataclass

import gradio as gr

ACCENT = "#4f46e5"  # on white 6.3 : 1
ACCENT_ON_DARK = "#a5b4fc"
ACCENT_IN_PLOTS = "#6d66ec"  # they lie on both pages; 3 : 1 and more on either
MUTED = "#7b8494"  # lines in plots; 3 : 1 and more on both pages


@dataclass(frozen=True)
class ClassColour:
    """One class's colour: as text on the light page, as text on the dark one, and in plots, which lie on both."""

    light: str
    dark: str
    plot: str


CLASS_COLOURS: dict[str, ClassColour] = {
    "World": ClassColour(light="#0067a3", dark="#6cc0f0", plot="#2f8fd0"),
    "Sports": ClassColour(light="#00704f", dark="#4fd1a5", plot="#0f9d76"),
    "Business": ClassColour(light="#a34700", dark="#f5a35c", plot="#db7420"),
    "Sci/Tech": ClassColour(light="#973a76", dark="#eda2cf", plot="#c1609f"),
}


def css_name(label_name: str) -> str:
    """Return the ending of a class's CSS names, as in `var(--class-scitech)` and `.class-scitech`.

    >>> css_name("Sci/Tech")
    'scitech'
    """
    return "".join(letter for letter in label_name.lower() if letter.isalnum())


def build_css() -> str:
    """Declare `--class-*`, `--class-*-plot` and the colours of states for both pages, and a `.class-*` that colours text."""
    light = "".join(
        f"--class-{css_name(name)}: {colour.light}; --class-{css_name(name)}-plot: {colour.plot};"
        for name, colour in CLASS_COLOURS.items()
    )
    dark = "".join(f"--class-{css_name(name)}: {colour.dark};" for name, colour in CLASS_COLOURS.items())
    rules = "".join(f".class-{css_name(name)} {{ color: var(--class-{css_name(name)}); }}" for name in CLASS_COLOURS)
    light += f"--accent: {ACCENT}; --good: #067647; --bad: #b42318; --warning: #93490a;"
    dark += f"--accent: {ACCENT_ON_DARK}; --good: #6ce9a6; --bad: #fda29b; --warning: #fec84b;"
    return f":root {{ {light} }} .dark {{ {dark} }} {rules}"


def build_theme() -> gr.themes.Base:
    """Build the theme: fonts that gradio brings along, grey neutrals, one accent, thin borders, no gradients."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.indigo,
        secondary_hue=gr.themes.colors.indigo,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_sm,
        text_size=gr.themes.sizes.text_md,
        # Weight 600 is drawn by 700: gradio's file of IBM Plex Sans SemiBold lacks most letters.
        font=(gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "ui-sans-serif", "system-ui", "sans-serif"),
        font_mono=(gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "Consolas", "monospace"),
    ).set(
        body_background_fill="#f7f8fa",
        body_background_fill_dark="#0e1218",
        background_fill_secondary_dark="#151b24",
        block_background_fill="white",
        block_background_fill_dark="#151b24",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="#2a3342",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_title_text_weight="600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        input_background_fill="white",
        input_background_fill_dark="#0e1218",
        input_border_width="1px",
        input_border_color="*neutral_400",
        input_border_color_dark="*neutral_500",
        input_border_color_focus=ACCENT,
        input_border_color_focus_dark=ACCENT_ON_DARK,
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        link_text_color=ACCENT,
        link_text_color_dark=ACCENT_ON_DARK,
        slider_color=ACCENT,
        slider_color_dark=ACCENT_ON_DARK,
        button_primary_background_fill=ACCENT,
        button_primary_background_fill_dark=ACCENT,
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_secondary_background_fill="white",
        button_secondary_background_fill_dark="#1d2531",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_hover_dark="#2a3342",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_600",
        button_border_width="1px",
        button_cancel_background_fill="white",
        button_cancel_background_fill_dark="#1d2531",
        button_cancel_background_fill_hover="#fef2f2",
        button_cancel_background_fill_hover_dark="#3b1a1f",
        button_cancel_text_color="#b42318",
        button_cancel_text_color_dark="#fda29b",
        button_cancel_text_color_hover="#b42318",
        button_cancel_text_color_hover_dark="#fda29b",
        button_cancel_border_color="#d92d20",
        button_cancel_border_color_dark="#b42318",
    )
