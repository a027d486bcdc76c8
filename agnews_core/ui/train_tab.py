"""The tab Train: start, watch, stop and resume runs."""

import gradio as gr

from agnews_core.jobs import JobQueue
from agnews_core.ui.configure_tab import SettingControls


def build_tab(queue: JobQueue, settings: SettingControls) -> None:
    """Lay out the tab inside the current gr.Tab and wire its events."""
    gr.Markdown("Train")
