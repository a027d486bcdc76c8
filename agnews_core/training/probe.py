"""What one layer of a base model takes on this machine, measured on a few texts' worth of tokens.

The layer has random weights, and LoRA, dropout and precision as in training: what is timed is what a training computes.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from agnews_core.devices import count_cores
from agnews_core.models.lora import build_probe
from agnews_core.models.top_layer import compute_first_token_alone
from agnews_core.training.dropout import Drawn
from agnews_core.training.fast_model import speed_up

PROBE_AGAIN_SECONDS = 300.0
PROBE_SHAPE = (32, 56)  # texts, tokens, as a batch of the seed's has; 1792 is the width of no weight


@dataclass(frozen=True)
class LayerCost:
    """What one token takes in one layer: seconds forwards, seconds of training (there and back), bytes kept for the way back."""

    forward_seconds: float
    step_seconds: float
    kept_bytes: float


_ONE_AT_A_TIME = threading.Lock()  # of many visitors, one measures, and the others wait for that
_PROBED: dict[tuple[str, str, str, bool], tuple[float, LayerCost]] = {}


def probe_layer(backbone: str, device: str, precision: str, *, first_token_alone: bool = False) -> LayerCost:
    """Return what one token takes in one layer of a backbone: the least that was ever measured here.

    A new measurement is made when the last is minutes old: a machine that was busy then may be idle now.

    Args:
        backbone: A value of the setting.
        device: "cpu" or "cuda".
        precision: "fp32", "bf16" or "fp16".
        first_token_alone: Whether it is a top layer of which nothing else is computed; see `models.top_layer`.
    """
    key = (backbone, device, precision, first_token_alone)
    with _ONE_AT_A_TIME:
        measured_at, least = _PROBED.get(key, (-math.inf, None))
        if least is None or time.monotonic() - measured_at > PROBE_AGAIN_SECONDS:
            least = min(filter(None, (least, _measure_layer(*key))), key=lambda cost: cost.step_seconds)
            _PROBED[key] = (time.monotonic(), least)
    return least


def _measure_layer(backbone: str, device: str, precision: str, first_token_alone: bool) -> LayerCost:
    torch.set_num_threads(count_cores())
    model = build_probe(backbone).to(device)
    speed_up(model, Drawn(0), device=device, precision=precision)
    if first_token_alone:
        compute_first_token_alone(model.get_base_model())
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    hidden = torch.randn(*PROBE_SHAPE, model.config.hidden_size, device=device, dtype=dtype)

    is_autocast = device == "cuda" and precision != "fp32"

    def run(*, training: bool) -> None:
        model.train(training)
        with torch.autocast(device, dtype=dtype, enabled=is_autocast), torch.set_grad_enabled(training):
            logits = model(inputs_embeds=hidden.requires_grad_(training)).logits
        if training:
            logits.float().sum().backward()
        if device == "cuda":
            torch.cuda.synchronize()

    n_tokens = PROBE_SHAPE[0] * PROBE_SHAPE[1]
    with _count_kept(model) as sizes:
        run(training=True)
    return LayerCost(
        _time(lambda: run(training=False)) / n_tokens,
        _time(lambda: run(training=True)) / n_tokens,
        sum(sizes.values()) / n_tokens,
    )


@contextmanager
def _count_kept(model: Any) -> Iterator[dict[int, int]]:
    """Collect the bytes of all that is kept for a backward pass, by address; weights, cast ones too, are no token's."""
    shapes = {tuple(weight.shape) for weight in model.parameters()}
    shapes |= {shape[::-1] for shape in shapes}
    sizes: dict[int, int] = {}

    def keep(tensor: Any) -> Any:
        if tuple(tensor.shape) not in shapes:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield sizes


def _time(run: Callable[[], None]) -> float:
    """Return the best of three after a warm-up: what disturbs only ever adds."""
    run()
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
