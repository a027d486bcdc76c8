"""What commands that several processes carry out together ask of `accelerate launch`."""

from agnews_core.errors import ConfigError
from agnews_core.processes import is_alone_by_mistake


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
