"""What an adapter's folder holds and says of itself, checked. Its weights are loaded in `weights`; nothing heavy is here."""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agnews_core.errors import CheckpointError
from agnews_core.labels import LABELS
from agnews_core.models.backbones import Backbone, compute_fingerprint, load_backbone
from agnews_core.models.plan import CLASSIFIER_ALONE, HeadModules
from agnews_core.setting_values import LayerRanks, LoraScaling, ModuleNames, Pooling
from agnews_core.whole_files import read_regular, write_whole

ADAPTER_INFO = "agnews.json"  # written last of an adapter's files, so that one that is there is whole
ADAPTER_CONFIG = "adapter_config.json"  # PEFT's own
ADAPTER_WEIGHTS = "adapter_model.safetensors"
MAX_INFO_BYTES = 1_000_000
MAX_WEIGHT_BYTES = 2_000_000_000


class UpdateScale(BaseModel):
    """How much of LoRA's update a model has; its weights are multiplied with it already.

    Attributes:
        value: 1 is all of it.
        is_fitted: Whether it was chosen on validation texts.
    """

    model_config = ConfigDict(frozen=True)

    value: float = Field(default=1.0, ge=0, le=1)
    is_fitted: bool = False


class AdapterInfo(BaseModel):
    """What an adapter folder says of itself in agnews.json: all that is needed to build its model again."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[1] = 1  # the first adapters had no number
    backbone: str = Field(min_length=1)
    backbone_fingerprint: str
    layer_ranks: LayerRanks
    target_modules: ModuleNames
    lora_alpha: float = Field(gt=0, le=4096)
    lora_scaling: LoraScaling
    pooling: Pooling = "cls"
    modules_to_save: HeadModules = CLASSIFIER_ALONE  # trained in full; the first adapters do not say it
    lora_update_scale: UpdateScale = UpdateScale()
    max_length: int = Field(ge=8, le=512)
    labels: tuple[str, ...] = LABELS
    temperature: float = Field(default=1.0, ge=0.01, le=100)  # logits are divided by it; see `calibration`


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
        info = AdapterInfo.model_validate_json(read_regular(path, at_most_bytes=MAX_INFO_BYTES))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"The folder {adapter_dir} holds no adapter of this program ({ADAPTER_INFO} is missing)."
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"`{part}` " for part in first["loc"][:1])
        raise CheckpointError(f"{path} does not describe an adapter: {where}{first['msg']}.") from error
    if info.labels != LABELS:
        raise CheckpointError(
            f"The adapter in {adapter_dir} has other classes, or in another order, than {', '.join(LABELS)}."
        )
    return info


def find_backbone(info: AdapterInfo, adapter_dir: Path, *, backbone_name: str | None = None) -> Backbone:
    """Find the backbone that an adapter was trained on.

    Args:
        info: The adapter's.
        adapter_dir: Where it is.
        backbone_name: Where the backbone is now, if it is not where it was when the adapter was trained.

    Raises:
        CheckpointError: The backbone cannot be had, or is another one.
    """
    backbone = load_backbone(backbone_name or info.backbone, replaceable=False)
    if compute_fingerprint(backbone) != info.backbone_fingerprint:
        raise CheckpointError(
            f"The adapter in {adapter_dir} was trained on other weights of {info.backbone} than those of "
            f"{backbone.name} in {backbone.folder}; it needs the backbone it was trained on."
        )
    return backbone


def compute_model_key(info: AdapterInfo, adapter_dir: Path) -> str:
    """Return what tells the numbers of an adapter's model from those of all others, whatever they are divided by later.

    Raises:
        CheckpointError: The adapter's weights cannot be read.
    """
    path = adapter_dir / ADAPTER_WEIGHTS
    try:
        weights = read_regular(path, at_most_bytes=MAX_WEIGHT_BYTES)
    except OSError as error:
        raise CheckpointError(f"The adapter's weights {path} are missing or damaged.") from error
    built_from = info.model_dump_json(exclude={"temperature", "max_length", "backbone"})
    return hashlib.sha256(built_from.encode() + weights).hexdigest()
