"""Recognises an upload by its content, and has it read.

The name of a file counts only where the content can be read in two ways: prose with commas is a text a line in
news.txt, and might be a table in news.csv.
"""

from dataclasses import replace
from typing import Final

from agnews_core.errors import DataError
from agnews_core.uploads.columns import Budget, Choice, Texts, choose_texts
from agnews_core.uploads.compression import unwrap
from agnews_core.uploads.json_files import find_record
from agnews_core.uploads.limits import Limits
from agnews_core.uploads.pickles import Followed, choose_from_record, follow, read_pickle
from agnews_core.uploads.process_limits import forbid_new_processes
from agnews_core.uploads.text_files import UNICODE_MARKS, read_text_file

KINDS_READ: Final = "a pickle, CSV, TSV, plain text, JSON, JSON lines, Parquet or Arrow file"
_WORDS: Final = {
    "pickle": "a pickle",
    "json": "JSON",
    "parquet": "Parquet",
    "arrow": "Arrow",
    "csv": "a table (CSV)",
    "tsv": "a table (TSV)",
    "txt": "plain text, a text a line",
}
# What a name promises; of the names that are not here, nothing is expected.
_KINDS_BY_SUFFIX: Final = {
    **dict.fromkeys((".pkl", ".pickle", ".p", ".pck"), ("pickle",)),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), ("json",)),
    **dict.fromkeys((".csv", ".tsv", ".tab"), ("csv", "tsv")),
    **dict.fromkeys((".parquet", ".pq"), ("parquet",)),
    **dict.fromkeys((".arrow", ".feather"), ("arrow",)),
    ".txt": ("txt",),
}
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


def read_any(data: bytes, choice: Choice, *, suffix: str, limits: Limits) -> tuple[str, Texts]:
    """Return the kind of a file and its texts.

    Raises:
        DataError: it is of no kind that is read here, or its reader refuses it; so may going through the texts.
    """
    data, compression = unwrap(data, max_bytes=limits.file_bytes, always_bytes=limits.unfolded_bytes)
    if len(data) > limits.file_bytes or not data:
        raise DataError("The compressed file is empty." if not data else "The file is too large.")
    budget = Budget(len(data), always_bytes=limits.unfolded_bytes)
    kind, found = _read_known(data, suffix, choice, budget)
    notes = [f"Unwrapped from {compression}."] if compression else []
    if kind not in _KINDS_BY_SUFFIX.get(suffix, (kind,)):
        notes.append(f"Read as {_WORDS[kind]}, though its name ends in {suffix}.")
    return kind, replace(found, notes=(*notes, *found.notes))


def _read_known(data: bytes, suffix: str, choice: Choice, budget: Budget) -> tuple[str, Texts]:
    """Find out what a file is and have it read: as "parquet", "arrow", "pickle", "json", "csv", "tsv" or "txt"."""
    other = next((name for start, name in _OTHERS.items() if data[:64].lstrip().startswith(start)), None)
    if other:
        raise DataError(f"This is {other}, which is not read here; choose {KINDS_READ}.")
    if data.startswith(b"PAR1"):
        return "parquet", _read_arrow(data, "parquet", choice, budget)
    if data.startswith((b"ARROW1\0\0", b"\xff\xff\xff\xff")):
        return "arrow", _read_arrow(data, "arrow", choice, budget)
    followed = follow(data)
    if _is_pickle(data, suffix, followed):
        forbid_new_processes()
        return "pickle", read_pickle(followed, choice, budget)
    record = find_record(data, suffix)
    if record is not None:
        forbid_new_processes()
        return "json", choose_from_record(record, choice, budget)
    if b"\0" in data and not data.startswith(UNICODE_MARKS):
        raise DataError(f"This file is of a kind that is not known here; choose {KINDS_READ}.")
    return read_text_file(data, choice, budget, suffix=suffix)


def _is_pickle(data: bytes, suffix: str, followed: Followed) -> bool:
    if data[0] == PROTO and len(data) > 1 and data[1] <= MAX_KNOWN_PROTOCOL:
        return True
    # Prose may begin like a pickle by chance. A broken pickle is called one if its name says so too.
    is_named_so = "pickle" in _KINDS_BY_SUFFIX.get(suffix, ())
    return followed.is_whole or (is_named_so and followed.n_opcodes >= OPCODES_BEYOND_CHANCE)


def _read_arrow(data: bytes, kind: str, choice: Choice, budget: Budget) -> Texts:
    from agnews_core.uploads import arrow_files  # imports pyarrow, which most files do without

    choice.refuse_split()
    columns = arrow_files.read_parquet(data) if kind == "parquet" else arrow_files.read_arrow(data)
    return choose_texts(columns, choice, budget)
