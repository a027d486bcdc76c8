"""Lets a process take away from itself what reading a file does not need. Knows nothing of files."""

import sys
from typing import Final

from agnews_core.uploads.limits import Limits

# Address space that Python and pyarrow reserve without using it.
RESERVED_BYTES: Final = 512 * 2**20
OPEN_FILES: Final = 64
NEW_NETWORK: Final = 0x40000000  # CLONE_NEWNET of Linux' sched.h
NEW_USER: Final = 0x10000000  # CLONE_NEWUSER


def limit_process(limits: Limits) -> None:
    """Lower this process's limits for good."""
    _lower("RLIMIT_AS", limits.memory_bytes + RESERVED_BYTES)
    _lower("RLIMIT_DATA", limits.memory_bytes)
    _lower("RLIMIT_CPU", limits.cpu_seconds, grace=1)  # SIGXCPU first, which says what went wrong; then SIGKILL
    _lower("RLIMIT_FSIZE", limits.answer_bytes)
    _lower("RLIMIT_NOFILE", OPEN_FILES)
    _lower("RLIMIT_CORE", 0)


def forbid_new_processes() -> None:
    """Let this process start no other, nor threads; holds for ordinary users only, since root is not counted."""
    _lower("RLIMIT_NPROC", 0)


def leave_network() -> None:
    """Move to a network namespace without any network, where the system allows it; elsewhere do nothing."""
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes  # of use here only
    except ImportError:  # a Python built without it
        return
    ctypes.CDLL(None).unshare(NEW_USER | NEW_NETWORK)  # returns -1 where it is not allowed


def _lower(name: str, wanted: int, grace: int = 0) -> None:
    try:
        import resource
    except ImportError:
        return
    which = getattr(resource, name, None)
    if which is None:
        return
    allowed = resource.getrlimit(which)[1]
    soft, hard = (
        number if allowed == resource.RLIM_INFINITY else min(number, allowed) for number in (wanted, wanted + grace)
    )
    try:
        resource.setrlimit(which, (soft, hard))
    except (OSError, ValueError):  # macOS refuses some of them
        return
