"""How much each layer's LoRA matters to a model, as it is kept and shown. A schema: it computes nothing."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from agnews_core.evaluation.report import CHANCE

MAX_TEXTS = 2000  # a layer that changes the answer of one text in fifty is then told from chance from half a point on


class LayerEffect(BaseModel):
    """What becomes of a model when one layer's LoRA is switched off.

    Attributes:
        r: The layer's rank.
        parameters: What its LoRA has.
        lost: By how much the accuracy falls without it, 0-1; negative where it rises.
        error: The standard error of that.
        p_value: How likely it would be as much if the layer did not matter (McNemar's exact test).
    """

    model_config = ConfigDict(frozen=True)

    layer: int
    r: int
    parameters: int
    lost: float
    error: float
    p_value: float

    @property
    def is_told(self) -> bool:
        """Whether the difference is more than chance."""
        return self.p_value < CHANCE

    @property
    def points(self) -> str:
        """Format what is lost, with its standard error, in points.

        >>> LayerEffect(layer=5, r=32, parameters=1, lost=0.0312, error=0.004, p_value=0).points
        '3.1 ± 0.4'
        """
        return f"{self.lost * 100:.1f} ± {self.error * 100:.1f}"


class LayerEffects(BaseModel):
    """What becomes of a model when each layer's LoRA is switched off in turn, on the same n of `n_available` texts.

    `accuracy` is that of the whole model on them, with the same engine.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    split: str
    n: int
    n_available: int
    accuracy: float
    layers: list[LayerEffect]
    engine: str
    seconds: float
    created_at: str
