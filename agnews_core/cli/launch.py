"""What commands ask of `accelerate launch`, which starts each of them several times, and of whoever ends them by a signal."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from agnews_core.errors import ConfigError
from agnews_core.processes import EXIT_FOLLOWED, build_loss, count_processes, is_alone_by_mistake, is_first, leave

SHARED_COMMANDS = ("train", "predict")  # by several processes
_ENDINGS = [signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def check_alone(command: str) -> None:
    """Refuse to carry out several times what one process does; the first one says so.

    Raises:
        ConfigError: `accelerate launch` started this command in several processes.
    """
    if count_processes() > 1 and command not in SHARED_COMMANDS:
        if not is_first():
            sys.exit(EXIT_FOLLOWED)
        raise ConfigError(
            f"`accelerate launch` started `{command}` {count_processes()} times; of all commands, only train and predict work in "
            f"several processes. Start it alone: `python -m agnews_core {command} ...`."
        )


def check_launch() -> None:
    """Refuse to be one process where several were asked for.

    Raises:
        ConfigError: `accelerate launch --cpu --num_processes 2` was meant to start two, and started one.
    """
    if is_alone_by_mistake():
        raise ConfigError(
            "`accelerate launch` was asked for several processes and started one, as it does on CPUs; add --multi_gpu, and leave "
            "out --cpu: with --multi_gpu it starts as many as it is told, on CPUs too."
        )


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Clean up where this process is told to end, as by a launcher that has lost another; part from the others at the end."""

    def end(signum: int, frame: FrameType | None) -> None:
        if count_processes() > 1:
            raise build_loss()
        sys.exit(128 + signum)  # what a shell says of it

    # One that is ignored, as by `nohup`, stays so.
    before = {it: signal.signal(it, end) for it in _ENDINGS if signal.getsignal(it) is not signal.SIG_IGN}
    try:
        yield
        leave()
    finally:
        for signum, earlier in before.items():
            signal.signal(signum, earlier)
