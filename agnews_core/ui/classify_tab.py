"""The tab Classify."""

from pathlib import Path

import gradio as gr


def build_tab(runs_dir: Path) -> None:
    """Lay out the tab inside the current gr.Tab and wire its events."""
    gr.Markdown("Classify")
