"""How the page looks, as gradio is told: each of its variables is a token of assets/tokens.css, which alone has values."""

from inspect import signature
from pathlib import Path

import gradio as gr
from gradio.themes.utils.sizes import Size

ASSETS = Path(__file__).parents[2] / "assets"
_COLOURS = {
    "ground": "body_background_fill background_fill_secondary",
    "surface": "background_fill_primary block_background_fill input_background_fill button_secondary_background_fill "
    "button_cancel_background_fill checkbox_background_color table_even_background_fill error_background_fill",
    "sunken": "button_secondary_background_fill_hover button_cancel_background_fill_hover code_background_fill "
    "table_odd_background_fill",
    "line": "border_color_primary block_border_color table_border_color",
    "line-strong": "input_border_color button_secondary_border_color button_secondary_border_color_hover "
    "button_cancel_border_color button_cancel_border_color_hover checkbox_border_color checkbox_border_color_hover",
    "ink": "body_text_color block_title_text_color button_secondary_text_color button_secondary_text_color_hover",
    "ink-2": "body_text_color_subdued block_info_text_color block_label_text_color input_placeholder_color",
    "accent": "color_accent border_color_accent input_border_color_focus slider_color loader_color "
    "checkbox_background_color_selected checkbox_border_color_selected checkbox_border_color_focus",
    "accent-fill": "button_primary_background_fill button_primary_border_color button_primary_border_color_hover",
    "accent-hover": "button_primary_background_fill_hover",
    "accent-ink": "button_primary_text_color button_primary_text_color_hover",
    "accent-soft": "color_accent_soft table_row_focus",
    "accent-text": "link_text_color link_text_color_active link_text_color_hover link_text_color_visited",
    "bad": "button_cancel_text_color button_cancel_text_color_hover error_text_color error_icon_color error_border_color",
}
_SIZES = {
    "type-m": "button_large_text_size button_small_text_size",
    "type-s": "block_label_text_size block_info_text_size",
    "strong": "block_title_text_weight button_small_text_weight",
    "s4": "layout_gap block_padding",
    "s3": "input_padding",
}
_BARE = "block_label_background_fill block_label_background_fill_dark"
# Weight 600 is drawn by 700: gradio's file of IBM Plex Sans SemiBold lacks most letters.
_FONTS = {
    "font": (gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "ui-sans-serif", "system-ui", "sans-serif"),
    "font_mono": (gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "Consolas", "monospace"),
}


def css_name(label_name: str) -> str:
    """Return the name of a class's token, and the ending of its CSS class, as in `var(--scitech)` and `.class-scitech`.

    >>> css_name("Sci/Tech")
    'scitech'
    """
    return "".join(letter for letter in label_name.lower() if letter.isalnum())


def build_theme() -> gr.themes.Base:
    """Build the theme: thin borders, no gradients, and the tokens for all that has a size or a colour."""
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.indigo,
        neutral_hue=gr.themes.colors.zinc,
        text_size=_map_sizes("type-s", "type-s", "type-s", "type-m", "type-l", "type-l", "type-l"),
        spacing_size=_map_sizes("s1", "s1", "s1", "s2", "s2", "s3", "s4"),
        radius_size=_map_sizes(*["radius"] * 7),
        **_FONTS,
    )
    known = signature(theme.set).parameters
    # Gradio's own variables of the dark page are set too: only what is declared there takes the tokens' dark values.
    looks = {
        name + end: f"var(--{token})"
        for token, names in {**_COLOURS, **_SIZES}.items()
        for name in names.split()
        for end in ("", "_dark")
        if name + end in known
    }
    bare = dict.fromkeys(_BARE.split(), "transparent")
    return theme.set(
        **looks,
        **bare,
        block_label_border_width="0px",
        input_border_width="1px",
        button_border_width="1px",
        button_small_padding="*button_medium_padding",
        block_label_radius="0px",
        block_label_right_radius="0px",
    )


def _map_sizes(*tokens: str) -> Size:
    """Return gradio's seven sizes, the smallest first."""
    return Size(*(f"var(--{token})" for token in tokens))
