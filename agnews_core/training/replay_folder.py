"""The folder of the files that keep frozen layers: how much it may hold, what makes room first, who fills a file.

It knows the files by their names alone.
"""

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from agnews_core.errors import ConfigError, quote
from agnews_core.folders import get_cache_dir
from agnews_core.runs.locks import remove_unused

LIMIT_VARIABLE = "AGNEWS_REPLAY_GB"
MOST_BYTES, SHARE_OF_FREE_DISK = 20e9, 0.25  # unless the variable says otherwise
SUFFIX = ".safetensors"
LOOK_AGAIN_SECONDS = 0.2


def get_replay_dir() -> Path:
    """Return the folder, which may not be there yet."""
    return get_cache_dir() / "replay"


def read_limit() -> int:
    """Return how many bytes all files together may have: what AGNEWS_REPLAY_GB says, else a share of the disk that is free.

    Raises:
        ConfigError: The variable holds no number of gigabytes.
    """
    wanted = os.environ.get(LIMIT_VARIABLE, "")
    if wanted:
        try:
            n_bytes = float(wanted) * 1e9
        except ValueError:
            n_bytes = math.nan
        if not 0 <= n_bytes < math.inf:
            raise ConfigError(f"{LIMIT_VARIABLE} must be a number of gigabytes, 0 for none, got {quote(wanted)}.")
        return int(n_bytes)
    folder = get_replay_dir()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    taken = sum(_count_bytes(path) for path in _find_files(folder))
    return int(min(MOST_BYTES, (shutil.disk_usage(there).free + taken) * SHARE_OF_FREE_DISK))


def make_room(path: Path, n_bytes: int) -> bool:
    """Remove what was used longest ago and is not in use until a file of this many bytes fits the limit; return whether it does.

    Args:
        path: The file's place; one that is there already counts as room and is kept.
        n_bytes: How long it will be.
    """
    limit, others = read_limit(), [other for other in _find_files(path.parent) if other != path]
    if n_bytes > limit:
        return False  # and nothing is removed for it
    too_many = sum(map(_count_bytes, others)) + n_bytes - limit
    for other in sorted(others, key=_find_last_use):
        if too_many <= 0:
            break
        size = _count_bytes(other)
        with _try_lock(other) as is_held:
            if is_held and remove_unused(other):
                too_many -= size
                _find_lock(other).unlink(missing_ok=True)  # whoever waits for it makes a new one
    return too_many <= 0


def mark_use(path: Path) -> None:
    """Record that a file is used now."""
    os.utime(path)


@contextmanager
def locking(path: Path, while_waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the right to fill a file, which is given back when the process ends, however it ends.

    Args:
        path: The file.
        while_waiting: Called now and then while another process has it; it may raise.
    """
    lock = _build_lock(path)
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            while_waiting()
            time.sleep(LOOK_AGAIN_SECONDS)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _try_lock(path: Path) -> Iterator[bool]:
    lock = _build_lock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _build_lock(path: Path) -> FileLock:
    return FileLock(_find_lock(path), is_singleton=False)


def _find_lock(path: Path) -> Path:
    return path.with_suffix(".lock")


def _find_files(folder: Path) -> list[Path]:
    return list(folder.glob(f"*{SUFFIX}"))


def _count_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone meanwhile
        return 0


def _find_last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
