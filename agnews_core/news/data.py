"""How a folder of news is read, checked and split, and how texts are tokenised.

Rows that cannot be used are counted and said, never dropped in silence. It does not know models beyond the tokenizer it is
handed, nor where news comes from beyond the folder that `news_sources` finds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agnews_core.config import TrainConfig
from agnews_core.errors import DataError
from agnews_core.news.sources import NewsFolder, find_news

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset


LABELS = ("World", "Sports", "Business", "Sci/Tech")
VALIDATION_SHARE = 0.1
SUFFIXES = (".parquet", ".csv", ".jsonl")


@dataclass(frozen=True)
class DataCounts:
    """What was read and what was left out, in rows. `source` says in words where it came from."""

    source: str
    n_read: int
    n_empty: int
    n_duplicates: int
    n_in_test: int
    n_train: int
    n_validation: int
    n_test: int
    n_test_empty: int = 0

    def describe(self) -> str:
        """Say it in one line.

        >>> DataCounts("sample", 10, 1, 0, 0, 8, 1, 0).describe()
        'sample: 10 texts read; left out: 1 empty; 8 to train on, 1 to validate.'
        """
        left_out = [
            f"{count:,} {what}"
            for count, what in (
                (self.n_empty, "empty"),
                (self.n_duplicates, "that repeat another"),
                (self.n_in_test, "that are also in the test file"),
            )
            if count
        ]
        test = f", {self.n_test:,} to test" if self.n_test else ""
        test += f" ({self.n_test_empty:,} empty ones left out)" if self.n_test_empty else ""
        middle = f"; left out: {', '.join(left_out)}" if left_out else ""
        split = f"{self.n_train:,} to train on, {self.n_validation:,} to validate{test}"
        return f"{self.source}: {self.n_read:,} texts read{middle}; {split}."


@dataclass(frozen=True)
class News:
    """Labelled news, split. Each Dataset has the columns `text` (str) and `label` (int 0-3); test may be missing."""

    folder: NewsFolder
    train: "Dataset"
    validation: "Dataset"
    test: "Dataset | None"
    counts: DataCounts


def load_news(config: TrainConfig) -> News:
    """Load news as `config.data` says and split it 90/10, stratified by label and seeded.

    Texts that repeat another are left out before the split, so that none stands in training and validation both; texts that
    are also in the test file are left out of training and validation.

    Raises:
        DataError: The news cannot be had, or a row is not what it should be.
    """
    folder = find_news(config.data)
    rows = _read_split(folder.path, "train")
    test_rows = _read_split(folder.path, "test") if _find_split(folder.path, "test") else None
    test = None if test_rows is None else _drop_empty(test_rows)
    not_empty = _drop_empty(rows)
    kept, n_duplicates, n_in_test = _drop_repeats(not_empty, test)
    train, validation = _split(kept, config)
    counts = DataCounts(
        source=folder.source,
        n_read=len(rows),
        n_empty=len(rows) - len(not_empty),
        n_duplicates=n_duplicates,
        n_in_test=n_in_test,
        n_train=len(train),
        n_validation=len(validation),
        n_test=0 if test is None else len(test),
        n_test_empty=0 if test is None or test_rows is None else len(test_rows) - len(test),
    )
    return News(
        folder, _to_dataset(train), _to_dataset(validation), None if test is None else _to_dataset(test), counts
    )


def _read_split(folder: Path, split: str) -> "pd.DataFrame":
    """Read a split as `read_table` does, from one file or from the parts that the hub cuts it into.

    Raises:
        DataError: There is none, a part is missing, or a file cannot be read.
    """
    import pandas as pd

    files = _find_split(folder, split)
    if not files:
        names = ", ".join(f"{split}{suffix}" for suffix in SUFFIXES)
        raise DataError(f"The folder {folder} holds no {split} file; wanted one of {names}.")
    return pd.concat([read_table(file) for file in files], ignore_index=True)


def _find_split(folder: Path, split: str) -> list[Path]:
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


def _check_all_there(parts: list[Path]) -> list[Path]:
    numbered = re.search(r"-of-(\d+)", parts[0].name)
    if numbered and int(numbered[1]) != len(parts):
        raise DataError(f"{parts[0]} is one of {int(numbered[1])} parts, and the folder holds {len(parts)}.")
    return parts


def read_table(path: Path) -> "pd.DataFrame":
    """Read labelled news into the columns `text` (str) and `label` (int 0-3), in file order, empty texts included.

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
    return pd.DataFrame({"text": _join_text(frame, path).to_numpy(), "label": labels.to_numpy()})


def _read_frame(path: Path) -> "pd.DataFrame":
    import pandas as pd

    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".jsonl":
        return pd.read_json(path, lines=True, encoding="utf-8-sig", dtype=False)
    if path.stat().st_size == 0:
        return pd.DataFrame()
    # The original AG News csv has no header: class 1-4, title, description.
    first = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False)
    if first.shape[1] == 3 and re.fullmatch(r"\d+", str(first.iloc[0, 0])):
        names = ["class index", "title", "description"]
        return pd.read_csv(path, header=None, names=names, dtype=str, keep_default_na=False)
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    if not isinstance(frame.index, pd.RangeIndex):
        # pandas would take what stands before the named columns for the rows' names.
        raise ValueError("its rows have more fields than its header; a text with a comma must stand in quotes")
    return frame


def _name_columns(frame: "pd.DataFrame", path: Path) -> tuple["pd.DataFrame", int]:
    """Give the columns our names; return also the number of the first class, 0, or 1 where the file counts from 1."""
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


def _join_text(frame: "pd.DataFrame", path: Path) -> "pd.Series[str]":
    if "text" in frame:
        return _check_text(frame["text"], path)
    return _check_text(frame["title"], path) + " " + _check_text(frame["description"], path)


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


def _drop_empty(rows: "pd.DataFrame") -> "pd.DataFrame":
    return rows[rows["text"].str.strip() != ""]


def _drop_repeats(rows: "pd.DataFrame", test: "pd.DataFrame | None") -> tuple["pd.DataFrame", int, int]:
    """Keep the first of each text (white space and case aside) that is not in `test`; count what goes."""
    keys = _normalise(rows["text"])
    repeated = keys.duplicated()
    in_test = keys.isin(_normalise(test["text"])) if test is not None else repeated & False
    return rows[~(repeated | in_test)], int((repeated & ~in_test).sum()), int(in_test.sum())


def _normalise(texts: "pd.Series[str]") -> "pd.Series[str]":
    return texts.str.split().str.join(" ").str.casefold()


def _split(rows: "pd.DataFrame", config: TrainConfig) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    from sklearn.model_selection import train_test_split

    if rows["label"].nunique() < 2:
        found = f"all are {LABELS[rows['label'].iloc[0]]}" if len(rows) else "none is left"
        raise DataError(f"Training needs texts of at least 2 classes; of the usable texts {found}.")
    try:
        train, validation = train_test_split(
            rows, test_size=VALIDATION_SHARE, stratify=rows["label"], random_state=config.seed
        )
    except ValueError as error:
        # Validation, a tenth rounded up, needs a text of each class.
        least = 10 * (rows["label"].nunique() - 1) + 1
        raise DataError(
            f"{len(rows)} usable texts cannot be split into training and validation; each of the classes present needs at "
            f"least 2 texts, and all together at least {least}."
        ) from error
    return _take(train, config.max_train_samples, config.seed), _take(validation, config.max_eval_samples, config.seed)


def _take(rows: "pd.DataFrame", at_most: int | None, seed: int) -> "pd.DataFrame":
    """Take a seeded sample that keeps the classes' shares as far as its size allows."""
    if at_most is None or at_most >= len(rows):
        return rows
    # Shuffled within each class, then dealt out in proportion: row i of n in its class stands at (i + 0.5) / n.
    shuffled = rows.sample(frac=1, random_state=seed)
    by_class = shuffled.groupby("label")["text"]
    place = (by_class.cumcount() + 0.5) / by_class.transform("size")
    return shuffled.loc[place.sort_values(kind="stable").index[:at_most]]


def _to_dataset(rows: "pd.DataFrame") -> "Dataset":
    from datasets import Dataset

    return Dataset.from_pandas(rows[["text", "label"]], preserve_index=False)


def tokenize(dataset: "Dataset", tokenizer: Any, *, max_length: int) -> "Dataset":
    """Turn texts into token ids, cut at `max_length` and not padded (batches are padded as they are made).

    Returns:
        A Dataset with `input_ids`, `attention_mask` (lists of int), `labels` (int) and `length` (tokens).
    """
    from datasets import Dataset

    encoded = encode(list(dataset["text"]), tokenizer, max_length=max_length)
    lengths = [len(ids) for ids in encoded["input_ids"]]
    return Dataset.from_dict({**encoded, "labels": list(dataset["label"]), "length": lengths})


def mend(text: str) -> str:
    r"""Return a text as long, with "?" for halves of characters, which pickles and JSON can hold and tokenizers refuse.

    >>> mend("Goal \ud83d scored")
    'Goal ? scored'
    """
    return text if text.isascii() else text.encode(errors="replace").decode()


def encode(texts: Sequence[str], tokenizer: Any, *, max_length: int) -> dict[str, list[list[int]]]:
    """Return `input_ids` and `attention_mask` of each text, without padding, at most `max_length` tokens long."""
    encoded = tokenizer(
        [mend(text) for text in texts], truncation=True, max_length=max_length, return_token_type_ids=False
    )
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
