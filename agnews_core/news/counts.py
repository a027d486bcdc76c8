"""How many texts were read, left out and split. A schema: nothing heavy is here."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from agnews_core.labels import LABELS

UNEVEN = 3  # times the texts of the smallest class in the largest, from which on class weights are offered


@dataclass(frozen=True)
class TextCounts:
    """How many texts a run trains on, plain ones among them as often as they are repeated, and validates on.

    The plain validation texts are beside the others. `n_by_class` counts the training texts of each class, and is () where
    that is not known.
    """

    n_train: int
    n_validation: int
    n_plain_train: int = 0
    n_plain_validation: int = 0
    n_by_class: tuple[int, ...] = ()

    def describe(self) -> str:
        """Format them.

        >>> TextCounts(2000, 200).describe(), TextCounts(2240, 200, 240, 60).describe()
        ('2,000, and 200 to validate', '2,240 (plain ones among them: 240), and 200 and 60 plain ones to validate')
        """
        plain = f" (plain ones among them: {self.n_plain_train:,})" if self.n_plain_train else ""
        also = f" and {self.n_plain_validation:,} plain ones" if self.n_plain_validation else ""
        return f"{self.n_train:,}{plain}, and {self.n_validation:,}{also} to validate"


class DataCounts(BaseModel):
    """What was read and what was left out, in rows. `source` says in words where it came from.

    `n_holdout` validation texts are kept from the run, beside `n_validation`.
    Of the training texts, `n_plain_train` are plain ones, each counted as often as it is repeated; the plain validation texts,
    and those of them that are kept from the run, are beside the others. `n_by_class` counts the training texts of each
    class; () in older runs.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    n_read: int
    n_empty: int
    n_duplicates: int
    n_in_test: int
    n_train: int
    n_validation: int
    n_test: int
    n_test_empty: int = 0
    n_holdout: int = 0
    n_plain_train: int = 0
    n_plain_validation: int = 0
    n_plain_holdout: int = 0
    n_by_class: tuple[int, ...] = ()

    @property
    def texts(self) -> TextCounts:
        """What a run trains and validates on."""
        return TextCounts(self.n_train, self.n_validation, self.n_plain_train, self.n_plain_validation, self.n_by_class)

    def describe(self) -> str:
        """Format the counts as one line.

        >>> left_out = {"n_empty": 1, "n_duplicates": 0, "n_in_test": 0}
        >>> DataCounts(source="sample", n_read=10, n_train=8, n_validation=1, n_test=0, **left_out).describe()
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
        held_plain = f" and {self.n_plain_holdout:,} plain ones" if self.n_plain_holdout else ""
        test += f", {self.n_holdout:,}{held_plain} held out" if self.n_holdout else ""
        middle = f"; left out: {', '.join(left_out)}" if left_out else ""
        plain = f" (plain ones among them: {self.n_plain_train:,})" if self.n_plain_train else ""
        also = f" and {self.n_plain_validation:,} plain ones" if self.n_plain_validation else ""
        split = f"{self.n_train:,} to train on{plain}, {self.n_validation:,}{also} to validate{test}"
        return f"{self.source}: {self.n_read:,} texts read{middle}; {split}."


def describe_balance(n_by_class: Sequence[int]) -> str:
    """Return a sentence where classes have so unlike numbers of texts that class weights may help, else "".

    >>> describe_balance([40, 10, 0, 25])
    'World has 40 texts and Sports 10: with `class_weight` balanced, each class counts alike in training.'
    >>> describe_balance([20, 10, 0, 25])
    ''
    """
    there = [(count, name) for count, name in zip(n_by_class, LABELS, strict=False) if count]
    if not there or max(there)[0] <= UNEVEN * min(there)[0]:
        return ""
    (most, largest), (least, smallest) = max(there), min(there)
    return (
        f"{largest} has {most:,} texts and {smallest} {least:,}: with `class_weight` balanced, each class counts alike in "
        "training."
    )
