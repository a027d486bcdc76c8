"""The Hugging Face hub: whether it answers, what of it is cached on this machine, and downloads into that cache.

What cannot be had is a `HubError` that says why; whoever asks knows what else to do.
"""

import errno
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agnews_core.errors import HubError

HUB_TIMEOUT_SECONDS = 3.0
YES_HOLDS_SECONDS, NO_HOLDS_SECONDS = 300.0, 30.0
SILENCE_SECONDS = 20.0  # after which a download is given up; huggingface_hub itself would wait for a listing for ever
UNREACHABLE = ("the hub does not answer", "connect to the hub once")  # a HubError's reason and advice


@dataclass(frozen=True)
class HubFiles:
    """The files that are wanted of a kind of repository.

    Attributes:
        repo_type: "model" or "dataset".
        needed: Groups of patterns; a snapshot with a file of each group is whole, one with fewer was cut off.
        welcome: Patterns of files that are taken where they are.
    """

    repo_type: str
    needed: tuple[tuple[str, ...], ...]
    welcome: tuple[str, ...] = ()

    @property
    def patterns(self) -> list[str]:
        """All that is downloaded."""
        return [*(pattern for group in self.needed for pattern in group), *self.welcome]

    def are_in(self, folder: Path) -> bool:
        """Check whether a folder is whole."""
        return all(any(any(folder.glob(pattern)) for pattern in group) for group in self.needed)


class Reachability:
    """Whether the hub answers, asked anew when the last answer is old; only who asks first waits, for at most 3 seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Ask afresh next time."""
        self._asking: threading.Thread | None = None
        self._answer: bool | None = None
        self._holds_until = 0.0

    def __call__(self) -> bool:
        """Return the last answer; an old one holds until a newer one is there."""
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
            return False

        with self._lock:
            if self._asking is None and time.monotonic() >= self._holds_until:
                # In a thread, since a name look-up that hangs obeys no time limit of its own.
                self._asking = threading.Thread(target=self._ask, daemon=True, name="hub-answers")
                self._asking.start()
            asking, is_first = self._asking, self._answer is None
        if asking and is_first:
            asking.join(HUB_TIMEOUT_SECONDS)
            with self._lock:
                self._answer = bool(self._answer)  # no answer yet is no
        return bool(self._answer)

    def _ask(self) -> None:
        answer = _ask_hub()
        with self._lock:
            if threading.current_thread() is self._asking:
                self._answer, self._asking = answer, None
                self._holds_until = time.monotonic() + (YES_HOLDS_SECONDS if answer else NO_HOLDS_SECONDS)


hub_answers = Reachability()


def _ask_hub() -> bool:
    import httpx2
    from huggingface_hub import constants, get_session

    try:
        return bool(get_session().head(constants.ENDPOINT, timeout=HUB_TIMEOUT_SECONDS).status_code < 500)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, ImportError):
        return False  # the last ones: an address or a proxy in the environment that cannot be used


def find_in_hub_cache(repo_id: str, files: HubFiles) -> Path | None:
    """Return the folder of a complete snapshot in the hub's cache, or None. Never asks the network."""
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            repo_id, repo_type=files.repo_type, allow_patterns=files.patterns, local_files_only=True
        )
    except (OSError, ValueError):  # not there or incomplete; no name of a repository
        return None
    return Path(found) if files.are_in(Path(found)) else None


def download_from_hub(repo_id: str, files: HubFiles) -> Path:
    """Download the files of a repository into the hub's cache, and check them against the hub's checksums.

    Raises:
        HubError: That cannot be done, and why.
    """
    if not hub_answers():
        raise HubError(*UNREACHABLE)
    import httpx2
    from huggingface_hub import HfApi, snapshot_download

    try:
        _limit_silence()
        folder = Path(snapshot_download(repo_id, repo_type=files.repo_type, allow_patterns=files.patterns))
        checked = HfApi().verify_repo_checksums(repo_id, repo_type=files.repo_type, revision=folder.name)
    # Disk and the hub's answers; names and sizes that cannot be; what the hub's downloader hf_xet raises.
    except (httpx2.HTTPError, OSError, ValueError, RuntimeError) as error:
        raise _explain(error) from error
    for wrong in checked.mismatches:
        (folder / wrong["path"]).resolve().unlink()
    if checked.mismatches:
        raise HubError("what came of it is damaged", "try again")
    return folder


def _limit_silence() -> None:
    """Have the hub's session give up on requests that it would wait for without end."""
    from huggingface_hub import get_session

    session = get_session()
    hooks = session.event_hooks
    if _limit_request not in hooks["request"]:
        session.event_hooks = {**hooks, "request": [*hooks["request"], _limit_request]}


def _limit_request(request: Any) -> None:
    limits = request.extensions["timeout"]
    limits.update({name: SILENCE_SECONDS for name, limit in limits.items() if limit is None})


_BY_STATUS = {
    401: ("the hub does not accept the token that is set here", "log in anew with `hf auth login`"),
    403: ("the hub denies access to it", "check what your token may read"),
    429: ("the hub has had too many requests from here", "try again in a few minutes"),
}


def _explain(error: Exception) -> HubError:
    import httpx2
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # it only adds that the cache does not help
    if isinstance(error, HFValidationError):
        return HubError("the hub has no such names", "check the spelling")
    if isinstance(error, GatedRepoError):
        return HubError("its owners grant access on request", "ask for it on its page there and run `hf auth login`")
    if isinstance(error, RepositoryNotFoundError):
        return HubError("the hub has nothing public of this name", "check the spelling, or run `hf auth login`")
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return HubError(*_BY_STATUS.get(status, (f"the hub answers with error {status}", "try again later")))
    if isinstance(error, httpx2.ConnectError | httpx2.TimeoutException):
        return HubError(*UNREACHABLE)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return HubError("there is no room on the disk for it", "make room")
    return HubError("its download broke off", "try again")
