"""A LoRA layer that computes its product, LoRA's update and their gradients with as few passes over memory as there can be."""

from typing import Any

import torch
from peft.tuners.lora.layer import Linear

from agnews_core.training.dropout import drop_


class FastLoraLinear(Linear):
    """Takes the place of PEFT's class in a built layer, whose parameters and names stay as they are."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Return x @ W.T + bias + scaling * dropout(x) @ A.T @ B.T; x is (..., n_in)."""
        if self.disable_adapters or self.merged:
            plain: torch.Tensor = super().forward(x, *args, **kwargs)
            return plain
        (name,) = self.active_adapters
        base, dropout = self.base_layer, self.lora_dropout[name]
        flat = x.reshape(-1, x.shape[-1])
        product: torch.Tensor = _Product.apply(
            flat,
            base.weight,
            base.bias,
            self.lora_A[name].weight,
            self.lora_B[name].weight,
            self.scaling[name] * dropout.scale,
            dropout.draw(flat.numel()),
        )
        return product.view(*x.shape[:-1], -1)


class _Product(torch.autograd.Function):
    """The frozen product and LoRA's; LoRA's matrices are cast to what x is, and their gradients back."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, a: Any, b: Any, scaling: float, dropped: Any) -> torch.Tensor:
        ctx.scaling, ctx.dtype = scaling, a.dtype
        a, b = a.to(x.dtype), b.to(x.dtype)
        kept = x if dropped is None else drop_(x.clone(), dropped)
        low = kept @ a.T  # (n, r)
        ctx.save_for_backward(kept, weight, a, b, low, dropped)
        return torch.nn.functional.linear(x, weight, bias).addmm_(low, b.T, alpha=scaling)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        kept, weight, a, b, low, dropped = ctx.saved_tensors
        grad_low = (grad @ b).mul_(ctx.scaling)
        grad_a, grad_b = grad_low.T @ kept, grad.T @ low
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = drop_(grad_low @ a, dropped).addmm_(grad, weight)
        return grad_x, None, None, grad_a.to(ctx.dtype), grad_b.to(ctx.dtype) * ctx.scaling, None, None
