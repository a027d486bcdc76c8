"""The process that trains a run, and the wait for its end.

`python -m agnews_core.jobs.child RUN_DIR [--resume]` is that process. It ends when the program that started it does, however that
ends, so that the run reads as interrupted and not as one that nobody can stop.
"""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from agnews_core.errors import AgNewsError
from agnews_core.runs import ACTIVE, Run

NICENESS = 5  # the page answers first
PACKAGE_PARENT = Path(__file__).parents[2]


def train_in_child(run: Run, *, resume: bool) -> None:
    """Train a run in a process of its own and wait for its end; a death that it could not record is recorded here."""
    command = [sys.executable, "-m", "agnews_core.jobs.child", str(run.path.resolve()), *["--resume"] * resume]
    queued_at = run.read_status().queued_at
    paths = [str(PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with (run.path / "output.txt").open("ab") as output:
        # The child reads the pipe until it closes, which it does when this process ends. A session of its own keeps the
        # terminal's Ctrl-C from it.
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )
        with child:
            code = child.wait()
    if run.exists() and _was_left(run, queued_at):  # it may be deleted as soon as it has ended
        _record_death(run, code)


def _was_left(run: Run, queued_at: str) -> bool:
    """Return whether a training that is gone left its run without an end, and nobody has taken it up since.

    A training that has recorded its end takes a moment to be gone; the run may be queued again by then, or have another owner.
    """
    status = run.read_status()
    is_open = status.state in (*ACTIVE, "interrupted") and not status.ended_at
    return is_open and status.queued_at == queued_at and not run.is_owned()


def _record_death(run: Run, code: int) -> None:
    if code < 0:
        reason = (
            f"The training process was killed (signal {-code}), most often because memory ran out. Resume goes on from the "
            "last checkpoint; smaller batches need less memory."
        )
    else:
        reason = (
            f"The training process ended (status {code}) before it could say why; see output.txt in the run's folder."
        )
    run.end("interrupted" if code < 0 else "failed", run.find_full_disk() or reason)


def main(arguments: Sequence[str]) -> int:
    """Train one run in this process; its directory, and the exit status, say how it went."""
    run, resume = Run(Path(arguments[0])), "--resume" in arguments[1:]
    threading.Thread(target=_end_with_parent, daemon=True, name="agnews-parent").start()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("agnews_core").setLevel(logging.INFO)
    from agnews_core.training.recipe import train

    try:
        train(run, resume=resume)
    except AgNewsError:
        return 1  # recorded by train
    return 0


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # returns when the other end closes; nothing is ever written to it
    os._exit(1)  # at once: an unfinished step is worth nothing, and the run must not seem to go on


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
