"""Whether some process holds a lock file, without getting in the way of those that want it."""

import os
from pathlib import Path

from filelock import FileLock, Timeout


def is_locked(path: Path) -> bool:
    """Return whether a process holds a lock. Many may ask at once: they share it for a moment, and disturb no one."""
    if os.name != "posix":
        return _is_locked_elsewhere(path)
    import fcntl

    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _is_locked_elsewhere(path: Path) -> bool:
    lock = FileLock(path, is_singleton=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False
