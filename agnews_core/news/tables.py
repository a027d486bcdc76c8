"""A file of labelled news, read and checked: which files a split has, their columns, their labels.

Rows that cannot be used are an error that names them, never dropped in silence.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agnews_core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
from agnews_core.labels import LABELS, ORIGINAL_COLUMNS, is_original_row
from agnews_core.news.sets import find_set, is_set

SUFFIXES = (".parquet", ".csv", ".jsonl")
UNKNOWN = -1  # where a title ends, in a text that no column tells it of


def read_split(folder: Path, split: str) -> "pd.DataFrame":
    """Read a split as `read_table` does, from one file or from the parts that the hub cuts it into.

    Raises:
        DataError: There is none, a part is missing, or a file cannot be read.
    """
    import pandas as pd

    return pd.concat([read_table(file) for file in find_files(folder, split)], ignore_index=True)


def read_more(folder: Path, names: Sequence[str]) -> list["pd.DataFrame"]:
    """Read other files of a news folder, each as `read_table` does.

    Raises:
        DataError: One is not there, or cannot be read.
    """
    return [read_table(file) for file in _find_more(folder, names)]


def _find_more(folder: Path, names: Sequence[str]) -> list[Path]:
    files = [find_set(name).texts_path if is_set(name) else folder / name for name in names]
    for file in files:
        if not file.is_file():
            raise DataError(
                f"The folder {folder} holds no file {file.name}; `more_train_files` names files beside its train file."
            )
    return files


def find_files(folder: Path, split: str) -> list[Path]:
    """Find the files of a split, as `find_split` does, which must be there.

    Raises:
        DataError: There is none, or a part is missing.
    """
    files = find_split(folder, split)
    if not files:
        names = ", ".join(f"{split}{suffix}" for suffix in SUFFIXES)
        raise DataError(f"The folder {folder} holds no {split} file; wanted one of {names}.")
    return files


def find_split(folder: Path, split: str) -> list[Path]:
    """Find the files of a split in a folder or its data/ folder, as train.csv or in parts as the hub names them.

    Raises:
        DataError: A part is missing.
    """
    for place in (folder, folder / "data"):
        for suffix in SUFFIXES:
            if (place / f"{split}{suffix}").is_file():
                return [place / f"{split}{suffix}"]
            parts = sorted(file for file in place.glob(f"{split}-[0-9]*-of-[0-9]*{suffix}") if file.is_file())
            if parts:
                return _check_all_there(parts)
    return []


def stamp_news(folder: Path, more: Sequence[str] = ()) -> tuple[tuple[str, int, int], ...]:
    """Return what changes with the files of a folder's splits and others of it: name, time of change and size of each.

    Raises:
        DataError: One of the others is not there, or a part of a split is missing.
    """
    files = [file for split in ("train", "test") for file in find_split(folder, split)] + _find_more(folder, more)
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)


def _check_all_there(parts: list[Path]) -> list[Path]:
    numbered = re.search(r"-of-(\d+)", parts[0].name)
    if numbered and int(numbered[1]) != len(parts):
        raise DataError(f"{parts[0]} is one of {int(numbered[1])} parts, and the folder holds {len(parts)}.")
    return parts


def read_table(path: Path) -> "pd.DataFrame":
    """Read labelled news into the columns `text` (str) and `label` (int 0-3), in file order, empty texts included.

    A third column `title_end` is the character at which the title ends, UNKNOWN where the file has no titles of their own.

    Raises:
        DataError: The file cannot be read, a column is missing, or a label is outside 0-3.
    """
    import pandas as pd

    try:
        frame = _read_frame(path)
    except (OSError, ValueError, NotImplementedError) as error:  # pandas' and pyarrow's own are kinds of these
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(f"{path} cannot be read as {path.suffix[1:]}: {reason}.") from error
    if frame.empty:
        raise DataError(f"{path} holds no rows.")
    frame, first_label = _name_columns(frame, path)
    labels = _parse_labels(frame["label"], first_label, path)
    # Rows are known by their numbers from here on; a parquet file can bring an index of its own, even with repeats.
    text, title_end = _join_text(frame, path)
    return pd.DataFrame({"text": text.to_numpy(), "label": labels.to_numpy(), "title_end": title_end})


def _read_frame(path: Path) -> "pd.DataFrame":
    import pandas as pd

    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".jsonl":
        return pd.read_json(path, lines=True, encoding="utf-8-sig", dtype=False)
    if path.stat().st_size == 0:
        return pd.DataFrame()
    first = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False)
    if is_original_row(list(first.iloc[0])):
        return pd.read_csv(path, header=None, names=ORIGINAL_COLUMNS, dtype=str, keep_default_na=False)
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    if not isinstance(frame.index, pd.RangeIndex):
        # pandas would take what stands before the named columns for the rows' names.
        raise ValueError("its rows have more fields than its header; a text with a comma must stand in quotes")
    return frame


def _name_columns(frame: "pd.DataFrame", path: Path) -> tuple["pd.DataFrame", int]:
    """Rename the columns as ours are called, and return the number of the first class, 0, or 1 where the file counts from 1."""
    original = list(frame.columns)
    frame = frame.rename(columns=lambda name: str(name).strip().lower())
    first_label = 0
    if "label" not in frame and "class index" in frame:
        frame, first_label = frame.rename(columns={"class index": "label"}), 1
    has_text = "text" in frame or {"title", "description"} <= set(frame.columns)
    if not has_text or "label" not in frame:
        raise DataError(
            f"{path} has the columns {', '.join(map(str, original))}; wanted text and label, or title, description and label."
        )
    if not frame.columns.is_unique:
        raise DataError(f"{path} has the columns {', '.join(map(str, original))}, of which two have the same name.")
    return frame, first_label


def _join_text(frame: "pd.DataFrame", path: Path) -> tuple["pd.Series[str]", Any]:
    """Return the texts, and where the title of each ends."""
    if "text" in frame:
        return _check_text(frame["text"], path), UNKNOWN
    title = _check_text(frame["title"], path)
    return title + " " + _check_text(frame["description"], path), title.str.len().to_numpy()


def _check_text(column: "pd.Series[Any]", path: Path) -> "pd.Series[str]":
    """Return the column as text, a missing text as an empty one."""
    texts = column.astype(object).where(column.notna(), "")
    bad = ~texts.map(lambda value: isinstance(value, str))
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise DataError(f"{path}, row {row + 1}: the {column.name} {str(texts.iloc[row])[:40]!r} is not text.")
    return texts


def _parse_labels(column: "pd.Series[Any]", first_label: int, path: Path) -> "pd.Series[int]":
    import pandas as pd

    names = {name.lower(): number + first_label for number, name in enumerate(LABELS)}
    written = column.astype(object).map(lambda value: names.get(str(value).strip().lower(), str(value)))
    numbers = pd.to_numeric(written, errors="coerce") - first_label
    bad = ~numbers.isin(range(len(LABELS)))
    if bad.any():
        row = int(bad.to_numpy().argmax())
        allowed = f"{first_label}-{first_label + len(LABELS) - 1} ({', '.join(LABELS)})"
        raise DataError(f"{path}, row {row + 1}: the label {str(column.iloc[row])[:40]!r} is not one of {allowed}.")
    return numbers.astype(int)
