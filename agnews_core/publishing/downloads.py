"""Files made for somebody to fetch, in a temporary folder of this process that goes with it."""

import contextlib
import functools
import re
import shutil
import tempfile
import time
from pathlib import Path

KEPT_SECONDS = 3600
LEFT_SECONDS = 24 * 3600
_PREFIX = "agnews-downloads-"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def choose_download_path(name: str) -> Path:
    """Return a path for a new file of this name, in a folder of its own.

    >>> choose_download_path("run 1/report.html").name
    'run-1-report.html'
    """
    _forget_old_ones()
    return Path(tempfile.mkdtemp(dir=_find_folder().name)) / (_NOT_IN_NAMES.sub("-", name).strip("-.") or "file")


def write_download(name: str, text: str) -> Path:
    """Write a text to fetch, and return where it is."""
    path = choose_download_path(name)
    path.write_text(text, encoding="utf-8")
    return path


def measure_downloads() -> int:
    """Return how many bytes the files take that were made so far and are not yet forgotten."""
    _forget_old_ones()
    return sum(path.stat().st_size for path in Path(_find_folder().name).glob("*/*") if path.is_file())


def _forget_old_ones() -> None:
    own = Path(_find_folder().name)
    own.mkdir(exist_ok=True)  # it may have been taken for one that was left
    for folder in own.iterdir():
        _forget(folder, seconds=KEPT_SECONDS)


def _forget(folder: Path, *, seconds: float) -> None:
    with contextlib.suppress(FileNotFoundError):  # another thread was faster
        if time.time() - folder.stat().st_mtime > seconds:
            shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def _find_folder() -> "tempfile.TemporaryDirectory[str]":
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):  # by a program that was killed
        _forget(left, seconds=LEFT_SECONDS)
    return tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
