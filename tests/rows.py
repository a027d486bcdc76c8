"""What a run's directory holds: the lines of metrics.jsonl as they were written, and a decision as status.json has it."""

import json
from typing import Any

from agnews_core.runs import Resolved, Run


def read_rows(run: Run) -> list[dict[str, Any]]:
    """Return the whole lines; one that is being written is left out."""
    if not run.metrics_path.exists():
        return []
    return [json.loads(line) for line in run.metrics_path.read_text().split("\n")[:-1]]


def build_resolved(**more: Any) -> Resolved:
    """Build what a run on the sample decided when it began, with what a test adds."""
    known: dict[str, Any] = {"backbone": "b", "backbone_name": "b", "backbone_source": "folder"}
    news: dict[str, Any] = {"data": "sample", "data_source": "sample"}
    return Resolved(**known, **news, device="cpu", precision="bf16", layer_ranks={3: 4}, **more)
