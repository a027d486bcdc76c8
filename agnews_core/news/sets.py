"""Named sets: labelled files of a person's own, each kept as a folder of news with a card.

    RUNS_DIR/_sets/NAME/
        train.parquet    the texts and their classes, 0-3
        set.json         where they came from and what was left out, as `SetCard`

`data` set:NAME is such a set, and so is a part of `more_train_files`; set:FOLDER is one of any folder. How a file becomes a set,
`own_files` knows.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agnews_core.errors import DataError, quote
from agnews_core.folders import check_name, find_folder, find_runs_dir, is_name

SETS = "_sets"  # no run can have this name
PREFIX = "set:"
TEXTS, CARD = "train.parquet", "set.json"


class SetCard(BaseModel):
    """What set.json holds.

    Attributes:
        source: The file's name, without its folder.
        kind: What the file was, such as "csv".
        text_columns: The columns that the texts were in; a title and a description are joined.
        label_column: The column that the classes were in.
        mapping: The class of each label as the file had it, 0-3; None is left out.
        n_by_class: How many texts of each class there are.
        n_read: Rows of the file.
        n_empty: Rows left out since they have no text.
        n_unlabelled: Rows left out since they have no label.
        n_unmapped: Rows left out since their label is none of the classes.
        notes: What was decided about the file, in sentences.
        digest: SHA-256 of the texts' file, in hexadecimal.
        owner: The `key` of the visitor who added it (see `jobs.visitors`); "" is this machine's own.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    source: str
    kind: str
    text_columns: tuple[str, ...]
    label_column: str
    mapping: dict[str, int | None]
    n_by_class: tuple[int, ...]
    n_read: int
    n_empty: int
    n_unlabelled: int
    n_unmapped: int
    notes: tuple[str, ...] = ()
    digest: str = ""
    owner: str = ""
    created_at: str

    @property
    def n(self) -> int:
        """How many texts there are."""
        return sum(self.n_by_class)

    @property
    def left_out(self) -> str:
        """What was left out and why, in words, or ""."""
        counts = {
            "without a text": self.n_empty,
            "without a label": self.n_unlabelled,
            "of other labels": self.n_unmapped,
        }
        return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


@dataclass(frozen=True)
class NewsSet:
    """A set's folder."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def texts_path(self) -> Path:
        """Where its texts are."""
        return self.path / TEXTS

    def read_card(self) -> SetCard:
        """Read its card.

        Raises:
            DataError: It is missing or damaged.
        """
        try:
            return SetCard.model_validate_json((self.path / CARD).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"The set {self.name} has no readable {CARD}; remove it and add the file again.") from error

    def check(self) -> None:
        """Refuse a set whose texts are not those that were added.

        Raises:
            DataError: They are missing or damaged, or others.
        """
        card = self.read_card()
        if compute_digest(self.texts_path) != card.digest:
            raise DataError(
                f"The texts of the set {self.name} are damaged: {TEXTS} is not as it was written. Remove the set and add "
                f"{card.source} again."
            )


def is_set(name: str) -> bool:
    """Return whether a value of `data`, or of `more_train_files`, is a set's."""
    return name.startswith(PREFIX)


def as_set(folder: Path) -> NewsSet | None:
    """Return the set of a news folder that is one, be it damaged, else None."""
    is_one = (folder / CARD).is_file() or (folder.parent.name == SETS and folder.is_dir())
    return NewsSet(folder) if is_one else None


def find_set(name: str, runs_dir: Path | None = None) -> NewsSet:
    """Return the set that set:NAME or set:FOLDER stands for.

    Args:
        name: That value, with or without its set:
        runs_dir: The folder of all runs; None is the default one.

    Raises:
        DataError: There is no such set; the message names those there are.
        RunError: It is no name.
    """
    name, runs_dir = name.removeprefix(PREFIX), find_runs_dir(runs_dir)
    if "/" not in name:
        check_name(name, kind="set")
    folder = find_folder(name) if "/" in name else runs_dir / SETS / name
    if folder and (found := as_set(folder.resolve())):
        return found
    if "/" in name:
        raise DataError(describe_lost(name) or f"There is no set in the folder {name}; give the name of one.")
    there = ", ".join(one.name for one in list_sets(runs_dir)) or "none"
    raise DataError(f"There is no set {name} in {runs_dir}; there are: {there}. Add one with `news add`.")


def locate_set(name: str, runs_dir: Path | None = None) -> str:
    """Return a name that finds the same set again from anywhere; anything that is no set's as it is.

    Raises:
        DataError, RunError: As `find_set`.
    """
    return f"{PREFIX}{find_set(name, runs_dir).path}" if is_set(name) else name


def shorten(name: str) -> str:
    """Return a set's name without its folder; anything that is no set's as it is.

    >>> shorten("set:/srv/runs/_sets/mine"), shorten("set:mine"), shorten("more.csv")
    ('set:mine', 'set:mine', 'more.csv')
    """
    return f"{PREFIX}{Path(name.removeprefix(PREFIX)).name}" if is_set(name) else name


def list_sets(runs_dir: Path) -> list[NewsSet]:
    """Return the sets in a folder of runs, by name."""
    try:
        folders = sorted(path for path in (runs_dir / SETS).iterdir() if is_name(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [found for folder in folders if (found := as_set(folder))]


@contextmanager
def adding_set(runs_dir: Path, name: str) -> Iterator[NewsSet]:
    """Yield a folder to write a set into, with its card; it gets its name at the end, whole, or is gone.

    Raises:
        RunError: The name is not one.
        DataError: It is taken, or was taken meanwhile; or the folder cannot be written.
    """
    check_name(name, kind="set")
    sets_dir = runs_dir / SETS
    taken = DataError(f"There is a set named {name} already; choose another name, or remove that set first.")
    if (sets_dir / name).exists():
        raise taken
    try:
        sets_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=sets_dir, ignore_cleanup_errors=True) as folder:
            made = NewsSet(Path(folder) / name)
            made.path.mkdir()
            yield made
            try:
                made.path.rename(sets_dir / name)
            except OSError as error:
                raise (taken if (sets_dir / name).exists() else error) from error
    except OSError as error:
        raise DataError(f"The set {name} cannot be written to {sets_dir}: {error.strerror or error}.") from error


def remove_set(found: NewsSet) -> None:
    """Remove a set; who looks meanwhile finds all of it or nothing.

    Raises:
        DataError: Its files may not be removed.
    """
    gone = found.path.with_name(f".removed-{found.name}")
    try:
        shutil.rmtree(gone, ignore_errors=True)
        found.path.rename(gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise DataError(f"The set {found.name} cannot be removed: {error.strerror}.") from error


def check_sets(folder: Path, more: Sequence[str]) -> None:
    """Check a news folder that is a set, and the sets among more files of it.

    Raises:
        DataError: The texts of one are damaged or gone.
    """
    sets = [as_set(folder), *(find_set(name) for name in more if is_set(name))]
    for found in sets:
        if found:
            found.check()


def compute_digest(path: Path) -> str:
    """Return the SHA-256 of a file, "" of one that cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def describe_lost(folder: str) -> str:
    """Return a sentence about a news folder that was a set and is no longer there, else ""."""
    path = Path(folder)
    if path.parent.name != SETS:
        return ""
    return f"The set {quote(path.name)} is no longer in {path.parent}; add it again with `news add`."
