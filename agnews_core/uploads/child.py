"""The child process of `uploads`: limits itself, reads one file from its standard input, and writes down the texts.

Imports nothing heavy before the file turns out to need it. It is not meant to be run by hand.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any, Final

from agnews_core.errors import DataError, UnsafePickleError
from agnews_core.uploads.answers import cut_into_lines
from agnews_core.uploads.limits import Limits
from agnews_core.uploads.process_limits import leave_network, limit_process

NO_ROOM: Final = 75  # exit status where the texts cannot be written down; sysexits.h has it for what may go well later


def main(request: str) -> None:
    """Read standard input as `request` says, and write JSON lines: the texts, then what describes them or why there are none."""
    options = json.loads(request)
    leave_network()
    limits = Limits(**options["limits"])
    limit_process(limits)
    try:
        with os.fdopen(sys.stdout.fileno(), "wb", closefd=False) as answer:
            for line in _read_or_explain(options, limits):
                answer.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    except OSError:
        os._exit(NO_ROOM)
    os._exit(0)  # skips tearing down what was read, which may take as long as reading it


def _read_or_explain(options: dict[str, Any], limits: Limits) -> Iterator[Any]:
    try:
        yield from _read(options, limits)
    except DataError as error:
        yield {"error": str(error), "unsafe": isinstance(error, UnsafePickleError)}
    except MemoryError:
        memory = f"{limits.memory_bytes / 2**30:.3g} GB"
        yield {"error": f"The file could not be read: it needs more than {memory} of memory.", "unsafe": False}


def _read(options: dict[str, Any], limits: Limits) -> Iterator[Any]:
    # After the limits, so that what these need counts towards them.
    from agnews_core.uploads.cells import CellChoice
    from agnews_core.uploads.columns import Choice
    from agnews_core.uploads.kinds import read_any

    size_bytes = min(os.fstat(sys.stdin.fileno()).st_size, limits.file_bytes)
    data = sys.stdin.buffer.read(size_bytes + 1)  # room for so much is made at once
    if len(data) > size_bytes:
        raise DataError("The file grew while it was read; try again.")
    choice = (CellChoice if "columns" in options["choice"] else Choice)(**options["choice"])
    kind, found = read_any(data, choice, suffix=options["suffix"], limits=limits)
    n_texts = 0
    for line in cut_into_lines(found.texts, _count_letters):
        n_texts += len(line)
        yield line
    if not n_texts:
        raise DataError("The file holds no texts; each row or line of a file is one text.")
    described = {"kind": kind, "column": found.column, "notes": found.notes, "n_texts": n_texts}
    yield {**described, "columns": found.columns}


def _count_letters(item: Any) -> int:
    return len(item) if isinstance(item, str) else sum(len(cell or "") for cell in item)
