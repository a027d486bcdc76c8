"""An adapter's weights: saved as safetensors, and loaded and merged into their backbone.

It trusts nothing that a folder says: what agnews.json says is checked, and the weights must fit. How the model is built
is left to `lora`.
"""

import math
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file

from agnews_core.config import TrainConfig
from agnews_core.errors import CheckpointError, ConfigError
from agnews_core.models.adapters import (
    ADAPTER_WEIGHTS,
    MAX_WEIGHT_BYTES,
    AdapterInfo,
    UpdateScale,
    find_backbone,
    read_adapter_info,
    write_adapter_info,
)
from agnews_core.models.backbones import HUB_IDS, Backbone, compute_fingerprint
from agnews_core.models.card import build_card
from agnews_core.models.heads import read_head
from agnews_core.models.lora import find_layer, load_with_lora, multiply_update, read_layer_ranks
from agnews_core.whole_files import read_regular, write_whole

WeightType = Literal["fp32", "fp16", "bf16"]
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
DTYPES = tuple(_DTYPES.values())
MAX_WEIGHT = 1e6  # far above what training makes, far below where products overflow; NaN is not below it either


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to classify: the adapter merged into its backbone, in evaluation mode."""

    model: Any
    backbone: Backbone
    info: AdapterInfo


def save_adapter(
    model: Any, adapter_dir: Path, config: TrainConfig, backbone: Backbone, *, scale: UpdateScale | None = None
) -> AdapterInfo:
    """Write LoRA and head as safetensors, PEFT's own config, and agnews.json, all of which `load_model` reads back.

    Args:
        model: From `lora.build_model`, and trained.
        adapter_dir: A folder that need not be there.
        config: The settings that it was built with.
        backbone: What it was built on.
        scale: How much of LoRA's update to write; by default all. The model then has as much of it, too.
    """
    scale = scale or UpdateScale()
    multiply_update(model, scale.value)
    info = AdapterInfo(
        backbone=backbone.name,
        backbone_fingerprint=compute_fingerprint(backbone),
        layer_ranks=read_layer_ranks(model),
        target_modules=config.target_modules,
        lora_alpha=config.lora_alpha,
        lora_scaling=config.lora_scaling,
        pooling=config.pooling,
        modules_to_save=read_head(model),
        lora_update_scale=scale,
        max_length=config.max_length,
    )
    # For PEFT, and for whoever reads the folder elsewhere: a name that means something there, not this machine's folder.
    model.peft_config["default"].base_model_name_or_path = HUB_IDS.get(backbone.name, backbone.name)
    # "auto" would ask the hub whether the vocabulary has grown; it has not.
    model.save_pretrained(adapter_dir, safe_serialization=True, save_embedding_layers=False)
    write_whole(adapter_dir / "README.md", build_card(info))
    write_adapter_info(info, adapter_dir)
    return info


def copy_adapter(adapter_dir: Path, folder: Path, *, dtype: WeightType) -> None:
    """Copy an adapter into a new folder, its weights written with as many bits as `dtype` has.

    Raises:
        CheckpointError: The weights cannot be read.
    """
    shutil.copytree(adapter_dir, folder)
    path = folder / ADAPTER_WEIGHTS
    try:
        state = load(read_regular(path, at_most_bytes=MAX_WEIGHT_BYTES))
    except (OSError, SafetensorError) as error:
        raise _call_damaged(path) from error
    made = {name: tensor.to(_DTYPES[dtype]).contiguous() for name, tensor in state.items()}
    save_file(made, path, metadata={"format": "pt"})


def load_model(adapter_dir: Path, *, backbone_name: str | None = None) -> LoadedModel:
    """Build the model of a saved adapter and merge the LoRA weights into it.

    Nothing but numbers is taken from the folder: the LoRA layout comes from agnews.json, checked, and the weights from
    safetensors; PEFT's adapter_config.json, which can name modules to import, is not read.

    Args:
        adapter_dir: Written by `save_adapter`.
        backbone_name: Where the backbone is now, if it is not where it was when the adapter was trained.

    Raises:
        CheckpointError: The folder is no adapter, its backbone cannot be had, or it was trained on another one.
    """
    info = read_adapter_info(adapter_dir)
    backbone = find_backbone(info, adapter_dir, backbone_name=backbone_name)
    try:
        model = load_with_lora(backbone, info, head=info.modules_to_save)
    except ConfigError as error:
        raise CheckpointError(f"The adapter in {adapter_dir} does not fit its backbone: {error}") from error
    _load_weights(model, adapter_dir / ADAPTER_WEIGHTS)
    return LoadedModel(model.merge_and_unload().eval(), backbone, info)


def count_lora_parameters(adapter_dir: Path) -> dict[int, int]:
    """Return how many parameters the LoRA of each layer has.

    Raises:
        CheckpointError: The adapter's weights cannot be read.
    """
    path, counts = adapter_dir / ADAPTER_WEIGHTS, Counter[int]()
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dict
                if ".lora_" in name:
                    counts[find_layer(name)] += math.prod(file.get_slice(name).get_shape())
    except (OSError, SafetensorError) as error:
        raise _call_damaged(path) from error
    return dict(counts)


def _call_damaged(path: Path) -> CheckpointError:
    return CheckpointError(f"The adapter's weights {path} are missing or damaged.")


def _load_weights(model: Any, path: Path) -> None:
    """Fill LoRA and head from a file that must hold exactly these tensors in these shapes."""
    try:
        state = load(read_regular(path, at_most_bytes=MAX_WEIGHT_BYTES))
    except (OSError, SafetensorError) as error:
        raise _call_damaged(path) from error
    wanted = {name: tuple(tensor.shape) for name, tensor in get_peft_model_state_dict(model).items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if wanted != found:
        odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise CheckpointError(
            f"The adapter's weights {path} do not fit its backbone: {len(odd)} tensors differ, first {odd[0]}."
        )
    for name, tensor in state.items():
        if tensor.dtype not in DTYPES or not (tensor.abs() <= MAX_WEIGHT).all():
            raise CheckpointError(
                f"The adapter's weights {path} are damaged: {name} holds no numbers that a model can have."
            )
    set_peft_model_state_dict(model, state)
