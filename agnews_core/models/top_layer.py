"""The top layer of a model whose head reads the first token alone: what nobody reads is not computed there.

Keys and values are those of all tokens, as ever; queries, and all that comes after attention, are the first token's. That leaves
a sixth of the layer's products, and what the head is given is the same.
"""

from typing import Any

import torch
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


def compute_first_token_alone(bare: Any) -> None:
    """Change the top layer of a transformers model, in place, so that it returns (n_batch, 1, hidden_size)."""
    attention = bare.base_model.encoder.layer[-1].attention
    attention.self.__class__ = _FirstTokenAttention
    # Attention's output is added to what came in.
    attention.output.register_forward_pre_hook(lambda _, inputs: (inputs[0], inputs[1][:, :1]))


class _FirstTokenAttention(nn.Module):
    """Takes the place of the class of a built self-attention, whose parts it uses; BERT's and its kin have the same."""

    config: Any
    query: nn.Module
    key: nn.Module
    value: nn.Module
    dropout: Any
    scaling: float
    attention_head_size: int

    def forward(
        self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None, **others: Any
    ) -> tuple[torch.Tensor, Any]:
        """Return what the first token attends to, (n_batch, 1, hidden_size), of (n_batch, n_tokens, hidden_size)."""
        attend = ALL_ATTENTION_FUNCTIONS[self.config._attn_implementation]
        attended, shares = attend(
            self,
            self._part(self.query(hidden_states[:, :1])),
            self._part(self.key(hidden_states)),
            self._part(self.value(hidden_states)),
            None if attention_mask is None else attention_mask[:, :, :1],
            dropout=self.dropout.p if self.training else 0.0,
            scaling=self.scaling,
            **others,
        )
        return attended.flatten(2), shares

    def _part(self, states: torch.Tensor) -> torch.Tensor:
        """Return the share of each head: (n_batch, n_heads, n_tokens, head_size)."""
        n_batch, n_tokens, _ = states.shape
        return states.view(n_batch, n_tokens, -1, self.attention_head_size).transpose(1, 2)
