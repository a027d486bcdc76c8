"""The processes that train or predict together, as `accelerate launch` starts them: which one this is, and what they agree on.

The first one decides, writes and speaks; the others follow. A single process is the first of one, and agrees with itself.
What is agreed on goes through a group of its own, over gloo whatever the gradients go through, and may take its time: the first
process may download for an hour while the others wait. A process that dies is noticed at once, by the connection that it closes.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

from agnews_core.devices import choose_device, count_cores
from agnews_core.errors import ProcessLostError

Value = TypeVar("Value")

STEP_TIMEOUT = timedelta(minutes=10)  # for a process that hangs: in a step all are equally fast, but for a slow disk
AGREEMENT_TIMEOUT = timedelta(days=1)
EXIT_FOLLOWED = 2


def count_processes() -> int:
    """Return how many processes train or predict together."""
    # Some systems set the second one for programs that are alone, too.
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def get_rank() -> int:
    """Return which of them this is, from 0."""
    return int(os.environ.get("RANK", "0")) if count_processes() > 1 else 0


def count_processes_here() -> int:
    """Return how many of them are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def get_rank_here() -> int:
    """Return which of this machine's this is, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_first() -> bool:
    """Return whether this is the one that decides, writes and speaks."""
    return get_rank() == 0


def is_alone_by_mistake() -> bool:
    """Return whether `accelerate launch` was asked for several processes and started one, as it does with --cpu."""
    # It sets an address to meet at, and leaves it to MPI to start the others.
    return "MASTER_ADDR" in os.environ and "ACCELERATE_MIXED_PRECISION" in os.environ and "WORLD_SIZE" not in os.environ


def share(make: Callable[[], Value]) -> Value:
    """Return in all processes what the first one makes; the others wait for it, and end quietly where it fails.

    Raises:
        ProcessLostError: Another process is gone.
        Whatever `make` raises, in the first process.
    """
    if count_processes() == 1:
        return make()
    if not is_first():
        is_made, value = _broadcast(None)
        if not is_made:
            sys.exit(EXIT_FOLLOWED)  # the first process says why
        return value  # type: ignore[no-any-return]
    try:
        made = make()
    except BaseException:
        with suppress(ProcessLostError):
            _broadcast((False, None))
        raise
    _broadcast((True, made))
    return made


def load_in_turn(load: Callable[[], Value]) -> Value:
    """Return what each process loads for itself, the first one before all others: what it downloads, they find."""
    loaded: list[Value] = []
    share(lambda: loaded.append(load()))
    return loaded[0] if loaded else load()


def share_flag(flag: bool) -> bool:
    """Return the first process's flag in all processes, in a fraction of a millisecond.

    Raises:
        ProcessLostError: Another process is gone.
    """
    if count_processes() == 1:
        return flag
    import torch

    told = torch.tensor([flag])
    with _telling_of_loss():
        torch.distributed.broadcast(told, src=0, group=_join())
    return bool(told)


def attempt_together(act: Callable[[], Value]) -> Value:
    """Do something in all processes at once, and return what it gives here.

    Raises:
        OSError: It failed so in one of them, and counts as failed in all.
        ProcessLostError: Another process is gone.
    """
    if count_processes() == 1:
        return act()
    failure: OSError | None = None
    try:
        done = act()
    except OSError as error:
        failure = error
    failures = gather(failure and (failure.errno, failure.strerror))
    told = share(lambda: next(filter(None, failures), None))
    if told is not None:
        raise failure or OSError(*told)
    return done


def scatter(values: list[Any] | None) -> Any:
    """Return in each process its own of the values that the first one has; the others give None.

    Raises:
        ProcessLostError: Another process is gone.
    """
    import torch

    own: list[Any] = [None]
    with _telling_of_loss():
        torch.distributed.scatter_object_list(own, values, src=0, group=_join())
    return own[0]


def gather(value: Any) -> list[Any]:
    """Return in the first process what each has, in the order of their ranks; in the others nothing.

    Raises:
        ProcessLostError: Another process is gone.
    """
    if count_processes() == 1:
        return [value]
    import torch

    values = [None] * count_processes() if is_first() else None
    with _telling_of_loss():
        torch.distributed.gather_object(value, values, dst=0, group=_join())
    return values or []


@contextmanager
def _telling_of_loss() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not is_loss(error):
            raise
        raise build_loss() from error


def build_loss() -> ProcessLostError:
    """Return the error to raise where another process is gone."""
    which = f"Another of the {count_processes()} processes"
    return ProcessLostError(f"{which} ended or no longer answers, or all were told to end.")


def leave() -> None:
    """Part from the others, once all are here: from now on each may end when it likes, and the first has all cores to itself.

    Raises:
        ProcessLostError: Another process is gone.
    """
    if count_processes() > 1:
        import torch

        with _telling_of_loss():
            torch.distributed.barrier(group=_join())
        torch.distributed.destroy_process_group()
        if is_first():
            _share_cores(1)
            torch.set_num_threads(count_cores())


def is_loss(error: BaseException) -> bool:
    """Return whether an error says that another process is gone, or does not answer."""
    if count_processes() == 1:
        return False
    import torch

    # gloo raises bare RuntimeErrors, with the place in its source.
    return isinstance(error, torch.distributed.DistError) or (isinstance(error, RuntimeError) and "gloo/" in str(error))


def _broadcast(value: Any) -> Any:
    import torch

    told = [value]
    with _telling_of_loss():
        torch.distributed.broadcast_object_list(told, src=0, group=_join())
    return told[0]


@functools.cache
def _join() -> Any:
    """Join the others, give this process its share of the cores, and return the group that agreements go through."""
    _share_cores(count_processes_here())  # before torch reads it
    import torch
    from accelerate import PartialState

    PartialState(cpu=choose_device() == "cpu", timeout=STEP_TIMEOUT)
    return torch.distributed.new_group(backend="gloo", timeout=AGREEMENT_TIMEOUT)


def _share_cores(n_sharing: int) -> None:
    """Let this process use its share of the cores, unless a number was set: one is what accelerate sets unasked."""
    if _count_shared_cores():
        os.environ["OMP_NUM_THREADS"] = str(max(1, _count_shared_cores() // n_sharing))


@functools.cache
def _count_shared_cores() -> int:
    """Return how many cores the processes of this machine share, or 0 where somebody decided how many each one has."""
    if os.environ.get("OMP_NUM_THREADS", "1") != "1":
        return 0
    os.environ.pop("OMP_NUM_THREADS", None)
    return count_cores()
