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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from agnews_core.errors import DataError, UnsafePickleError
from agnews_core.uploads.columns import Missing

_MEGABYTE: Final = 2**20
_MAX_OPTION_LETTERS: Final = 1_000
_PACKAGE_PARENT: Final = Path(__file__).resolve().parents[2]
# With -I and -S the child sees neither the current directory nor the environment nor installed packages, so it starts
# fast. The two folders that it needs come last on its path: nothing in them can stand in for the standard library.
_CHILD: Final = (
    "import sys; sys.path.extend(sys.argv[2:]); from agnews_core.uploads.child import main; main(sys.argv[1])"
)


@dataclass(frozen=True)
class Limits:
    """What one upload may cost.

    Attributes:
        file_bytes: size of the file, and of what it expands to where it is compressed.
        memory_bytes: memory that the reading process may take.
        cpu_seconds: processor time that it may use.
        wall_seconds: time after which it is killed.
        answer_bytes: size of the texts that it may hand back.
    """

    file_bytes: int = 256 * _MEGABYTE
    memory_bytes: int = 1024 * _MEGABYTE
    cpu_seconds: int = 30
    wall_seconds: float = 60.0
    answer_bytes: int = 400 * _MEGABYTE


@dataclass(frozen=True)
class Upload:
    """What was read from a file.

    Attributes:
        texts: the texts, in the order of the file.
        kind: what the file turned out to be, such as "pickle" or "csv".
        column: the column that was read; None where the file has none.
        notes: what was decided along the way, in sentences.
    """

    texts: list[str]
    kind: str
    column: str | None
    notes: tuple[str, ...]


def read_texts(
    path: str | Path, *, column: str | None = None, split: str | None = None, missing: Missing = "refuse"
) -> list[str]:
    """Return the texts of a file, in order; see `read_upload`."""
    return read_upload(path, column=column, split=split, missing=missing).texts


def read_upload(
    path: str | Path,
    *,
    column: str | None = None,
    split: str | None = None,
    missing: Missing = "refuse",
    limits: Limits = Limits(),
) -> Upload:
    """Read the texts of a file in a process of its own.

    Args:
        path: the file.
        column: which column to read; by default `text`, else the only one of strings, else `title` and `description`.
        split: which part of a DatasetDict to read.
        missing: whether rows that hold None or NaN are refused, or kept as empty texts.
        limits: what reading may cost.

    Raises:
        UnsafePickleError: a pickle asks for more than plain data.
        DataError: the file cannot be read, or within the limits, or leaves open which texts are meant.
    """
    options = {"column": column, "split": split, "missing": missing, "suffix": _suffix(path)}
    if any(len(value or "") > _MAX_OPTION_LETTERS for value in options.values()):
        raise DataError(f"The name of a column or split has at most {_MAX_OPTION_LETTERS:,} letters.")
    with _open(Path(path), limits) as file, tempfile.TemporaryFile() as answer:
        _run_child(file, answer, options, limits)
        return _read_answer(answer, limits)


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


def _run_child(file: IO[bytes], answer: IO[bytes], options: dict[str, Any], limits: Limits) -> None:
    request = json.dumps({**options, "limits": asdict(limits)})
    command = [sys.executable, "-I", "-S", "-c", _CHILD, request, str(_PACKAGE_PARENT), *_find_libraries()]
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
        code = child.wait(timeout=limits.wall_seconds)
    except subprocess.TimeoutExpired as error:
        raise DataError(f"The file could not be read: it takes more than {limits.wall_seconds:g} seconds.") from error
    finally:
        _kill(child)
    if code:
        raise DataError(f"The file could not be read: {_explain(code, limits)}.")


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
    if code in (-signal.SIGABRT, -getattr(signal, "SIGKILL", 0)):
        return f"it is damaged or needs more than {_megabytes(limits.memory_bytes)} of memory"
    return f"it is damaged in a way that stopped the reader (status {code})"


def _read_answer(answer: IO[bytes], limits: Limits) -> Upload:
    """Check and take over what the child wrote: a line of JSON that describes the texts, then lines of texts."""
    size_bytes = answer.seek(0, os.SEEK_END)
    if size_bytes > limits.answer_bytes:
        raise DataError(f"The texts in the file come to more than {_megabytes(limits.answer_bytes)}.")
    answer.seek(0)
    try:
        head = json.loads(answer.readline())
        if "error" in head:
            raise (UnsafePickleError if head["unsafe"] is True else DataError)(str(head["error"]))
        texts = [text for line in answer for text in json.loads(line)]
        upload = Upload(texts, head["kind"], head["column"], tuple(head["notes"]))
        valid = len(texts) == head["n_texts"]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError("The file could not be read: the reader was interrupted.") from error
    if not valid or not _is_sound(upload):
        raise DataError("The file could not be read: it holds something else than texts.")
    return upload


def _is_sound(upload: Upload) -> bool:
    words = (*upload.texts, upload.kind, upload.column or "", *upload.notes)
    return all(type(word) is str for word in words)


def _megabytes(size_bytes: int) -> str:
    """Spell a size the way a person reads it.

    >>> _megabytes(2**30), _megabytes(200 * 2**20), _megabytes(10)
    ('1 GB', '200 MB', '1 MB')
    """
    megabytes = max(1, round(size_bytes / _MEGABYTE))
    return f"{megabytes / 1024:.3g} GB" if megabytes >= 1024 else f"{megabytes} MB"
