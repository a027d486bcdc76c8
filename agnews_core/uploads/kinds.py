"""Tells by its content what kind of file an upload is, and has it read.

The name of a file counts only where the content can be read in two ways: prose with commas is a text a line in
news.txt, and might be a table in news.csv.
"""

from dataclasses import replace
from typing import Final

from agnews_core.errors import DataError, quote
from agnews_core.uploads.columns import Budget, Missing, Texts, choose_texts
from agnews_core.uploads.compression import unwrap
from agnews_core.uploads.json_files import looks_like_json, read_json
from agnews_core.uploads.pickles import follow_far, read_pickle
from agnews_core.uploads.process_limits import forbid_new_processes
from agnews_core.uploads.text_files import UNICODE_MARKS, read_text_file

KINDS_READ: Final = "a pickle, CSV, TSV, plain text, JSON, JSON lines, Parquet or Arrow file"
_PICKLE_SUFFIXES: Final = (".pkl", ".pickle", ".p", ".pck")
PROTO: Final = 0x80
MAX_KNOWN_PROTOCOL: Final = 5
OPCODES_BEYOND_CHANCE: Final = 4
_OTHERS: Final = {
    b"%PDF": "a PDF",
    b"\x93NUMPY": "a NumPy .npy file",
    b"FEA1": "an old Feather file",
    b"\x89HDF": "an HDF5 file",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
    b"SQLite format 3": "an SQLite database",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}


def read_any(
    data: bytes, *, suffix: str, max_bytes: int, column: str | None, split: str | None, missing: Missing
) -> tuple[str, Texts]:
    """Return the kind of a file and its texts.

    Raises:
        DataError: it is of no kind that is read here, or its reader refuses it.
    """
    data, compression = unwrap(data, max_bytes=max_bytes)
    if len(data) > max_bytes or not data:
        raise DataError("The compressed file is empty." if not data else "The file is too large.")
    kind = recognise(data, suffix)
    if split is not None and kind not in ("pickle", "json"):
        raise DataError(f"This file has no splits, so {quote(split)} cannot be chosen; leave the split out.")
    if kind in ("parquet", "arrow"):
        found = _read_arrow(data, kind, column, missing)
    elif kind == "pickle":
        forbid_new_processes()
        found = read_pickle(data, column=column, split=split, missing=missing)
    elif kind == "json":
        forbid_new_processes()
        found = read_json(data, column=column, split=split, missing=missing)
    else:
        kind, found = read_text_file(data, suffix=suffix, column=column, missing=missing)
    notes = (f"Unwrapped from {compression}.",) if compression else ()
    return kind, replace(found, notes=(*notes, *found.notes))


def recognise(data: bytes, suffix: str) -> str:
    """Return "parquet", "arrow", "pickle", "json" or "text".

    Raises:
        DataError: it is none of these.
    """
    other = next((name for start, name in _OTHERS.items() if data[:64].lstrip().startswith(start)), None)
    if other:
        raise DataError(f"This is {other}, which is not read here; upload {KINDS_READ}.")
    if data.startswith(b"PAR1"):
        return "parquet"
    if data.startswith((b"ARROW1\0\0", b"\xff\xff\xff\xff")):
        return "arrow"
    if _is_pickle(data, suffix):
        return "pickle"
    if looks_like_json(data, suffix):
        return "json"
    if b"\0" in data and not data.startswith(UNICODE_MARKS):
        raise DataError(f"This file is of a kind that is not known here; upload {KINDS_READ}.")
    return "text"


def _is_pickle(data: bytes, suffix: str) -> bool:
    if data[0] == PROTO and len(data) > 1 and data[1] <= MAX_KNOWN_PROTOCOL:
        return True
    n_opcodes, is_whole = follow_far(data)
    # Prose may begin like a pickle by chance. A broken pickle is called one if its name says so too.
    return is_whole or (suffix in _PICKLE_SUFFIXES and n_opcodes >= OPCODES_BEYOND_CHANCE)


def _read_arrow(data: bytes, kind: str, column: str | None, missing: Missing) -> Texts:
    from agnews_core.uploads import arrow_files  # imports pyarrow, which most files do without

    columns = arrow_files.read_parquet(data) if kind == "parquet" else arrow_files.read_arrow(data)
    return choose_texts(columns, column=column, missing=missing, budget=Budget(len(data)))
