"""Whether some process holds a lock file, without getting in the way of those that want it; and files that many use at once."""

import os
from pathlib import Path
from typing import BinaryIO

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


def hold_shared(file: BinaryIO) -> None:
    """Mark an open file as in use, beside others who may use it too, until its last descriptor is closed."""
    if os.name == "posix":  # elsewhere a file that is open cannot be removed
        import fcntl

        fcntl.flock(file, fcntl.LOCK_SH)


def remove_unused(path: Path) -> bool:
    """Remove a file that nobody uses (`hold_shared`), and return whether it is gone."""
    try:
        with path.open("rb") as file:
            if os.name == "posix":
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except (BlockingIOError, PermissionError):
        return False
    except FileNotFoundError:
        return True
    return True
