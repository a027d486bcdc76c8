"""The Hugging Face hub: whether it answers, what of it is cached on this machine, and downloads into that cache.

That it cannot be reached is no error here, but an answer: whoever asks knows what else to do.
"""

import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path

HUB_TIMEOUT_SECONDS = 3.0
TOKENIZER_FILES = ("tokenizer.json", "vocab.*", "*.model")  # one of these is there wherever a tokenizer is
# A download that was cut off leaves a snapshot with some of its files; one of each of these makes it whole.
_WHOLE_SNAPSHOT = {
    "model": (("config.json",), ("*.safetensors",), TOKENIZER_FILES),
    "dataset": (("**/train*.parquet",), ("**/test*.parquet",)),
}


@functools.cache
def hub_answers() -> bool:
    """Ask once whether the hub can be reached, for at most 3 seconds, and remember the answer."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return False
    import httpx
    from huggingface_hub import constants

    def ask() -> bool:
        try:
            return bool(httpx.head(constants.ENDPOINT, timeout=HUB_TIMEOUT_SECONDS).status_code < 500)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError):
            return False  # the last ones: an address or a proxy in the environment that httpx cannot use

    return _within_seconds(ask, HUB_TIMEOUT_SECONDS)


def _within_seconds(ask: Callable[[], bool], limit_seconds: float) -> bool:
    """Run `ask` in a thread that may be left behind: a name look-up that hangs obeys no time limit of its own.

    The only thread outside `jobs`; it shares nothing and touches no run.
    """
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True, name="hub-answers")
    thread.start()
    thread.join(limit_seconds)
    return bool(answers and answers[0])


def find_in_hub_cache(repo_id: str, *, repo_type: str = "model") -> Path | None:
    """Return the folder of a complete snapshot in the hub's cache, or None. Never asks the network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repo_id, repo_type=repo_type, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError, ValueError):
        return None
    whole = all(any(any(folder.glob(name)) for name in names) for names in _WHOLE_SNAPSHOT[repo_type])
    return folder if whole else None


def download_snapshot(repo_id: str, *, repo_type: str, allow_patterns: list[str]) -> Path | None:
    """Download the files of a hub repository into the hub's cache, or return None where that cannot be done."""
    if not hub_answers():
        return None
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo_id, repo_type=repo_type, allow_patterns=allow_patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, httpx.HTTPError, OSError, RuntimeError):
        # RuntimeError is what the hub's downloader hf_xet raises.
        return None
