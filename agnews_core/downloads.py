"""Files made for somebody to fetch, in a temporary folder of this process that goes with it."""

import contextlib
import functools
import re
import shutil
import tempfile
import time
from pathlib import Path

KEPT_SECONDS = 3600
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


def _forget_old_ones() -> None:
    for folder in Path(_find_folder().name).iterdir():
        with contextlib.suppress(FileNotFoundError):  # another thread was faster
            if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def _find_folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="agnews-downloads-", ignore_cleanup_errors=True)
