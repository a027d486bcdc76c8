"""What a study searches: which settings, how far each may go, and the settings that a point of the search stands for.

Ranks are searched as two numbers, `layers` and `rank`, that scale the pattern of ranks the study begins with; alpha as
`alpha_per_rank`, its ratio to the rank, so that a larger rank alone does not change how much an update weighs.
"""

from collections.abc import Collection, Mapping
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from agnews_core.config import TrainConfig
from agnews_core.models.plan import resolve_layer_ranks
from agnews_core.tuning.sentences import WORDS

Params = dict[str, Any]

_SETTINGS = {"layers": "layer_ranks", "rank": "layer_ranks", "alpha_per_rank": "lora_alpha"}  # else of the same name


def build_space(config: TrainConfig, *, n_layers: int, given: Collection[str]) -> dict[str, BaseDistribution]:
    """Return what is searched, by name, around a config, which lies inside; without the settings that somebody gave."""
    base = read_params(config)
    rate, epochs, rank, alpha = (base[name] for name in ("learning_rate", "num_train_epochs", "rank", "alpha_per_rank"))
    found: dict[str, BaseDistribution] = {
        "learning_rate": FloatDistribution(round_value(rate / 4), min(round_value(rate * 4), 1.0), log=True),
        "num_train_epochs": FloatDistribution(min(1.0, epochs), max(6.0, epochs), step=None if epochs % 0.5 else 0.5),
        "layers": IntDistribution(1, n_layers),
        "rank": IntDistribution(min(4, rank), max(64, rank), log=True),
        "alpha_per_rank": FloatDistribution(min(0.5, alpha), max(8.0, alpha), log=True),
        "lora_dropout": FloatDistribution(0.0, max(0.2, config.lora_dropout)),
        "label_smoothing_factor": FloatDistribution(0.0, max(0.2, config.label_smoothing_factor)),
        "pooling": CategoricalDistribution(("cls", "mean")),
        "layer_lr_decay": FloatDistribution(min(0.6, config.layer_lr_decay), 1.0),
        "average_last": FloatDistribution(0.0, max(0.5, config.average_last)),
    }
    fixed = {*given, *({"num_train_epochs"} if config.max_steps else ())}
    return {name: distribution for name, distribution in found.items() if _SETTINGS.get(name, name) not in fixed}


def apply(config: TrainConfig, params: Mapping[str, Any]) -> TrainConfig:
    """Return the config that a point of the search stands for.

    >>> apply(TrainConfig(), {"layers": 5, "rank": 16, "alpha_per_rank": 2.0}).layer_ranks
    {-5: 8, -4: 8, -3: 12, -2: 16, -1: 16}
    """
    changes = {name: value for name, value in params.items() if name in TrainConfig.model_fields}
    if "layers" in params:
        changes["layer_ranks"] = _scale_ranks(config.layer_ranks, n_layers=params["layers"], largest=params["rank"])
    if "alpha_per_rank" in params:
        ranks = changes.get("layer_ranks", config.layer_ranks)
        changes["lora_alpha"] = params["alpha_per_rank"] * max(ranks.values())
    return TrainConfig.model_validate({**config.model_dump(), **changes})


def read_params(config: TrainConfig) -> Params:
    """Return the point that stands for a config whose layers are counted from the top."""
    rank = max(config.layer_ranks.values())
    own = {"layers": -min(config.layer_ranks), "rank": rank, "alpha_per_rank": round_value(config.lora_alpha / rank)}
    return {name: own[name] if name in own else getattr(config, name) for name in WORDS}


def count_from_top(config: TrainConfig, *, n_layers: int) -> TrainConfig:
    """Return a config with its layers counted from the top, -1, and the frozen ones left out."""
    ranks = resolve_layer_ranks(config.layer_ranks, n_layers=n_layers)
    return config.model_copy(update={"layer_ranks": {layer - n_layers: r for layer, r in ranks.items()}})


def _scale_ranks(ranks: Mapping[int, int], *, n_layers: int, largest: int) -> dict[int, int]:
    """Return the same pattern of ranks with another largest one, on so many top layers; those below get the lowest's."""
    lowest, most = min(ranks), max(ranks.values())
    wanted = {layer: ranks.get(max(layer, lowest), 0) for layer in range(-n_layers, 0)}
    if not any(wanted.values()):  # the pattern leaves its top layers frozen
        wanted[-1] = most
    return {layer: max(1, round(r * largest / most)) for layer, r in wanted.items() if r}


def round_value(value: Any) -> Any:
    """Return a proposed value with three digits, as a person would write it."""
    return float(f"{value:.3g}") if isinstance(value, float) else value
