"""The process that trains a run, and the wait for its end.

`python -m agnews_core.jobs.child RUN_DIR [--resume]` is that process; on a machine with several GPUs, `accelerate launch` starts
one for each. They end when the program that started them does, however that ends, so that the run reads as interrupted and not as
one that nobody can stop.
"""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from agnews_core.devices import count_gpus
from agnews_core.errors import AgNewsError, ConfigError, quote
from agnews_core.runs import ACTIVE, Run, share_run

NICENESS = 5  # the page answers first
PACKAGE_PARENT = Path(__file__).parents[2]
# Processes of one machine need not be heard by others.
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}


def train_in_child(run: Run, *, resume: bool) -> None:
    """Train a run in a process of its own and wait for its end; a death that it could not record is recorded here."""
    n_processes = _count_processes(run, resume=resume)
    command = [
        *build_launcher(n_processes),
        "-m",
        "agnews_core.jobs.child",
        str(run.path.resolve()),
        *["--resume"] * resume,
    ]
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
            env={**LOOPBACK, **os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )
        with child:
            code = child.wait()
    if run.exists() and _was_left(run, queued_at):  # it may be deleted as soon as it has ended
        _record_death(run, code, n_processes)


def count_planned_processes() -> int:
    """Return how many processes will train a run that is started here: AGNEWS_NUM_PROCESSES, or one for each GPU.

    Raises:
        ConfigError: AGNEWS_NUM_PROCESSES is not a number, or larger than the number of GPUs.
    """
    wanted, n_gpus = os.environ.get("AGNEWS_NUM_PROCESSES", ""), count_gpus()
    if not wanted:
        return max(1, n_gpus)
    if not wanted.isdecimal() or int(wanted) < 1:
        raise ConfigError(f"AGNEWS_NUM_PROCESSES must be a number of processes, got {quote(wanted)}.")
    _check_gpus(int(wanted), n_gpus)
    return int(wanted)


def _check_gpus(n_processes: int, n_gpus: int) -> None:
    if n_gpus and n_processes > n_gpus:
        raise ConfigError(f"{n_processes} processes need a GPU each, and this machine has {n_gpus}.")


def _count_processes(run: Run, *, resume: bool) -> int:
    """Return how many processes train a run: one that goes on has as many as it began with."""
    resolved = run.read_status().resolved if resume else None
    if resolved is None:
        return count_planned_processes()
    _check_gpus(resolved.n_processes, count_gpus())
    return resolved.n_processes


def build_launcher(n_processes: int) -> list[str]:
    """Build the part of a command that starts one Python, or several that train together."""
    if n_processes == 1:
        return [sys.executable]
    # --multi_gpu starts as many as it is told, without GPUs too; port 0 is any that is free.
    named: dict[str, int | str] = {"num_processes": n_processes, "num_machines": 1, "main_process_port": 0}
    named |= {"mixed_precision": "no", "dynamo_backend": "no"}  # Trainer's own settings decide
    options = [part for name, value in named.items() for part in (f"--{name}", str(value))]
    return [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", *options]


def _was_left(run: Run, queued_at: str) -> bool:
    """Return whether a training that is gone left its run without an end, and nobody has taken it up since.

    A training that has recorded its end takes a moment to be gone; the run may be queued again by then, or have another owner.
    """
    status = run.read_status()
    is_open = status.state in (*ACTIVE, "interrupted") and not status.ended_at
    return is_open and status.queued_at == queued_at and not run.is_owned()


def _record_death(run: Run, code: int, n_processes: int) -> None:
    killed = code < 0 or n_processes > 1  # a launcher's status does not tell; whatever is no kill, its processes record
    if killed:
        which = f"The training process was killed (signal {-code})" if code < 0 else "A training process was killed"
        reason = (
            f"{which}, most often because memory ran out. Resume goes on from the last checkpoint; smaller batches need less "
            "memory."
        )
    else:
        reason = (
            f"The training process ended (status {code}) before it could say why; see output.txt in the run's folder."
        )
    run.end("interrupted" if killed else "failed", run.find_full_disk() or reason)


def main(arguments: Sequence[str]) -> int:
    """Train one run in this process; its directory, and the exit status, say how it went."""
    run, resume = share_run(lambda: Run(Path(arguments[0]))), "--resume" in arguments[1:]
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
