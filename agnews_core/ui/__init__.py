"""The page: five tabs, each in its module, put together here. No computation, path or thread lives in this package."""

from typing import Any

import gradio as gr
from gradio.route_utils import FnIndexInferError

from agnews_core.hosting.requests import build_app_options
from agnews_core.hosting.visitors import is_open_to_everybody, is_shared
from agnews_core.jobs.queue import JobQueue
from agnews_core.tuning.studies import Studies
from agnews_core.ui import classify_tab, configure_tab, evaluate_tab, predict_tab, train_tab
from agnews_core.ui.errors import Page
from agnews_core.ui.models import build_kept_choice
from agnews_core.ui.theme import ASSETS, build_theme
from agnews_core.uploads import Limits

# Gradio lets the style sheets that it is given reach only what lies inside the page; these two are put into its head.
AROUND = ("tokens.css", "frame.css")
TITLE = "AG News classifier"
OPEN = (
    "Everybody can open this page and sees all runs. A run is stopped, resumed, deleted and downloaded only in the browser "
    "that started it."
)


def build_demo(queue: JobQueue) -> gr.Blocks:
    """Build the page over a job queue, whose runs folder all tabs read."""
    with Page(title=TITLE, analytics_enabled=False, delete_cache=(86400, 86400)) as demo:
        gr.Markdown(
            f"# {TITLE}\nSort news into World, Sports, Business and Sci/Tech, and train the model that does it."
        )
        if is_open_to_everybody():
            gr.Markdown(OPEN, elem_classes="hint")
        kept = build_kept_choice()
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            with gr.Tab("Classify", id="classify"):
                classify_tab.build_tab(queue.runs_dir, kept)
            with gr.Tab("Configure", id="configure"):
                settings = configure_tab.build_tab(queue.runs_dir)
            with gr.Tab("Train", id="train"):
                train_tab.build_tab(Studies(queue), settings, kept, tabs)
            with gr.Tab("Evaluate", id="evaluate"):
                evaluate_tab.build_tab(queue.runs_dir)
            with gr.Tab("Predict", id="predict"):
                predict_tab.build_tab(queue.runs_dir, kept)
    return demo


def launch_options() -> dict[str, Any]:
    """Return what `launch` is told: the look, limits on uploads, and nothing that asks the network."""
    return {
        "theme": build_theme(),
        "head": "".join(f"<style>{(ASSETS / name).read_text(encoding='utf-8')}</style>" for name in AROUND),
        "css_paths": [ASSETS / "page.css", ASSETS / "components.css"],
        "share": is_shared(),
        "footer_links": ["api", "settings"],
        "max_file_size": Limits().file_bytes,
        "show_error": False,
        "ssr_mode": False,
        "pwa": False,
        "run_history": False,
        "enable_monitoring": False,  # it would tell everybody
        "state_session_capacity": 200,  # each takes half a megabyte; the one used longest ago makes room
        "app_kwargs": build_app_options(KeyError, FnIndexInferError),  # by its number, by its name
    }
