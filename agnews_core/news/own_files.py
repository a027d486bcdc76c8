"""A labelled file of a person's own becomes a named set: its columns found, its labels mapped, what is left out counted.

`look` shows what would become of a file, and `add_set` makes it so. The file is read as `uploads` reads any, piece by piece.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from agnews_core.errors import DataError, quote
from agnews_core.labels import LABELS
from agnews_core.news.counts import describe_balance
from agnews_core.news.own_labels import MOST_LABELS, LabelMapping, find_class, map_labels
from agnews_core.news.sets import CARD, NewsSet, SetCard, adding_set, compute_digest, find_set
from agnews_core.uploads import STRANGERS, CellChoice, Limits, open_table
from agnews_core.whole_files import write_whole

LABEL_NAMES = ("label", "labels", "class", "category", "topic", "class index", "section", "target")
MAY_BE_TEXT = ("text", "bytes", "objects")
TITLES = ("title", "description")
HEAD_ROWS = 1_000  # that columns are guessed from
SHOWN_ROWS = 10
MOST_COUNTED = 10_000  # different labels: beyond it there are "more than"
MOST_TEXT_COLUMNS = 2
ROWS_AT_ONCE = 10_000
Row = Sequence[str | None]


@dataclass(frozen=True)
class Asked:
    """What a person chose about a file; what is left out is guessed.

    Attributes:
        text_columns: The column of texts, or those of titles and descriptions.
        label_column: The column of classes.
        mapping: The class of a label, 0-3, or None to leave its rows out.
        leaves_out_unknown: Whether the rows of all other labels that are no class's are left out.
        split: The part to read of a file that has several.
    """

    text_columns: tuple[str, ...] = ()
    label_column: str = ""
    mapping: Mapping[str, int | None] = field(default_factory=dict)
    leaves_out_unknown: bool = False
    split: str | None = None


@dataclass(frozen=True)
class Look:
    """What would become of a file.

    Attributes:
        columns: Its columns, each with what it holds.
        rows: The first rows, a cell of each column.
        asked: What was chosen, with what was guessed in the place of what was not.
        n_by_label: How often each label is there, the most frequent first.
        n_unlabelled: How many rows have none.
        mapping: Which class each label is.
        problem: Why it cannot be added as it is, or "".
        notes: What was decided, in sentences.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    asked: Asked
    kind: str
    n_by_label: dict[str, int]
    n_unlabelled: int
    mapping: LabelMapping
    problem: str
    notes: tuple[str, ...]

    @property
    def n_by_class(self) -> tuple[int, ...]:
        """How many rows of each class there would be at most; those without a text are seen when it is added."""
        counts = [0] * len(LABELS)
        for label, found in self.mapping.classes.items():
            if found is not None:
                counts[found] += self.n_by_label[label]
        return tuple(counts)


def look(file: Path, asked: Asked | None = None, *, limits: Limits = STRANGERS) -> Look:
    """Read the first rows of a file and all of its labels, and guess what was not chosen.

    Raises:
        UnsafePickleError: A pickle asks for more than plain data.
        DataError: The file cannot be read, or within the limits, is no table, or has no column that was chosen.
    """
    asked = asked or Asked()
    with open_table(file, CellChoice(split=asked.split, at_most=HEAD_ROWS), limits=limits) as table:
        columns, head, kind, notes = table.columns, list(table.read_rows()), table.kind, table.notes
    asked = _guess(columns, head, asked)
    problem = _find_problem(columns, asked)
    counts: Counter[str] = Counter() if problem else _count_labels(file, asked, limits)
    n_unlabelled = counts.pop("", 0)
    if len(counts) > MOST_LABELS:
        problem = _describe_many(len(counts), asked.label_column)
        counts = Counter(dict(counts.most_common(MOST_LABELS)))
    given = asked.mapping if counts and not problem else {}
    mapping = map_labels(counts, given, leaves_out_unknown=asked.leaves_out_unknown)
    found = Look(
        columns=columns,
        rows=tuple(head[:SHOWN_ROWS]),
        asked=asked,
        kind=kind,
        n_by_label=dict(counts.most_common()),
        n_unlabelled=n_unlabelled,
        mapping=mapping,
        problem=problem or mapping.describe_unknown(asked.label_column),
        notes=(*notes, *mapping.notes),
    )
    return replace(found, notes=(*found.notes, *_describe_classes(found.n_by_class)))


def add_set(
    file: Path,
    runs_dir: Path,
    name: str,
    asked: Asked | None = None,
    *,
    limits: Limits = STRANGERS,
    owner: str = "",
    on_progress: Callable[[int], None] | None = None,
) -> NewsSet:
    """Make a named set of a file.

    Raises:
        UnsafePickleError: A pickle asks for more than plain data.
        DataError: The file cannot be read or used as it is, and why; or the name is taken.
        RunError: It is no name.
    """
    with adding_set(runs_dir, name) as made:
        found = look(file, asked, limits=limits)
        if found.problem:
            raise DataError(found.problem)
        asked = found.asked
        choice = CellChoice(columns=(*asked.text_columns, asked.label_column), split=asked.split)
        with open_table(file, choice, limits=limits, on_progress=on_progress) as table:
            left_out: Counter[str] = Counter()
            n_by_class = _write_texts(made.texts_path, table.read_rows(), found.mapping.classes, left_out)
        if not sum(n_by_class):
            raise DataError(f"No row of {file.name} has both a text and the label of a class; there is nothing to add.")
        card = SetCard(
            source=file.name,
            kind=found.kind,
            text_columns=asked.text_columns,
            label_column=asked.label_column,
            mapping=found.mapping.classes,
            n_by_class=n_by_class,
            n_read=table.n_rows,
            n_empty=left_out["empty"],
            n_unlabelled=left_out["unlabelled"],
            n_unmapped=left_out["unmapped"],
            notes=found.notes,
            digest=compute_digest(made.texts_path),
            owner=owner,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_whole(made.path / CARD, card.model_dump_json(indent=2))
    return find_set(name, runs_dir)


def _guess(columns: Sequence[tuple[str, str]], head: Sequence[Row], asked: Asked) -> Asked:
    """Choose columns where none was chosen, by name, else by what the first rows hold."""
    cells = {name: [row[at] or "" for row in head] for at, (name, _) in enumerate(columns)}
    label = asked.label_column or _guess_label(cells, asked.text_columns)
    rest = [name for name, holds in columns if name != label and holds in MAY_BE_TEXT and _has_letters(cells[name])]
    return replace(asked, label_column=label, text_columns=asked.text_columns or _guess_texts(rest, cells))


def _guess_label(cells: Mapping[str, Sequence[str]], texts: Sequence[str]) -> str:
    names = [name for name in cells if name not in texts]
    for wanted in LABEL_NAMES:
        if alike := [name for name in names if name.strip().casefold() == wanted]:
            return alike[0]
    of_classes = [name for name in names if _are_classes(cells[name])]
    return of_classes[0] if len(of_classes) == 1 else ""


def _are_classes(cells: Sequence[str]) -> bool:
    found = {cell for cell in cells if cell.strip()}
    return len(found) > 1 and all(find_class(cell) is not None for cell in found)


def _has_letters(cells: Sequence[str]) -> bool:
    return any(any(map(str.isalpha, cell)) for cell in cells)


def _guess_texts(names: Sequence[str], cells: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    by_name = {name.strip().casefold(): name for name in names}
    if "text" in by_name:
        return (by_name["text"],)
    if all(title in by_name for title in TITLES):
        return tuple(by_name[title] for title in TITLES)
    longest = max(names, key=lambda name: fmean(map(len, cells[name])) if cells[name] else 0, default=None)
    return () if longest is None else (longest,)


def _find_problem(columns: Sequence[tuple[str, str]], asked: Asked) -> str:
    """Return why these columns cannot be a set's, or ""."""
    names = [name for name, _ in columns]
    listed = f"it has {', '.join(map(quote, names[:20]))}"
    for name in (*asked.text_columns, asked.label_column):
        if name and names.count(name) != 1:
            return f"There is {'more than one' if name in names else 'no'} column {quote(name)} in this file; {listed}."
    if not asked.label_column:
        return f"Which column says the class of each text? Choose it by its name; {listed}."
    if not asked.text_columns:
        return f"This file has no column of texts beside {quote(asked.label_column)}; {listed}."
    if asked.label_column in asked.text_columns:
        return f"The column {quote(asked.label_column)} cannot hold both the texts and their classes; {listed}."
    if len(asked.text_columns) > MOST_TEXT_COLUMNS:
        return "A text is in one column, or in one of titles and one of descriptions; choose no more than two."
    return ""


def _count_labels(file: Path, asked: Asked, limits: Limits) -> Counter[str]:
    """Count a column's labels, "" being none; not many more of them than can be said."""
    counts: Counter[str] = Counter()
    with open_table(file, CellChoice(columns=(asked.label_column,), split=asked.split), limits=limits) as table:
        for (cell,) in table.read_rows():
            counts[(cell or "").strip()] += 1
            if len(counts) > MOST_COUNTED:
                break
    return counts


def _describe_many(n_labels: int, column: str) -> str:
    many = f"more than {MOST_COUNTED:,}" if n_labels >= MOST_COUNTED else f"{n_labels:,}"
    return (
        f"The column {quote(column)} holds {many} different labels, and classes have at most {MOST_LABELS}; choose another "
        "column for the classes."
    )


def _describe_classes(n_by_class: Sequence[int]) -> Iterator[str]:
    """Yield sentences about classes that are there alone, or much more often than others."""
    there = [name for name, count in zip(LABELS, n_by_class, strict=True) if count]
    if len(there) == 1:
        yield (
            f"All texts are {there[0]}: they can be added to other news (`more_train_files`) and evaluated on, and a training on "
            "them alone needs texts of at least 2 classes."
        )
    if offer := describe_balance(n_by_class):
        yield offer


def _write_texts(
    path: Path, rows: Iterator[Row], classes: Mapping[str, int | None], left_out: Counter[str]
) -> tuple[int, ...]:
    """Write what can be trained on, piece by piece; count what is left out; return how many texts of each class there are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    counts: Counter[int] = Counter()
    kept = _keep(rows, classes, left_out)
    writer: Any = None
    while piece := list(islice(kept, ROWS_AT_ONCE)):
        *texts, labels = zip(*piece, strict=True)
        names = ("text",) if len(texts) == 1 else TITLES
        columns = {name: pa.array(column, pa.string()) for name, column in zip(names, texts, strict=True)}
        table = pa.table({**columns, "label": pa.array(labels, pa.int8())})
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
        counts.update(labels)
    if writer:
        writer.close()
    return tuple(counts[label] for label in range(len(LABELS)))


def _keep(rows: Iterator[Row], classes: Mapping[str, int | None], left_out: Counter[str]) -> Iterator[tuple[Any, ...]]:
    for *texts, label in rows:
        written = (label or "").strip()
        if not any((text or "").strip() for text in texts):
            left_out["empty"] += 1
        elif not written:
            left_out["unlabelled"] += 1
        elif (found := classes.get(written)) is None:
            left_out["unmapped"] += 1
        else:
            yield (*(text or "" for text in texts), found)
