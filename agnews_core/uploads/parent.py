"""Reads an upload on behalf of who asks: opens the file, has a child read it, and checks what comes back.

It limits what the child may cost, and never looks into the file itself.
"""

import contextlib
import importlib.util
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from agnews_core.errors import DataError, UnsafePickleError
from agnews_core.uploads.answers import StoredTexts
from agnews_core.uploads.child import NO_ROOM
from agnews_core.uploads.columns import Choice, Missing
from agnews_core.uploads.limits import STRANGERS, Limits

_MEGABYTE: Final = 2**20
_LOOK_SECONDS: Final = 0.1  # how often it is seen how far the child is
_MAX_OPTION_LETTERS: Final = 1_000
INTERRUPTED: Final = "The file could not be read: the reader was interrupted."
_PACKAGE_PARENT: Final = Path(__file__).resolve().parents[2]
# With -I and -S the child sees neither the current directory nor the environment nor installed packages, so it starts
# fast. The two folders that it needs come last on its path: nothing in them can stand in for the standard library.
_CHILD: Final = (
    "import sys; sys.path.extend(sys.argv[2:]); from agnews_core.uploads.child import main; main(sys.argv[1])"
)


@dataclass(frozen=True)
class Upload:
    """What was read from a file.

    Attributes:
        texts: the texts, in the order of the file: a list, or as they lie on the disk.
        kind: what the file turned out to be, such as "pickle" or "csv".
        column: the column that was read; None where the file has none.
        notes: what was decided along the way, in sentences.
    """

    texts: Sequence[str]
    kind: str
    column: str | None
    notes: tuple[str, ...]


def read_texts(
    path: str | Path, *, column: str | None = None, split: str | None = None, missing: Missing = "refuse"
) -> list[str]:
    """Return the texts of a file, in order; see `read_upload`."""
    return list(read_upload(path, column=column, split=split, missing=missing).texts)


def read_upload(
    path: str | Path,
    *,
    column: str | None = None,
    split: str | None = None,
    missing: Missing = "refuse",
    limits: Limits = STRANGERS,
) -> Upload:
    """Read the texts of a file into memory; see `open_upload`."""
    with open_upload(path, Choice(column, split, missing), limits=limits) as upload:
        return replace(upload, texts=list(upload.texts))


@contextmanager
def open_upload(
    path: str | Path,
    choice: Choice,
    *,
    limits: Limits = STRANGERS,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[Upload]:
    """Read the texts of a file in a process of its own, and yield them as they lie on the disk: in constant memory.

    Args:
        path: the file.
        choice: which of its texts.
        limits: what reading may cost.
        on_progress: told a few times a second how many bytes of texts have been read.

    Raises:
        UnsafePickleError: a pickle asks for more than plain data.
        DataError: the file cannot be read, or within the limits, or leaves open which texts are meant.
    """
    with have_read(path, choice, limits=limits, on_progress=on_progress) as answer:
        yield _read_answer(answer, limits)


@contextmanager
def have_read(
    path: str | Path, choice: Choice, *, limits: Limits, on_progress: Callable[[int], None] | None
) -> Iterator[IO[bytes]]:
    """Have a child read a file, and yield what it wrote; see `open_upload`."""
    if any(len(name or "") > _MAX_OPTION_LETTERS for name in choice.names):
        raise DataError(f"The name of a column or split has at most {_MAX_OPTION_LETTERS:,} letters.")
    request = {"choice": asdict(choice), "suffix": _suffix(path), "limits": asdict(limits)}
    with _open(Path(path), limits) as file, tempfile.TemporaryFile() as answer:
        look = (lambda: on_progress(os.fstat(answer.fileno()).st_size)) if on_progress else None
        _run_child(file, answer, request, look)
        yield answer


def _suffix(path: str | Path) -> str:
    return Path(path).suffix.lower()[:20]


def _open(path: Path, limits: Limits) -> IO[bytes]:
    """Open a regular file that is not too large; anything else might block or never end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is not valid"
        raise DataError(f"The file {path.name!r} cannot be opened ({reason}).") from error
    try:
        _check_file(path.name, os.fstat(descriptor), limits)
    except DataError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _check_file(name: str, found: os.stat_result, limits: Limits) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{name!r} is not a file; choose a file with texts.")
    if found.st_size == 0:
        raise DataError(f"The file {name!r} is empty; choose one with texts.")
    if found.st_size > limits.file_bytes:
        raise DataError(
            f"The file {name!r} has {_megabytes(found.st_size)}, and at most {_megabytes(limits.file_bytes)} are read; "
            "split it into smaller parts."
        )


def _run_child(file: IO[bytes], answer: IO[bytes], request: dict[str, Any], look: Callable[[], None] | None) -> None:
    limits = Limits(**request["limits"])
    paths = [str(_PACKAGE_PARENT), *_find_libraries()]
    command = [sys.executable, "-I", "-S", "-c", _CHILD, json.dumps(request), *paths]
    try:
        child = subprocess.Popen(
            command,
            stdin=file,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd=Path(sys.executable).anchor or None,
            start_new_session=True,
        )
    except OSError as error:
        raise DataError(f"The file could not be read: its reader cannot be started ({error.strerror}).") from error
    try:
        code = _wait(child, limits.wall_seconds, look)
    finally:
        _kill(child)
    if code:
        raise DataError(f"The file could not be read: {_explain(code, limits)}.")


def _wait(child: subprocess.Popen[bytes], seconds: float, look: Callable[[], None] | None) -> int:
    """Wait for the child's exit status, and look now and then how far it is."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(min(left, _LOOK_SECONDS) if look else left)
        if look:
            look()
    raise DataError(f"The file could not be read: it takes more than {seconds:g} seconds.")


def _find_libraries() -> list[str]:
    """Return the folder where pyarrow is installed, which need not be among Python's own, without importing it."""
    found = importlib.util.find_spec("pyarrow")
    return [str(Path(found.origin).parent.parent)] if found and found.origin else []


def _environment() -> dict[str, str]:
    """Nothing of ours, but what Windows cannot start a process without and settings that keep pyarrow small."""
    kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return {**kept, "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it may have started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    child.wait()


def _explain(code: int, limits: Limits) -> str:
    if code == -getattr(signal, "SIGXCPU", 0):
        return f"it takes more than {limits.cpu_seconds} seconds of processor time"
    if code == NO_ROOM:
        room = f"{_megabytes(limits.answer_bytes)}, or than {tempfile.gettempdir()} has room for"
        return f"its texts take more than {room}"
    if code in (-signal.SIGABRT, -getattr(signal, "SIGKILL", 0)):
        return f"it is damaged or needs more than {_megabytes(limits.memory_bytes)} of memory"
    return f"it is damaged in a way that stopped the reader (status {code})"


def describe_answer(answer: IO[bytes], limits: Limits) -> tuple[dict[str, Any], list[int]]:
    """Return the last line of what the child wrote, which describes the others, and the sizes of these.

    Raises:
        DataError: the child says why there are no others; or it was interrupted.
    """
    if answer.seek(0, os.SEEK_END) > limits.answer_bytes:
        raise DataError(f"The texts in the file come to more than {_megabytes(limits.answer_bytes)}.")
    answer.seek(0)
    last, sizes = b"", []
    for last in answer:
        sizes.append(len(last))
    try:
        described = json.loads(last)
        if "error" in described:
            raise (UnsafePickleError if described["unsafe"] is True else DataError)(str(described["error"]))
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(INTERRUPTED) from error
    return described, sizes[:-1]


def _read_answer(answer: IO[bytes], limits: Limits) -> Upload:
    """Check and take over what the child wrote: lines of texts, then a line of JSON that describes them."""
    described, sizes = describe_answer(answer, limits)
    try:
        texts = StoredTexts(answer, sizes)
        upload = Upload(texts, described["kind"], described["column"], tuple(described["notes"]))
        n_texts = described["n_texts"]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(INTERRUPTED) from error
    words = (upload.kind, upload.column or "", *upload.notes)
    if len(texts) != n_texts or not n_texts or not all(type(word) is str for word in words):
        raise DataError("The file could not be read: it holds something else than texts.")
    return upload


def _megabytes(size_bytes: int) -> str:
    """Spell a size the way a person reads it.

    >>> _megabytes(2**30), _megabytes(200 * 2**20), _megabytes(10)
    ('1 GB', '200 MB', '1 MB')
    """
    megabytes = max(1, round(size_bytes / _MEGABYTE))
    return f"{megabytes / 1024:.3g} GB" if megabytes >= 1024 else f"{megabytes} MB"
