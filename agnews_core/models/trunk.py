"""The model cut below its lowest trained layer: the trunk, which is never trained, and what is left to train.

What is left keeps its layers' numbers, and PEFT its adapter's names, so that Trainer, checkpoints and saved adapters are those of
the whole model. The one difference is that there is no dropout below the cut.
"""

from typing import Any

import torch
from peft import PeftModel
from torch import nn


class Trunk(nn.Module):
    """Embeddings and frozen layers: (n_batch, n_tokens) token ids and attention mask -> (n_batch, n_tokens, hidden_size).

    It shares its weights with the model.
    """

    def __init__(self, model: Any, n_layers: int) -> None:
        super().__init__()
        whole = _get_backbone(model)
        with torch.device("meta"):  # a shell without weights, of whatever kind the backbone is
            shell = type(whole)(whole.config)
        shell.embeddings, shell.pooler = whole.embeddings, None
        if hasattr(whole, "embeddings_project"):  # ELECTRA's embeddings may be narrower than its layers
            shell.embeddings_project = whole.embeddings_project
        shell.encoder.layer = nn.ModuleList(whole.encoder.layer[:n_layers])
        self.backbone = shell
        self.eval()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return what enters the layer above."""
        states: torch.Tensor = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return states


def cut(model: Any, n_layers: int) -> None:
    """Take embeddings and frozen layers out of a model, which then is given `inputs_embeds`, what enters the layer above."""
    backbone = _get_backbone(model)
    backbone.embeddings = _GivenEmbeddings()
    if hasattr(backbone, "embeddings_project"):
        backbone.embeddings_project = nn.Identity()
    for index in range(n_layers):
        backbone.encoder.layer[index] = _PassedLayer()


def _get_backbone(model: Any) -> Any:
    """Return the backbone of a model that has LoRA, or into which it was merged."""
    return (model.get_base_model() if isinstance(model, PeftModel) else model).base_model


class _GivenEmbeddings(nn.Module):
    """Stands in the place of the embeddings."""

    def forward(self, *, inputs_embeds: torch.Tensor, **unused: Any) -> torch.Tensor:
        return inputs_embeds


class _PassedLayer(nn.Module):
    """Stands in the place of a frozen layer."""

    def forward(self, hidden_states: torch.Tensor, *unused: Any, **unused_too: Any) -> torch.Tensor:
        return hidden_states
