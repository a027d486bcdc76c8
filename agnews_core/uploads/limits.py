"""What reading a file may cost: a stranger's on a server, or the machine's owner's own."""

import shutil
import tempfile
from dataclasses import dataclass
from typing import Final

from agnews_core.devices import read_available_memory

_MEGABYTE: Final = 2**20
_MEMORY_SHARE: Final = 0.75  # of what is available; a model is loaded only when the reader has ended
_OWN_SECONDS: Final = 24 * 3600  # whoever reads a file of their own ends it when they like


@dataclass(frozen=True)
class Limits:
    """What one upload may cost.

    Attributes:
        file_bytes: size of the file, and of what it expands to where it is compressed.
        memory_bytes: memory that the reading process may take.
        cpu_seconds: processor time that it may use.
        wall_seconds: time after which it is killed.
        answer_bytes: size of the texts that it may hand back.
        unfolded_bytes: size that a file's content may always unfold to, however small the file is.
    """

    file_bytes: int = 256 * _MEGABYTE
    memory_bytes: int = 1024 * _MEGABYTE
    cpu_seconds: int = 30
    wall_seconds: float = 60.0
    answer_bytes: int = 400 * _MEGABYTE
    unfolded_bytes: int = 32 * _MEGABYTE


STRANGERS: Final = Limits()


def choose_own_limits() -> Limits:
    """Return what reading may cost where the file belongs to whoever runs the program: what this machine has."""
    memory_bytes = int(read_available_memory() * _MEMORY_SHARE)
    room_bytes = shutil.disk_usage(tempfile.gettempdir()).free
    return Limits(
        file_bytes=memory_bytes,
        memory_bytes=memory_bytes,
        cpu_seconds=_OWN_SECONDS,
        wall_seconds=_OWN_SECONDS,
        answer_bytes=room_bytes,
        unfolded_bytes=room_bytes,
    )
