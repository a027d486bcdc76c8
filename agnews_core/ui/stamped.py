"""Parts of a page that are sent anew only when they have changed: each has a stamp, and is made only for a new one.

The page itself keeps the stamps and sends them with each question, in the same answer as the parts that they are of. So a page
that was closed, reloaded or asleep, or whose answer was lost, shows what there is, and nothing is kept for it here.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gradio as gr

Updates = dict[Any, Any]


class Part(NamedTuple):
    """Something on a page: what differs once it does, and what makes the update that shows it."""

    stamp: str
    build: Callable[[], Updates]


def make_stamp(*values: object) -> str:
    """Return what differs once a value does."""
    return str(hash(values))


def send(parts: Mapping[str, Part], keeper: gr.JSON, has: Mapping[str, str]) -> Updates:
    """Return the updates of the parts that a page lacks, and of the stamps that it keeps."""
    stamps = {name: part.stamp for name, part in parts.items()}
    updates: Updates = {keeper: gr.skip() if stamps == has else stamps}
    for name, part in parts.items():
        if has.get(name) != part.stamp:
            updates |= part.build()
    return updates
