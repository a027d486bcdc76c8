"""The child process of `uploads`: limits itself, reads one file from its standard input, and writes down the texts.

Imports nothing heavy before the file turns out to need it. It is not meant to be run by hand.
"""

import json
import os
import sys
from typing import Any, Final

from agnews_core.errors import DataError, UnsafePickleError
from agnews_core.uploads.process_limits import leave_network, limit_process

TEXTS_PER_LINE: Final = 1_000


def main(request: str) -> None:
    """Read standard input as `request` says, and write JSON lines: one that describes the texts, then the texts."""
    options = json.loads(request)
    limits = options["limits"]
    leave_network()
    limit_process(limits)
    try:
        lines = _read(options, limits)
    except DataError as error:
        lines = [{"error": str(error), "unsafe": isinstance(error, UnsafePickleError)}]
    except MemoryError:
        memory = f"{limits['memory_bytes'] / 2**30:.3g} GB"
        lines = [{"error": f"The file could not be read: it needs more than {memory} of memory.", "unsafe": False}]
    with os.fdopen(sys.stdout.fileno(), "wb", closefd=False) as answer:
        for line in lines:
            answer.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    os._exit(0)  # skips tearing down what was read, which may take as long as reading it


def _read(options: dict[str, Any], limits: dict[str, Any]) -> list[Any]:
    # After the limits, so that what these need counts towards them.
    from agnews_core.uploads.columns import Choice
    from agnews_core.uploads.kinds import read_any

    data = sys.stdin.buffer.read(limits["file_bytes"] + 1)
    if len(data) > limits["file_bytes"]:
        raise DataError("The file grew while it was read; upload it again.")
    choice = Choice(options["column"], options["split"], options["missing"])
    kind, found = read_any(data, choice, suffix=options["suffix"], max_bytes=limits["file_bytes"])
    texts = found.texts
    head = {"kind": kind, "column": found.column, "notes": found.notes, "n_texts": len(texts)}
    return [head, *(texts[at : at + TEXTS_PER_LINE] for at in range(0, len(texts), TEXTS_PER_LINE))]
