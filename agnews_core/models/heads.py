"""The head: how the tokens of a text become one vector, and that vector a class; and which modules of it are trained in full.

It is a dense layer and a projection to the classes. BERT has the one in `pooler` and the other in `classifier`; RoBERTa,
XLM-RoBERTa, CamemBERT and ELECTRA have both in `classifier`. By itself, each of them reads the first token alone.
"""

from typing import Any

import torch
from peft.utils import ModulesToSaveWrapper

from agnews_core.models.plan import HeadModules


def find_head(bare: Any) -> HeadModules:
    """Return the modules that make the head of a transformers model."""
    has_pooler = getattr(bare.base_model, "pooler", None) is not None
    return ("pooler", "classifier") if has_pooler else ("classifier",)


def read_head(model: Any) -> HeadModules:
    """Read from a built model which modules are trained in full."""
    trained = {name.split(".")[-1] for name, it in model.named_modules() if isinstance(it, ModulesToSaveWrapper)}
    return ("pooler", "classifier") if "pooler" in trained else ("classifier",)


def pool_by_mean(bare: Any) -> None:
    """Give the head of a transformers model the mean over a text's tokens, padding left out, in the place of the first token."""
    bare.base_model.register_forward_hook(_take_mean, with_kwargs=True)


def _take_mean(backbone: Any, args: Any, kwargs: Any, output: Any) -> Any:
    states = output.last_hidden_state  # (n_batch, n_tokens, hidden_size)
    mask = kwargs["attention_mask"].unsqueeze(-1)  # (n_batch, n_tokens, 1)
    total = (states * mask).sum(1, keepdim=True, dtype=torch.float32)
    # One token for each text, which is the first one too: (n_batch, 1, hidden_size).
    output.last_hidden_state = (total / mask.sum(1, keepdim=True)).to(states.dtype)
    if getattr(backbone, "pooler", None) is not None:
        output.pooler_output = backbone.pooler(output.last_hidden_state)
    return output
