"""An adapter on disk: LoRA and head as safetensors, and what is needed to build their model again.

It knows what an adapter's folder holds, and trusts none of it: what the folder says of itself is checked, and its weights
must fit. How the model is built is left to `model`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agnews_core.config import LayerRanks, LoraScaling, ModuleNames, TrainConfig
from agnews_core.errors import CheckpointError, ConfigError
from agnews_core.models.backbones import HUB_IDS, Backbone, compute_fingerprint, load_backbone
from agnews_core.models.lora import load_with_lora, read_layer_ranks
from agnews_core.news.data import LABELS
from agnews_core.runs import ADAPTER_INFO
from agnews_core.whole_files import write_whole

ADAPTER_CONFIG = "adapter_config.json"  # PEFT's own
ADAPTER_WEIGHTS = "adapter_model.safetensors"


class AdapterInfo(BaseModel):
    """What an adapter folder says of itself in agnews.json: all that is needed to build its model again."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    backbone: str = Field(min_length=1)
    backbone_fingerprint: str
    layer_ranks: LayerRanks
    target_modules: ModuleNames
    lora_alpha: float = Field(gt=0, le=4096)
    lora_scaling: LoraScaling
    max_length: int = Field(ge=8, le=512)
    labels: tuple[str, ...] = LABELS
    temperature: float = Field(default=1.0, gt=0, le=100)  # logits are divided by it; see `calibration`


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to classify: the adapter merged into its backbone, in evaluation mode."""

    model: Any
    backbone: Backbone
    info: AdapterInfo


def save_adapter(model: Any, adapter_dir: Path, config: TrainConfig, backbone: Backbone) -> AdapterInfo:
    """Write LoRA and head as safetensors, PEFT's own config, and agnews.json, all of which `load_model` reads back."""
    info = AdapterInfo(
        backbone=backbone.name,
        backbone_fingerprint=compute_fingerprint(backbone),
        layer_ranks=read_layer_ranks(model),
        target_modules=config.target_modules,
        lora_alpha=config.lora_alpha,
        lora_scaling=config.lora_scaling,
        max_length=config.max_length,
    )
    # For PEFT, and for whoever reads the folder elsewhere: a name that means something there, not this machine's folder.
    model.peft_config["default"].base_model_name_or_path = HUB_IDS.get(backbone.name, backbone.name)
    # "auto" would ask the hub whether the vocabulary has grown; it has not.
    model.save_pretrained(adapter_dir, safe_serialization=True, save_embedding_layers=False)
    write_whole(adapter_dir / "README.md", describe_adapter(info))
    write_adapter_info(info, adapter_dir)
    return info


def describe_adapter(info: AdapterInfo) -> str:
    """Write the model card, in place of PEFT's empty form."""
    ranks = ", ".join(f"{r} on layer {layer}" for layer, r in info.layer_ranks.items())
    return f"""---
base_model: {HUB_IDS.get(info.backbone, info.backbone)}
library_name: peft
pipeline_tag: text-classification
tags: [lora, text-classification]
---

# LoRA adapter of {info.backbone} for AG News

Sorts short English news into {", ".join(info.labels)}. LoRA ranks: {ranks}, on {", ".join(info.target_modules)};
the classification head is trained in full. Texts are cut at {info.max_length} tokens. `{ADAPTER_INFO}` holds everything that is
needed to build the model again.
"""


def write_adapter_info(info: AdapterInfo, adapter_dir: Path) -> None:
    """Write or replace agnews.json."""
    write_whole(adapter_dir / ADAPTER_INFO, info.model_dump_json(indent=2) + "\n")


def read_adapter_info(adapter_dir: Path) -> AdapterInfo:
    """Read what an adapter folder says of itself.

    Raises:
        CheckpointError: The folder is no adapter of this program.
    """
    path = adapter_dir / ADAPTER_INFO
    try:
        info = AdapterInfo.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"The folder {adapter_dir} holds no adapter of this program ({ADAPTER_INFO} is missing)."
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} does not describe an adapter: it is not text in UTF-8.") from error
    except ValidationError as error:
        raise CheckpointError(f"{path} does not describe an adapter: {error.errors()[0]['msg']}.") from error
    if info.labels != LABELS:
        raise CheckpointError(f"The adapter in {adapter_dir} has other classes than {', '.join(LABELS)}.")
    return info


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
    backbone = load_backbone(backbone_name or info.backbone, replaceable=False)
    if compute_fingerprint(backbone) != info.backbone_fingerprint:
        raise CheckpointError(
            f"The adapter in {adapter_dir} was trained on other weights of {info.backbone} than those of "
            f"{backbone.name} in {backbone.folder}; it needs the backbone it was trained on."
        )
    try:
        model = load_with_lora(backbone, info)
    except ConfigError as error:
        raise CheckpointError(f"The adapter in {adapter_dir} does not fit its backbone: {error}") from error
    _load_weights(model, adapter_dir / ADAPTER_WEIGHTS)
    return LoadedModel(model.merge_and_unload().eval(), backbone, info)


def _load_weights(model: Any, path: Path) -> None:
    """Fill LoRA and head from a file that must hold exactly these tensors in these shapes."""
    from peft import get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"The adapter's weights {path} are missing or damaged.") from error
    wanted = {name: tuple(tensor.shape) for name, tensor in get_peft_model_state_dict(model).items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if wanted != found:
        odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise CheckpointError(
            f"The adapter's weights {path} do not fit its backbone: {len(odd)} tensors differ, first {odd[0]}."
        )
    set_peft_model_state_dict(model, state)
