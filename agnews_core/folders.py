"""Folders of this machine: one that a person named, and the one for what can be made again."""

import os
from pathlib import Path


def find_folder(name: str) -> Path | None:
    """Return the folder of this name, `~` read as home, or None; a name that no folder can have is no error."""
    try:
        folder = Path(name).expanduser()
        return folder if folder.is_dir() else None
    except (OSError, RuntimeError):  # too long for a file name, not ours to look into; no such user
        return None


def get_cache_dir() -> Path:
    """Return the folder on the local disk for what can be made again, which may not be there yet.

    AGNEWS_CACHE_DIR names it; otherwise it is `agnews` in the user's cache folder. It is no place for runs.
    """
    if named := os.environ.get("AGNEWS_CACHE_DIR"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agnews"
