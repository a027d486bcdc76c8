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
{_describe_head(info)} Texts are cut at {info.max_length} tokens. `{ADAPTER_INFO}` holds everything that is
needed to build the model again.{_describe_scale(info)}

With peft, from this folder; the probabilities are the softmax of the logits divided by `temperature` in `{ADAPTER_INFO}`:

```python
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

base = "{HUB_IDS.get(info.backbone, info.backbone)}"
tokenizer = AutoTokenizer.from_pretrained(base)
model = AutoModelForSequenceClassification.from_pretrained(base, num_labels={len(info.labels)})
{_TAKE_MEAN if info.pooling == "mean" else ""}model = PeftModel.from_pretrained(model, ".").eval()
```
"""


# What `heads.pool_by_mean` does, for a program that has nothing of this one.
_TAKE_MEAN = """
def take_mean(backbone, args, kwargs, output):
    states, mask = output.last_hidden_state, kwargs["attention_mask"].unsqueeze(-1)
    output.last_hidden_state = (states * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
    if getattr(backbone, "pooler", None) is not None:
        output.pooler_output = backbone.pooler(output.last_hidden_state)
    return output

model.base_model.register_forward_hook(take_mean, with_kwargs=True)
"""


def _describe_scale(info: AdapterInfo) -> str:
    scale = info.lora_update_scale
    if scale.value == 1:
        return ""
    chosen = ", chosen on validation texts" if scale.is_fitted else ""
    return f" LoRA's update counts {scale.value:g} times what was trained{chosen}; the weights are multiplied already."


def _describe_head(info: AdapterInfo) -> str:
    if info.pooling == "mean":
        return "the classification head reads the mean of a text's tokens and is trained in full."
    return "the classification head is trained in full."
