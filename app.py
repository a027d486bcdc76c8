"""The page: `python app.py`, and what Spaces runs."""

import os

# Before gradio is imported: it reads these once.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from agnews_core.hosting.visitors import warn_where_open
from agnews_core.inference.catalogue import load_ahead
from agnews_core.jobs.queue import JobQueue
from agnews_core.runs import find_runs_dir
from agnews_core.ui import build_demo, launch_options

queue = JobQueue(find_runs_dir())
demo = build_demo(queue)

if __name__ == "__main__":
    warn_where_open()
    queue.start_worker()
    demo.launch(**launch_options(), prevent_thread_lock=True)
    load_ahead(queue.runs_dir)  # not before the page answers
    demo.block_thread()
