"""The tab Configure: a control for every setting, and what they come to."""

from dataclasses import dataclass

import gradio as gr


@dataclass(frozen=True)
class SettingControls:
    """The components that hold a visitor's settings."""

    controls: dict[str, gr.Component]


def build_tab() -> SettingControls:
    """Lay out the tab inside the current gr.Tab and wire its events."""
    gr.Markdown("Configure")
    return SettingControls({})
