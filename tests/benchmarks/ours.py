"""This program's trainings, started as people start them: by its command line."""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from agnews_core.runs import Phase
from tests.benchmarks.measuring import Ran, run_command

LOGGED = re.compile(rf"^(\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d) ({'|'.join(get_args(Phase))}|run .*)$", re.MULTILINE)


def train(settings: Mapping[str, Any], folder: Path, *, name: str, cache: str = "cache") -> Ran:
    """Train a run, kept in a folder, with a cache folder there that runs may share."""
    flags = [word for key, value in settings.items() for word in (f"--{key.replace('_', '-')}", value)]
    own = ["--runs-dir", folder / "runs", "--name", name]
    return run_command("train", *flags, *own, AGNEWS_CACHE_DIR=str(folder / cache))


def read_phase_seconds(run_dir: str | Path, phase: str) -> float:
    """Return how long a phase of a run took, in whole seconds, by its log; 0 where it had none."""
    found = LOGGED.findall((Path(run_dir) / "log.txt").read_text(encoding="utf-8"))
    times = [datetime.fromisoformat(stamp) for stamp, _ in found]
    spans = zip(found, times, times[1:], strict=False)
    return sum((end - begin).total_seconds() for (_, what), begin, end in spans if what == phase)
