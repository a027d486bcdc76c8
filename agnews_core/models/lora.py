"""Backbone + LoRA = the model that is trained, and a count of its parameters (`plan`). It knows nothing of saved models.

PEFT matches a `rank_pattern` key against the *end* of a module's name, so that a key such as "8" matches nothing and every
layer silently gets the default rank. The patterns here match whole names, and the ranks are read back from the built modules
rather than believed.
"""

import functools
import re
import warnings
from typing import Any, Protocol

import torch
from peft import LoraConfig, TaskType, get_peft_model

from agnews_core.config import TrainConfig
from agnews_core.errors import ConfigError
from agnews_core.models.backbones import Backbone, load_backbone_config
from agnews_core.models.bare import build_bare, load_bare
from agnews_core.models.heads import find_head, pool_by_mean, read_head
from agnews_core.models.plan import CLASSIFIER_ALONE, HeadModules, Plan, resolve_layer_ranks
from agnews_core.setting_values import LayerRanks, LoraScaling, ModuleNames, Pooling

_LAYER = re.compile(r"\.layer\.(\d+)\.")


class LoraSettings(Protocol):
    """What decides which LoRA and head are built, whether a config says it or a saved adapter."""

    layer_ranks: LayerRanks
    target_modules: ModuleNames
    lora_alpha: float
    lora_scaling: LoraScaling
    pooling: Pooling


def build_lora_config(
    settings: LoraSettings, ranks: dict[int, int], *, head: HeadModules = CLASSIFIER_ALONE, dropout: float = 0.0
) -> Any:
    """Build the peft.LoraConfig that gives each layer exactly its rank.

    The default rank and alpha are those of the largest layer; every other layer is named in the patterns.
    """
    r_max = max(ranks.values(), default=1)
    layers = "|".join(str(layer) for layer in ranks)
    modules = "|".join(re.escape(name) for name in settings.target_modules)
    equal = settings.lora_scaling == "equal"
    return LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=r_max,
        lora_alpha=settings.lora_alpha,
        lora_dropout=dropout,
        use_rslora=settings.lora_scaling == "rslora",
        target_modules=rf".*\.layer\.({layers})\.(.*\.)?({modules})",
        rank_pattern={_layer_pattern(layer): r for layer, r in ranks.items()},
        alpha_pattern={_layer_pattern(layer): settings.lora_alpha * r / r_max for layer, r in ranks.items() if equal},
        modules_to_save=[name for name in head if name != "classifier"] or None,  # which PEFT adds
    )


def _layer_pattern(layer: int) -> str:
    return rf"layer\.{layer}\..*"


def plan(config: TrainConfig, *, head: HeadModules | None = None) -> Plan:
    """Build the model without weights and count what would be trained.

    Args:
        config: The settings.
        head: The modules of the head that are trained; by default all.

    Raises:
        ConfigError: A layer does not exist, a target module matches nothing, or the parameter budget is exceeded.
    """
    check_max_length(config.max_length, load_backbone_config(config.backbone), config.backbone)
    built = _count(config.backbone, tuple(config.layer_ranks.items()), config.target_modules, head)
    _check_budget(built, config.max_trainable_parameters)
    return built


@functools.lru_cache(maxsize=128)
def _count(
    backbone: str, layer_ranks: tuple[tuple[int, int], ...], target_modules: ModuleNames, head: HeadModules | None
) -> Plan:
    settings = TrainConfig(layer_ranks=dict(layer_ranks), target_modules=target_modules)
    with torch.device("meta"):
        model = _add_lora(build_bare(load_backbone_config(backbone), backbone), settings, head=head)
    trainable = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    n_trainable, n_lora = sum(trainable.values()), sum(n for name, n in trainable.items() if ".lora_" in name)
    return Plan(
        backbone=backbone,
        n_layers=model.config.num_hidden_layers,
        layer_ranks=read_layer_ranks(model),
        trainable_parameters=n_trainable,
        lora_parameters=n_lora,
        head_parameters=n_trainable - n_lora,
        # Parameters that only PEFT added or copied are not part of the backbone's own count.
        total_parameters=sum(p.numel() for name, p in model.named_parameters() if ".original_module." not in name),
        modules_to_save=read_head(model),
    )


def build_probe(backbone: str) -> Any:
    """Build one layer of a backbone with the default LoRA and random weights, to measure what a layer takes.

    Raises:
        CheckpointError: The backbone's configuration cannot be had.
    """
    backbone_config, settings = load_backbone_config(backbone), TrainConfig(layer_ranks={0: 32})
    backbone_config.num_hidden_layers, backbone_config.vocab_size, backbone_config.pad_token_id = 1, 8, 0
    return _add_lora(build_bare(backbone_config, backbone), settings, dropout=settings.lora_dropout)


def check_max_length(max_length: int, backbone_config: Any, name: str) -> None:
    """Refuse texts longer than the backbone has positions for.

    Raises:
        ConfigError: `max_length` is too large.
    """
    # RoBERTa counts positions from pad_token_id + 1, so that the first two are never used.
    unused = 2 if backbone_config.model_type in ("roberta", "xlm-roberta", "camembert") else 0
    n_positions = backbone_config.max_position_embeddings - unused
    if max_length > n_positions:
        raise ConfigError(
            f"`max_length` {max_length} is more than the {n_positions} tokens that backbone {name} can read."
        )


def _check_budget(built: Plan, budget: int | None) -> None:
    if budget is not None and built.trainable_parameters > budget:
        raise ConfigError(
            f"{built.trainable_parameters:,} trainable parameters exceed `max_trainable_parameters` = {budget:,}; lower the "
            f"ranks (the classification head alone has {built.head_parameters:,})."
        )


def read_layer_ranks(model: Any) -> dict[int, int]:
    """Read {layer: rank} from the LoRA matrices of a built model.

    Raises:
        ConfigError: Modules of one layer differ in rank.
    """
    found: dict[int, set[int]] = {}
    for name, parameter in model.named_parameters():
        if ".lora_A." in name:
            found.setdefault(find_layer(name), set()).add(int(parameter.shape[0]))  # lora_A: (r, in_features)
    for layer_index, ranks in found.items():
        if len(ranks) > 1:
            raise ConfigError(
                f"Layer {layer_index} was built with several ranks, {sorted(ranks)}; please report this as a bug."
            )
    return {layer_index: ranks.pop() for layer_index, ranks in sorted(found.items())}


def find_layer(name: str, *, default: int = -1) -> int:
    """Return which layer a module or parameter of this name belongs to, counted from 0.

    >>> find_layer("base_model.model.bert.encoder.layer.5.output.dense.lora_A.default.weight")
    5
    """
    layer = _LAYER.search(name)
    return int(layer[1]) if layer else default


def _add_lora(bare: Any, settings: LoraSettings, *, head: HeadModules | None = None, dropout: float = 0.0) -> Any:
    ranks = resolve_layer_ranks(settings.layer_ranks, n_layers=bare.config.num_hidden_layers)
    _check_targets(bare, settings.target_modules)
    with warnings.catch_warnings():
        # PEFT 0.21 asks transformers 5.23 by a name that transformers has renamed.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        lora_config = build_lora_config(settings, ranks, head=head or find_head(bare), dropout=dropout)
        model = get_peft_model(bare, lora_config)
    if settings.pooling == "mean":
        pool_by_mean(bare)
    built = read_layer_ranks(model)
    if built != ranks:
        raise ConfigError(f"The built ranks {built} are not the wanted ones {ranks}; please report this as a bug.")
    return model


def _check_targets(bare: Any, target_modules: ModuleNames) -> None:
    """Refuse a target that names no module, before PEFT builds anything around the others."""
    names = [
        name for name, module in bare.named_modules() if _LAYER.search(f"{name}.") and hasattr(module, "in_features")
    ]
    for target in target_modules:
        if not any(f".{name}".endswith(f".{target}") for name in names):
            known = sorted({re.sub(r".*\.layer\.\d+\.", "", name) for name in names})
            raise ConfigError(
                f"`target_modules` {target!r} matches no layer of the backbone; its modules are {', '.join(known)}."
            )


def multiply_update(model: Any, scale: float) -> None:
    """Multiply LoRA's update in place."""
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:
            parameter.data.mul_(scale)


def build_model(config: TrainConfig, backbone: Backbone, *, head: HeadModules | None = None) -> Any:
    """Load a backbone's weights and add LoRA and a new classification head as the config says.

    Args:
        config: The settings; `seed` decides the head's and LoRA's first values.
        backbone: From `backbones.load_backbone`.
        head: The modules of the head that are trained; by default all.

    Returns:
        A peft model whose forward gives logits of shape (n_batch, 4).

    Raises:
        ConfigError: As `plan`.
        CheckpointError: The weights cannot be read.
    """
    torch.manual_seed(config.seed)
    return load_with_lora(backbone, config, head=head, dropout=config.lora_dropout)


def load_with_lora(
    backbone: Backbone, settings: LoraSettings, *, head: HeadModules | None = None, dropout: float = 0.0
) -> Any:
    """Load a backbone's weights and add LoRA and a head whose own weights are still to be trained, or to be loaded.

    Raises:
        ConfigError: As `plan`.
        CheckpointError: The weights cannot be read.
    """
    return _add_lora(load_bare(backbone), settings, head=head, dropout=dropout)
