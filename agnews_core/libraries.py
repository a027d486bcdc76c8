"""The heavy libraries, imported once and by one thread.

The page imports them late, from whichever of its threads needs them first. Two threads that import transformers at the same
moment can find it half made ("cannot import name 'AutoConfig'"); whoever comes second waits here.
"""

import threading

_LOCK = threading.RLock()


def import_libraries() -> None:
    """Import torch, transformers and peft, or wait until another thread has."""
    with _LOCK:
        import peft  # noqa: F401
        import torch  # noqa: F401
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer  # noqa: F401
