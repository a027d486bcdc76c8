"""What a model says of one text. A schema: it predicts nothing and loads nothing heavy."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agnews_core.labels import LABELS

EXAMPLE_FILE = Path(__file__).parents[2] / "assets" / "examples" / "test_unlabelled.pkl"
Progress = Callable[[int, int], None]  # (texts done, texts in all)
UNSURE_BELOW = 0.5  # of calibrated probability: an answer below it is wrong more often than not
UNSURE = f"answers below {UNSURE_BELOW:.0%} are wrong more often than not"


@dataclass(frozen=True)
class Prediction:
    """What the model says of one text.

    Attributes:
        probabilities: The four classes', in order of LABELS.
        logits: What they were made of, as the model gave them.
        cut_at: The character from which on the text was not read, where it is longer than the model takes.
    """

    text: str
    label: int
    probabilities: tuple[float, ...]
    logits: tuple[float, ...] = ()
    cut_at: int | None = None

    @property
    def label_name(self) -> str:
        """The class's name."""
        return LABELS[self.label]

    @property
    def is_unsure(self) -> bool:
        """Whether an answer as probable as this one is wrong more often than not."""
        return max(self.probabilities) < UNSURE_BELOW

    def to_json(self) -> dict[str, Any]:
        """Return the prediction as JSON has it, probabilities by class name."""
        named = dict(zip(LABELS, self.probabilities, strict=True))
        return {"text": self.text, "label": self.label, "label_name": self.label_name, "probabilities": named}
