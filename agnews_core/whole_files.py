"""Files written so that whoever reads them, and a kill at any moment, finds them whole; and read only where they end."""

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Stamp = tuple[int, int, int] | None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside a file; what is written there takes the file's place, or is gone if anything fails."""
    temporary = path.parent / f".{path.name}.{os.getpid()}.{time.monotonic_ns()}"
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Replace a file so that a reader, or a kill at any moment, finds the old text or the new one, never a part."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_regular(path: Path, *, at_most_bytes: int) -> bytes:
    """Return what a file holds, of which a stranger may have made something else: a pipe, a device, far too much.

    Raises:
        OSError: It cannot be read, is no regular file, or is larger.
    """
    # Without O_NONBLOCK, opening a pipe would wait for somebody to write into it.
    with os.fdopen(
        os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb"
    ) as file:
        found = os.fstat(file.fileno())
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        if found.st_size > at_most_bytes:
            raise OSError(errno.EFBIG, f"it has more than {at_most_bytes:,} bytes", str(path))
        return file.read(at_most_bytes)


def find_stamp(path: Path | str) -> Stamp:
    """Return what differs once a file is changed or replaced; None for one that is not there, or not ours to look at."""
    try:
        found = os.stat(path)  # noqa: PTH116 - asked for hundreds of files a second, where a Path costs more than the answer
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
