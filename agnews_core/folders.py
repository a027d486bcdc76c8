"""Folders of this machine: one that a person named, that of all runs, and the one for what can be made again."""

import os
import re
from pathlib import Path

from agnews_core.errors import RunError, quote

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def find_folder(name: str) -> Path | None:
    """Return the folder of this name, `~` read as home, or None; a name that no folder can have is no error."""
    try:
        folder = Path(name).expanduser()
        return folder if folder.is_dir() else None
    except (OSError, RuntimeError):  # too long for a file name, not ours to look into; no such user
        return None


def find_runs_dir(given: str | Path | None = None) -> Path:
    """Return the folder that holds all runs, studies and sets: as given, else AGNEWS_RUNS_DIR, else ./runs."""
    return Path(given or os.environ.get("AGNEWS_RUNS_DIR") or "runs").expanduser()


def is_name(name: str) -> bool:
    """Return whether a run, a study or a set could have this name; no folder that is written with a `/` could."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str | None, *, kind: str = "run", longest: int = 64) -> None:
    """Refuse a name that could lead out of the folder of all runs, or is hard to type.

    Raises:
        RunError: It is not 1 to 64 letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
    """
    if name is not None and not (isinstance(name, str) and is_name(name) and len(name) <= longest):
        raise RunError(
            f"{quote(name)} cannot name a {kind}; use up to {longest} letters, digits, '.', '_' and '-', beginning with a letter "
            "or digit."
        )


def get_cache_dir() -> Path:
    """Return the folder on the local disk for what can be made again, which may not be there yet.

    AGNEWS_CACHE_DIR names it; otherwise it is `agnews` in the user's cache folder. It is no place for runs.
    """
    if named := os.environ.get("AGNEWS_CACHE_DIR"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agnews"
