"""The model card of an adapter: what the hub reads of it, and what people do."""

from collections.abc import Sequence

from huggingface_hub import EvalResult, ModelCardData
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id

from agnews_core.models.adapters import ADAPTER_INFO, AdapterInfo
from agnews_core.models.backbones import HUB_IDS


def build_card(info: AdapterInfo, *sections: str, results: Sequence[EvalResult] = ()) -> str:
    """Build the card, in place of PEFT's empty form.

    Args:
        info: The adapter's.
        sections: What else there is to say, as Markdown.
        results: Figures that the hub shows beside the model.
    """
    data = ModelCardData(
        base_model=_find_hub_id(info.backbone),
        library_name="peft",
        pipeline_tag="text-classification",
        tags=["lora", "text-classification"],
        language="en",
        model_name=f"LoRA adapter of {info.backbone} for AG News",
        eval_results=list(results) or None,
    )
    return "\n".join((f"---\n{data}\n---\n", _describe(info), *sections))


def _find_hub_id(backbone: str) -> str | None:
    """Return the base model's name on the hub; a folder's name may be none that the hub takes."""
    name = HUB_IDS.get(backbone, backbone)
    try:
        validate_repo_id(name)
    except HFValidationError:
        return None
    return name


def _describe(info: AdapterInfo) -> str:
    ranks = ", ".join(f"{r} on layer {layer}" for layer, r in info.layer_ranks.items())
    return f"""# LoRA adapter of {info.backbone} for AG News

Sorts short English news into {", ".join(info.labels)}. LoRA ranks: {ranks}, on {", ".join(info.target_modules)};
the classification head is trained in full. Texts are cut at {info.max_length} tokens. `{ADAPTER_INFO}` holds everything that is
needed to build the model again.
"""
