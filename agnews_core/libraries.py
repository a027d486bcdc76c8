"""The heavy libraries, imported once and by one thread.

The page imports them late, from whichever of its threads needs them first. Two threads that import transformers at the same
moment can find it half made ("cannot import name 'AutoConfig'"); whoever comes second waits here.
"""

import importlib.metadata
import platform
import threading
from contextlib import suppress

PACKAGES = (
    "torch", "transformers", "peft", "datasets", "accelerate", "evaluate", "scikit-learn", "tokenizers", "openvino",
)  # fmt: skip
_LOCK = threading.RLock()


def import_for_answers() -> None:
    """Import torch and of transformers what a compiled model needs, or wait until another thread has."""
    with _LOCK:
        import torch  # noqa: F401
        from transformers import AutoConfig, AutoTokenizer  # noqa: F401


def import_libraries() -> None:
    """Import torch, transformers and peft, or wait until another thread has: what builds a model, in twice the time."""
    with _LOCK:
        import_for_answers()
        import peft  # noqa: F401
        from transformers import AutoModelForSequenceClassification  # noqa: F401


def read_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide the numbers, where they are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
