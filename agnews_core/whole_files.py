"""Writes files so that whoever reads them, and a kill at any moment, finds them whole."""

import os
import time
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Replace a file so that a reader, or a kill at any moment, finds the old text or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
