"""The built model, made to train at the speed of the machine; what it computes, and its parameters' names, stay as they are."""

from typing import Any

import torch
from peft.tuners.lora.layer import Linear, LoraLayer
from peft.utils import ModulesToSaveWrapper

from agnews_core.training.attention import register_attention
from agnews_core.training.dropout import Drawn, Dropout
from agnews_core.training.lora_layer import FastLoraLinear


def speed_up(model: Any, drawn: Drawn, *, device: str, precision: str) -> None:
    """Change a model in place, on a GPU only in how its weights are held: there, the rest is fast already.

    Args:
        model: A transformers model, within peft's or alone.
        drawn: What says which elements are dropped.
        device: "cpu" or "cuda".
        precision: "bf16" without autocast on a processor, with it on a GPU; in the others the weights stay in fp32.
    """
    if precision == "bf16":
        _hold_frozen_in_bf16(model)
    if device == "cpu":
        _replace_slow_parts(model, drawn)


def _hold_frozen_in_bf16(model: Any) -> None:
    """Hold what is not trained in bf16, so that nothing casts it at each step.

    What is trained stays in fp32, as do its gradients and moments: LoRA's matrices, which are cast as they are used, and the
    head, which computes in fp32.
    """
    for parameter in model.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.bfloat16()
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.cast_input_dtype_enabled = False  # to fp32 and, by autocast, back
        elif isinstance(module, ModulesToSaveWrapper):
            module.register_forward_pre_hook(lambda head, inputs: (inputs[0].float(), *inputs[1:]))


def _replace_slow_parts(model: Any, drawn: Drawn) -> None:
    """Put dropout, attention and LoRA layers of ours in the place of those that are slow on a processor."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.Dropout):
                setattr(parent, name, Dropout(child.p, drawn))
        if type(parent) is Linear:
            for name, child in parent.lora_dropout.items():  # torch.nn.Identity where nothing is dropped
                parent.lora_dropout[name] = Dropout(getattr(child, "p", 0.0), drawn)
            parent.__class__ = FastLoraLinear
    network = model.get_base_model() if hasattr(model, "get_base_model") else model
    network.set_attn_implementation(register_attention())
