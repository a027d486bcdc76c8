"""Compiled models kept in the cache folder, each whole or not at all. It knows nothing of what is in them."""

import hashlib
import logging
from contextlib import suppress
from pathlib import Path

from agnews_core.folders import get_cache_dir
from agnews_core.whole_files import replacing

logger = logging.getLogger(__name__)

MAX_BYTES = 2_000_000_000  # of all together; the ones that were used last stay
_DIGEST = hashlib.sha256
_N_DIGEST = _DIGEST().digest_size


def read(key: str) -> bytes | None:
    """Return what is kept under a key, or None where there is nothing, or nothing whole."""
    path = _find_path(key)
    try:
        found = path.read_bytes()
    except OSError:
        return None
    content = found[_N_DIGEST:]
    if _DIGEST(content).digest() != found[:_N_DIGEST]:
        logger.warning("The compiled model %s is damaged and is made again.", path)
        return None
    with suppress(OSError):
        path.touch()  # it was used just now
    return content


def write(key: str, content: bytes) -> None:
    """Keep something under a key; where there is no room for it, or no right to write, it will have to be made again."""
    path = _find_path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(_DIGEST(content).digest() + content)
    except OSError as error:
        logger.warning("The compiled model could not be kept in %s: %s.", path.parent, error.strerror)
    else:
        with suppress(OSError):  # another process makes room at this moment too
            _remove_oldest(path.parent)


def _find_path(key: str) -> Path:
    return get_cache_dir() / "compiled" / f"{_DIGEST(key.encode()).hexdigest()[:32]}.model"


def _remove_oldest(folder: Path) -> None:
    """Remove what was not used for the longest time, and what a killed process left, until the rest is not too large."""
    known = sorted(((it.stat().st_mtime_ns, it.stat().st_size, it) for it in folder.iterdir()), reverse=True)
    total = 0
    for _, size, path in known:
        total += size
        if total > MAX_BYTES:
            path.unlink(missing_ok=True)
