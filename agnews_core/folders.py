"""A folder that a person named."""

from pathlib import Path


def find_folder(name: str) -> Path | None:
    """Return the folder of this name, `~` read as home, or None; a name that no folder can have is no error."""
    try:
        folder = Path(name).expanduser()
        return folder if folder.is_dir() else None
    except (OSError, RuntimeError):  # too long for a file name, not ours to look into; no such user
        return None
