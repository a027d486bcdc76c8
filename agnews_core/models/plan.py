"""The rank of each layer that a config gives its backbone, and the parameters that are trained. Loads nothing heavy."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agnews_core.errors import ConfigError

HeadModules = Annotated[tuple[Literal["pooler", "classifier"], ...], Field(min_length=1, max_length=2)]
CLASSIFIER_ALONE: HeadModules = ("classifier",)
"""What the first versions trained in full, whatever the backbone."""


class Plan(BaseModel):
    """What a config trains on its backbone, read from the built modules. Parameters are single numbers.

    Attributes:
        modules_to_save: The modules of the head, which are trained in full.
    """

    model_config = ConfigDict(frozen=True)

    backbone: str
    n_layers: int
    layer_ranks: dict[int, int]
    trainable_parameters: int
    lora_parameters: int
    head_parameters: int
    total_parameters: int
    modules_to_save: HeadModules = CLASSIFIER_ALONE

    @property
    def n_trained_layers(self) -> int:
        """How many layers gradients flow back through: from the top down to the lowest one with LoRA weights."""
        return self.n_layers - min(self.layer_ranks)

    @property
    def ranks_from_top(self) -> dict[int, int]:
        """The ranks with layers counted from the top, -1, as presets have them."""
        return {layer - self.n_layers: r for layer, r in self.layer_ranks.items()}


def resolve_layer_ranks(layer_ranks: Mapping[int, int], *, n_layers: int) -> dict[int, int]:
    """Count negative layers from the top and leave out rank 0.

    Returns:
        {layer: rank} in order of layers, ranks of 1 or more.

    Raises:
        ConfigError: A layer does not exist, or is named twice (as 11 and -1).

    >>> resolve_layer_ranks({-1: 32, 8: 16, 9: 0}, n_layers=12)
    {8: 16, 11: 32}
    """
    resolved: dict[int, int] = {}
    for layer, r in layer_ranks.items():
        index = layer + n_layers if layer < 0 else layer
        if not 0 <= index < n_layers:
            raise ConfigError(f"`layer_ranks` names layer {layer}, but the backbone has layers 0 to {n_layers - 1}.")
        if index in resolved:
            raise ConfigError(f"`layer_ranks` names layer {index} twice, once counted from the top.")
        resolved[index] = r
    return {layer: r for layer, r in sorted(resolved.items()) if r}
