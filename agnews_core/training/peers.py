"""What the processes that train one run together owe each other: to be as many as before, and an end that is told."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from agnews_core.errors import RunError
from agnews_core.processes import count_processes
from agnews_core.runs import Run
from agnews_core.training.records import describe_loss, end


def check_same_processes(run: Run) -> None:
    """Refuse to go on from a checkpoint with more or fewer processes: steps would be of other sizes.

    Raises:
        RunError: It was written by another number of processes.
    """
    resolved = run.read_status().resolved
    n_before, n = resolved.n_processes if resolved else 1, count_processes()
    if n_before != n:
        raise RunError(
            f"The run {run.name} was begun by {_count(n_before)} and cannot be resumed by {_count(n)}, whose steps are of "
            "another size; use as many as before, or start a new run."
        )


def _count(n_processes: int) -> str:
    return "1 process" if n_processes == 1 else f"{n_processes} processes"


@contextmanager
def ending_with_the_others(run: Run) -> Iterator[None]:
    """Record the end when the launcher ends this process, as it does when another one has died; alone, do nothing.

    A thread does it, since this process may be waiting for the dead one, deep in a library.
    """
    if count_processes() == 1 or os.name != "posix":
        yield
        return
    news, told = os.pipe()
    os.set_blocking(told, False)
    before = signal.signal(signal.SIGTERM, lambda signum, frame: None)
    signal.set_wakeup_fd(told)
    threading.Thread(target=_end_when_told, args=(news, run), daemon=True, name="agnews-peers").start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, before)
        os.close(told)


def _end_when_told(news: int, run: Run) -> None:
    while told := os.read(news, 1):
        if told[0] == signal.SIGTERM:
            end(run, "interrupted", describe_loss())
            os._exit(1)
    os.close(news)
