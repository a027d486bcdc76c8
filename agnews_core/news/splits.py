"""News split into training and validation, 90/10, with what was left out counted and said."""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from datasets import Dataset
from sklearn.model_selection import train_test_split

from agnews_core.config import TrainConfig
from agnews_core.errors import DataError
from agnews_core.labels import LABELS
from agnews_core.news.counts import DataCounts
from agnews_core.news.plain import PLAIN_VALIDATION_SHARE, read_plain, stamp_plain, uses_plain
from agnews_core.news.sets import check_sets
from agnews_core.news.sources import NewsFolder, find_news
from agnews_core.news.tables import UNKNOWN, find_split, read_more, read_split, stamp_news

VALIDATION_SHARE = 0.1
_BY_KIND = ("label", "kind")  # how plain texts are stratified


@dataclass(frozen=True)
class News:
    """Labelled news, split. Each Dataset has the columns `text` (str) and `label` (int 0-3); test may be missing.

    The training texts are those of the news, then the plain ones, as many times as they are repeated; their third column
    `title_end` is the character at which a title ends, -1 where that is not known. `holdout` are the validation texts that the
    run does not see, where `config.holdout_share` keeps some. The plain validation texts (None of a run that has nothing to do
    with such texts), and those of them that are held out alike, have a third column too, their `kind`. `digest` tells these
    splits, row by row, from any others.
    """

    folder: NewsFolder
    train: Dataset
    validation: Dataset
    test: Dataset | None
    counts: DataCounts
    digest: str
    holdout: Dataset | None = None
    plain_validation: Dataset | None = None
    plain_holdout: Dataset | None = None


def load_news(config: TrainConfig) -> News:
    """Load news as `config.data` says and split it 90/10, stratified by label and seeded.

    The texts of `config.more_train_files` are all for training. Texts that repeat another are left out before the split, so that
    none stands in training and validation both; texts that are also in the test file are left out of training and validation.
    Plain texts count as the first of those that repeat one, texts of more files as the last.

    Raises:
        DataError: The news cannot be had, or a row is not what it should be.
    """
    return _load(*_identify(find_news(config.data), config))


def name_split(folder: NewsFolder, config: TrainConfig) -> str:
    """Return what tells the news that `load_news` would load from any other, without reading it.

    Raises:
        DataError, OSError: A file of it is not there.
    """
    return repr(_identify(folder, config))


def _identify(folder: NewsFolder, config: TrainConfig) -> tuple[NewsFolder, object, "_Cut"]:
    cut = _Cut(
        seed=config.seed if config.split_seed is None else config.split_seed,
        holdout_share=config.holdout_share,
        max_train=config.max_train_samples,
        max_eval=config.max_eval_samples,
        plain_repeats=config.plain_repeats,
        more_train_files=config.more_train_files,
        uses_plain=uses_plain(config),
    )
    return folder, (stamp_news(folder.path, config.more_train_files), stamp_plain(config)), cut


@dataclass(frozen=True)
class _Cut:
    """How news is cut into its parts, and whether the plain texts come to them."""

    seed: int
    holdout_share: float
    max_train: int | None
    max_eval: int | None
    plain_repeats: int
    more_train_files: tuple[str, ...]
    uses_plain: bool


@functools.lru_cache(maxsize=1)  # an evaluation and its baseline ask for the same news
def _load(folder: NewsFolder, stamp: object, cut: _Cut) -> News:
    check_sets(folder.path, cut.more_train_files)
    rows = read_split(folder.path, "train")
    test_rows = read_split(folder.path, "test") if find_split(folder.path, "test") else None
    test = None if test_rows is None else _drop_empty(test_rows)
    more = pd.concat([rows[:0], *read_more(folder.path, cut.more_train_files)])
    not_empty, more_not_empty = _drop_empty(rows), _drop_empty(more)
    plain = read_plain("train").assign(title_end=UNKNOWN) if cut.uses_plain else rows[:0].assign(kind="")
    parts = [plain.assign(part="plain"), not_empty.assign(part="news"), more_not_empty.assign(part="more")]
    kept, n_duplicates, n_in_test = _drop_repeats(pd.concat(parts, ignore_index=True), test)
    plain_train, plain_validation = _split_plain(kept[kept["part"] == "plain"], cut)
    train, validation = _split(kept[kept["part"] == "news"], cut.seed)
    validation, holdout = _hold_out(validation, cut)
    plain_validation, plain_holdout = _hold_out(plain_validation, cut, by=_BY_KIND)
    validation = take(validation, cut.max_eval, cut.seed)
    train = take(pd.concat([train, kept[kept["part"] == "more"]]), cut.max_train, cut.seed)
    train = pd.concat([train, *[plain_train] * cut.plain_repeats], ignore_index=True)
    beside = {"holdout": holdout, "plain_validation": plain_validation, "plain_holdout": plain_holdout}
    beside = {name: rows for name, rows in beside.items() if not rows.empty}
    counts = DataCounts(
        source=folder.source,
        n_read=len(rows) + len(more),
        n_empty=len(rows) - len(not_empty) + len(more) - len(more_not_empty),
        n_duplicates=n_duplicates,
        n_in_test=n_in_test,
        n_train=len(train),
        n_validation=len(validation),
        n_test=0 if test is None else len(test),
        n_test_empty=0 if test is None or test_rows is None else len(test_rows) - len(test),
        n_holdout=len(holdout),
        n_plain_train=len(plain_train) * cut.plain_repeats,
        n_plain_validation=len(plain_validation),
        n_plain_holdout=len(plain_holdout),
        n_by_class=tuple(int((train["label"] == label).sum()) for label in range(len(LABELS))),
    )
    return News(
        folder=folder,
        train=_to_dataset(train, "title_end"),
        validation=_to_dataset(validation),
        test=None if test is None else _to_dataset(test),
        counts=counts,
        digest=_compute_digest(train=train, validation=validation, test=test, **beside),
        **{name: _to_dataset(rows, *(["kind"] if "plain" in name else [])) for name, rows in beside.items()},
    )


def load_all(folder: NewsFolder) -> tuple[Dataset, DataCounts]:
    """Load all texts of a folder's train files but the empty ones, to measure a model on.

    Raises:
        DataError: They cannot be read, or none is left.
    """
    check_sets(folder.path, ())
    rows = read_split(folder.path, "train")
    kept = _drop_empty(rows)
    if kept.empty:
        raise DataError(f"There is no text in {folder.source}.")
    counts = DataCounts(
        source=folder.source,
        n_read=len(rows),
        n_empty=len(rows) - len(kept),
        n_duplicates=0,
        n_in_test=0,
        n_train=0,
        n_validation=0,
        n_test=len(kept),
    )
    return _to_dataset(kept), counts


def _drop_empty(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["text"].str.strip() != ""]


def _drop_repeats(rows: pd.DataFrame, test: pd.DataFrame | None) -> tuple[pd.DataFrame, int, int]:
    """Keep the first of each text (white space and case aside) that is not in `test`; count what goes."""
    keys = _normalise(rows["text"])
    repeated = keys.duplicated()
    in_test = keys.isin(_normalise(test["text"])) if test is not None else repeated & False
    return rows[~(repeated | in_test)], int((repeated & ~in_test).sum()), int(in_test.sum())


def _normalise(texts: "pd.Series[str]") -> "pd.Series[str]":
    return texts.str.split().str.join(" ").str.casefold()


def _split(rows: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    if rows["label"].nunique() < 2:
        found = f"all are {LABELS[rows['label'].iloc[0]]}" if len(rows) else "none is left"
        raise DataError(f"Training needs texts of at least 2 classes; of the usable texts {found}.")
    try:
        train, validation = train_test_split(
            rows, test_size=VALIDATION_SHARE, stratify=rows["label"], random_state=seed
        )
    except ValueError as error:
        # Validation, a tenth rounded up, needs a text of each class.
        least = 10 * (rows["label"].nunique() - 1) + 1
        raise DataError(
            f"{len(rows)} usable texts cannot be split into training and validation; each of the classes present needs at "
            f"least 2 texts, and all together at least {least}."
        ) from error
    return train, validation


def _split_plain(rows: pd.DataFrame, cut: _Cut) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split the plain texts, stratified by class and kind."""
    validation = take(rows, round(PLAIN_VALIDATION_SHARE * len(rows)), cut.seed, by=_BY_KIND)
    return rows.drop(validation.index), validation


def _hold_out(
    validation: pd.DataFrame, cut: _Cut, *, by: Sequence[str] = ("label",)
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split validation texts into those that a run sees, at least one, and those that are held out."""
    n_held = max(min(round(cut.holdout_share * len(validation)), len(validation) - 1), 0)
    held = take(validation, n_held, cut.seed, by=by)
    return validation.drop(held.index), held


def take(rows: pd.DataFrame, at_most: int | None, seed: int, *, by: Sequence[str] = ("label",)) -> pd.DataFrame:
    """Take a seeded sample that keeps the shares of the classes, or of other groups, as far as its size allows."""
    if at_most is None or at_most >= len(rows):
        return rows
    # Shuffled within each group, then dealt out in proportion: row i of n in its group stands at (i + 0.5) / n.
    shuffled = rows.sample(frac=1, random_state=seed)
    by_group = shuffled.groupby(list(by))["text"]
    place = (by_group.cumcount() + 0.5) / by_group.transform("size")
    return shuffled.loc[place.sort_values(kind="stable").index[:at_most]]


def _to_dataset(rows: pd.DataFrame, *more: str) -> Dataset:
    return Dataset.from_pandas(rows[["text", "label", *more]], preserve_index=False)


def _compute_digest(**splits: pd.DataFrame | None) -> str:
    digest = hashlib.sha256()
    for name, rows in splits.items():
        if rows is not None:
            digest.update(f"{name} {len(rows)}\n".encode())
            for label, text in zip(rows["label"], rows["text"], strict=True):
                written = text.encode(errors="surrogatepass")
                digest.update(b"%d %d %b" % (label, len(written), written))
    return digest.hexdigest()
