"""Tiny base models of every type that the program adapts."""

from pathlib import Path

import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer


def build_backbone(kind: str, tiny_backbone: Path, folder: Path) -> Path:
    """Make a random tiny model of another kind with the tokenizer of the tiny RoBERTa."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    tokenizer = AutoTokenizer.from_pretrained(tiny_backbone)
    more = {"initializer_range": 0.2, **({"embedding_size": 16} if kind == "electra" else {})}
    config = AutoConfig.for_model(
        kind, vocab_size=len(tokenizer), max_position_embeddings=130, pad_token_id=1, **sizes, **more
    )
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
