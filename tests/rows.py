"""The lines of a run's metrics.jsonl as they were written."""

import json
from typing import Any

from agnews_core.runs import Run


def read_rows(run: Run) -> list[dict[str, Any]]:
    """Return the whole lines; one that is being written is left out."""
    if not run.metrics_path.exists():
        return []
    return [json.loads(line) for line in run.metrics_path.read_text().split("\n")[:-1]]
