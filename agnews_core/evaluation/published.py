"""What others have published for AG News, to be shown beside what was measured here, and never as that."""

from collections.abc import Sequence
from dataclasses import dataclass

MARK = "#39;"  # an apostrophe, as AG News has it in a quarter of its texts
MIN_TEXTS, MIN_SHARE = 100, 0.05
WHERE = "published for AG News, on its official test split; not measured here"


@dataclass(frozen=True)
class Published:
    """An accuracy that others have published, 0-1, or a range of them, with its source where that is a paper."""

    name: str
    low: float
    high: float
    source: str = ""

    @property
    def figure(self) -> str:
        """Format the accuracy.

        >>> Published("roberta-base", 0.94, 0.946).figure, Published("fastText", 0.925, 0.925).figure
        ('94.0 to 94.6 %', '92.5 %')
        """
        high = f" to {self.high * 100:.1f}" if self.high > self.low else ""
        return f"{self.low * 100:.1f}{high} %"


PUBLISHED = (
    Published("roberta-base with LoRA", 0.940, 0.946),
    Published("BERT-base with LoRA", 0.933, 0.933),
    Published("fastText", 0.925, 0.925, "Joulin et al. 2016, arXiv:1607.01759"),
)


def is_ag_news(texts: Sequence[str]) -> bool:
    """Return whether texts are AG News, as far as they show it themselves, wherever the file came from.

    >>> is_ag_news(["The club #39;s new coach"] * 100), is_ag_news(["The club's new coach"] * 100)
    (True, False)
    """
    return len(texts) >= MIN_TEXTS and sum(MARK in text for text in texts) >= MIN_SHARE * len(texts)


def describe_published() -> str:
    """Format the published figures as one sentence."""
    known = (f"{it.name} {it.figure}{f' ({it.source})' if it.source else ''}" for it in PUBLISHED)
    return f"{WHERE[0].upper()}{WHERE[1:]}: {', '.join(known)}."
