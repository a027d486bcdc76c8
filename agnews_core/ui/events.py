"""How events of the page reach the server: what every kind of them has in common."""

from typing import Any

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
"""Not offered to programs."""

ACTION: dict[str, Any] = {**PRIVATE, "show_progress": "hidden", "concurrency_limit": None, "preprocess": False}
"""A person pressed something. Through the queue, since gradio shows a toast only for what went through it. Values come as the
browser sent them: a page that outlived the program names runs that this program never offered it; each handler checks."""

QUIET: dict[str, Any] = {**PRIVATE, "show_progress": "hidden", "queue": False, "preprocess": False}
"""What the page asks by itself, such as a timer's tick; past the queue, so that it waits for nobody. It cannot show a toast."""
