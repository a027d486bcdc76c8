"""Writes files so that whoever reads them, and a kill at any moment, finds them whole."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
