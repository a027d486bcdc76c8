"""What commands that several processes carry out together ask of `accelerate launch`."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from agnews_core.errors import ConfigError
from agnews_core.processes import build_loss, count_processes, is_alone_by_mistake, leave


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
    """Clean up when the launcher ends this process, as it does when another one has died, and part from the others at the end."""
    if count_processes() == 1:
        yield
        return

    def end(signum: int, frame: FrameType | None) -> None:
        raise build_loss()

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
        leave()
    finally:
        signal.signal(signal.SIGTERM, before)
