"""Trains runs in processes of their own that start at once, held at a moment of a run's life so that a test can act just then."""

import multiprocessing
import os
import select
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from agnews_core.errors import AgNewsError
from agnews_core.runs import Run, share_run

SECONDS = 120
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["agnews_core.training.recipe"])


class Moment:
    """A moment that the next training of a folder's runs waits at: "starting", a phase, "step N", "evaluation N", "filling N"."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self._reached, self._go = name, folder / "reached", folder / "go"
        for fifo in (self._reached, self._go):
            fifo.unlink(missing_ok=True)
            os.mkfifo(fifo)
        self._news = os.open(self._reached, os.O_RDONLY | os.O_NONBLOCK)

    def wait(self) -> None:
        """Wait until the training is there."""
        assert select.select([self._news], [], [], SECONDS)[0], f"{self.name} was never reached"
        os.close(self._news)

    def let_go(self) -> None:
        self._go.write_text("")

    def __getstate__(self):
        return {**self.__dict__, "_news": None}

    def hold(self) -> None:
        """Called in the process that trains."""
        self._reached.write_text(".")
        self._go.read_text()


def start_training(run: Run, *, resume: bool = False, moment: Moment | None = None) -> multiprocessing.Process:
    """Train a run in a process of its own."""
    process = _SERVER.Process(target=_train, args=(run, resume, moment, dict(os.environ)), daemon=True)
    process.start()
    return process


def kill_training(run: Run, moment: Moment, *, resume: bool = False) -> None:
    """Train a run in a process of its own until some moment, and kill it there."""
    process = start_training(run, resume=resume, moment=moment)
    moment.wait()
    process.kill()
    process.join()


def start_pair(
    run: Run, *, resume: bool = False, moment: Moment | None = None, prepare: Callable[[], None] | None = None
) -> list[multiprocessing.Process]:
    """Train a run in two processes, as a launcher would start them, each prepared so; only the first one has moments."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        met_at = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "GLOO_SOCKET_IFNAME": "lo"}
    of_both = {**met_at, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    pair = []
    for rank in ("0", "1"):
        place = {**of_both, "RANK": rank, "LOCAL_RANK": rank}
        pair.append(
            _SERVER.Process(target=_train, args=(run, resume, moment, {**os.environ, **place}, prepare), daemon=True)
        )
        pair[-1].start()
    return pair


class HeldTraining:
    """What a queue trains its runs with: processes of their own, the first one held at a moment."""

    def __init__(self, moment: Moment) -> None:
        self._moments, self._ended = [moment], threading.Semaphore(0)

    def __call__(self, run: Run, *, resume: bool) -> None:
        start_training(run, resume=resume, moment=self._moments.pop() if self._moments else None).join()
        self._ended.release()

    def wait_for_end(self) -> None:
        assert self._ended.acquire(timeout=SECONDS), "the training did not end"


def _train(
    run: Run,
    resume: bool,
    moment: Moment | None,
    environment: Mapping[str, str],
    prepare: Callable[[], None] | None = None,
) -> None:
    os.environ.update(environment)  # a test's, which the server was not started with
    if "RANK" in environment:
        with (run.path / "output.txt").open("ab") as output:
            os.dup2(output.fileno(), 2)
    from agnews_core.training.recipe import train

    if prepare is not None:
        prepare()
    if moment is not None:
        _hold_at(moment)
    try:
        train(share_run(lambda: run), resume=resume)
    except AgNewsError as error:
        os.write(2, f"{error}\n".encode())
        os._exit(1)  # recorded by train


def _hold_at(moment: Moment) -> None:
    from agnews_core.training import callbacks, watch

    callbacks.TELL_SECONDS = watch.TELL_SECONDS = 0.0  # each step, and each batch, is written when it is over
    update, append = Run.update_status, Run.append_metrics

    def update_status(self, **changes):
        if moment.name == "starting" and changes.get("state") == "running":
            moment.hold()
        status = update(self, **changes)
        if "state" not in changes and changes.get("phase") == moment.name:
            moment.hold()
        progress = changes.get("phase_progress")
        if progress and moment.name.startswith("filling") and progress.n_done >= int(moment.name.split()[1]):
            moment.hold()
            moment.name = "passed"
        return status

    def append_metrics(self, *rows):
        append(self, *rows)
        if any(moment.name == f"{'step' if 'loss' in row else 'evaluation'} {row['step']}" for row in rows):
            moment.hold()

    Run.update_status, Run.append_metrics = update_status, append_metrics
