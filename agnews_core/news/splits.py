"""News split into training and validation, 90/10, with what was left out counted and said."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agnews_core.config import TrainConfig
from agnews_core.errors import DataError
from agnews_core.news.sources import NewsFolder, find_news

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset
from agnews_core.labels import LABELS
from agnews_core.news.tables import find_split, read_split

VALIDATION_SHARE = 0.1


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
    rows = read_split(folder.path, "train")
    test_rows = read_split(folder.path, "test") if find_split(folder.path, "test") else None
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
