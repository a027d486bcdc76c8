"""How long a run will take on this machine and how much memory it will need, as ranges, before it is started.

Both come from a short probe: one layer of the backbone, with random weights, is run forwards and backwards on a few texts' worth
of tokens; its time, and what it keeps for the backward pass, are multiplied by the layers, tokens and steps of the run. Both
are guesses and say so by their width.
"""

import functools
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModel

from agnews_core.config import TrainConfig
from agnews_core.devices import count_cores
from agnews_core.errors import AgNewsError
from agnews_core.models.backbones import load_backbone_config
from agnews_core.models.lora import plan
from agnews_core.models.plan import Plan
from agnews_core.news.sources import NewsFolder, look_for_news
from agnews_core.news.splits import VALIDATION_SHARE, load_news
from agnews_core.news.tables import stamp_news
from agnews_core.news.tokens import MEAN_TOKENS
from agnews_core.runs import Resolved
from agnews_core.training.assessment import Assessment, Estimate, Inputs
from agnews_core.training.resolve import Passes, resolve, resolve_passes

HUB_TRAIN_TEXTS = 120_000
PROBE_AGAIN_SECONDS = 300.0
PROBE_SHAPE = (16, 60)  # texts, tokens; 960 is the width of no weight
# What the probe leaves out (embeddings, optimizer, collation, checkpoints) makes a run slower; caches can make it faster.
FASTER, SLOWER = 0.8, 1.8
BASE_BYTES = 600 * 2**20  # Python, torch and transformers, measured
MEMORY_SPREAD = 0.35
LORA_KEEPS = 1.5  # the probed layer has no LoRA weights, whose inputs, dropped out, are kept beside the layer's own
# On the CPU, memory grows with each new shape of batch and is not given back. The bundled backbone on AG News: 1.9 GiB at step
# 40, 3.1 at step 360; before oneDNN was told to keep fewer shapes, 4.8 at step 500 and 5.5 at most. On 727 texts: 1.4 GiB.
CPU_GROWTH_BYTES, CPU_GROWTH_STEPS = 4 * 2**30, 1000


@dataclass(frozen=True)
class LayerCost:
    """What one token takes in one layer: seconds forwards, seconds backwards, bytes kept for the backward pass."""

    forward_seconds: float
    backward_seconds: float
    kept_bytes: float


_ONE_AT_A_TIME = threading.Lock()  # of many visitors, one measures and reads the news, and the others wait for that
_PROBED: dict[tuple[str, str, str], tuple[float, LayerCost]] = {}


def assess(config: TrainConfig) -> Assessment:
    """Plan a run and estimate what it takes.

    Raises:
        AgNewsError: The settings cannot be carried out, and why.
    """
    missing: list[AgNewsError] = []
    resolved = resolve(config, missing=missing)
    config = resolved.apply_to(config)
    built = plan(config)
    counts = _count_texts(config, missing)
    news = (f"News: {resolved.data_source}.",) if resolved.data_source else ()
    inputs = Inputs(*counts, (*resolved.notes, *news), " ".join(dict.fromkeys(map(str, missing))))
    passes = resolve_passes(config, resolved, built, n_train=inputs.n_train, n_validation=inputs.n_validation)
    estimate = compute_estimate(config, built, inputs, resolved, passes)
    return Assessment(built, passes.evaluations, passes.replay, estimate, inputs)


def compute_estimate(config: TrainConfig, built: Plan, inputs: Inputs, resolved: Resolved, passes: Passes) -> Estimate:
    """Estimate a planned run from the probe of its backbone's layer."""
    evaluations, replay = passes.evaluations, passes.replay
    layer = probe_layer(config.backbone, resolved.device, resolved.precision)
    batch, n_steps = config.step_texts, config.count_steps(inputs.n_train)
    n_evaluated = evaluations.n_texts * math.ceil(n_steps / evaluations.every_steps)
    n_trained_layers = built.n_trained_layers
    n_computed_layers = n_trained_layers if replay.used else built.n_layers
    tokens = min(MEAN_TOKENS, config.max_length)
    seconds = tokens * (
        n_steps * batch * (n_computed_layers * layer.forward_seconds + n_trained_layers * layer.backward_seconds)
        + n_evaluated * n_computed_layers * layer.forward_seconds
        + replay.n_texts * replay.n_layers * layer.forward_seconds
        + inputs.n_validation * built.n_layers * layer.forward_seconds  # the best model at the end, whole
    )
    memory = _compute_bytes(config, built, n_trained_layers * layer.kept_bytes)
    return Estimate(
        seconds * FASTER,
        seconds * SLOWER,
        memory * (1 - MEMORY_SPREAD),
        memory * (1 + MEMORY_SPREAD) + (_compute_growth(n_steps) if resolved.device == "cpu" else 0),
        n_steps,
        resolved.device,
        resolved.precision,
    )


def _compute_bytes(config: TrainConfig, built: Plan, kept_bytes: float) -> float:
    """Compute what weights, optimizer and the longest batch take; `kept_bytes` is what one token leaves in all layers."""
    tokens = config.per_device_train_batch_size * min(2 * MEAN_TOKENS, config.max_length)
    weights = built.total_parameters * 4 + built.trainable_parameters * 12  # fp32; gradients and AdamW's two moments
    return float(BASE_BYTES + weights + tokens * kept_bytes * LORA_KEEPS)


def _compute_growth(n_steps: int) -> float:
    return CPU_GROWTH_BYTES * min(1.0, n_steps / CPU_GROWTH_STEPS)


def _count_texts(config: TrainConfig, missing: list[AgNewsError]) -> tuple[int, int]:
    """Return how many texts a run would train and validate on; as many as the hub has, where news cannot be had."""
    n_validation = round(HUB_TRAIN_TEXTS * VALIDATION_SHARE)
    n_train = HUB_TRAIN_TEXTS - n_validation
    try:
        found = look_for_news(config.data)
        if isinstance(found, NewsFolder):
            with _ONE_AT_A_TIME:
                n_train, n_validation = _count_split(config.data, stamp_news(found.path))
    except AgNewsError as error:
        missing.append(error)
    return min(n_train, config.max_train_samples or n_train), min(n_validation, config.max_eval_samples or n_validation)


@functools.lru_cache(maxsize=32)
def _count_split(data: str, stamp: object) -> tuple[int, int]:
    """Count texts to train and to validate on, once for as long as their files stay the same; no seed changes that."""
    counts = load_news(TrainConfig(data=data)).counts
    return counts.n_train, counts.n_validation


def probe_layer(backbone: str, device: str, precision: str) -> LayerCost:
    """Return what one token takes in one layer of a backbone: the least that was ever measured here.

    A new measurement is made when the last is minutes old: a machine that was busy then may be idle now.
    """
    key = (backbone, device, precision)
    with _ONE_AT_A_TIME:
        measured_at, least = _PROBED.get(key, (-math.inf, None))
        if least is None or time.monotonic() - measured_at > PROBE_AGAIN_SECONDS:
            least = min(filter(None, (least, _measure_layer(*key))), key=lambda cost: cost.forward_seconds)
            _PROBED[key] = (time.monotonic(), least)
    return least


def _measure_layer(backbone: str, device: str, precision: str) -> LayerCost:
    torch.set_num_threads(count_cores())
    model, ids = _build_probe(backbone, device)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)

    def run(*, backward: bool) -> None:
        with torch.autocast(device, dtype=dtype, enabled=precision != "fp32"), torch.set_grad_enabled(backward):
            hidden = model(inputs_embeds=ids.requires_grad_(backward)).last_hidden_state
        if backward:
            hidden.float().sum().backward()
        if device == "cuda":
            torch.cuda.synchronize()

    n_tokens = PROBE_SHAPE[0] * PROBE_SHAPE[1]
    forward = _time(lambda: run(backward=False)) / n_tokens
    both = _time(lambda: run(backward=True)) / n_tokens
    with _count_kept(model) as sizes:
        run(backward=True)
    return LayerCost(forward, max(both - forward, forward / 2), sum(sizes.values()) / n_tokens)


def _build_probe(backbone: str, device: str) -> tuple[Any, Any]:
    """Build one frozen layer and its input, whose gradient is all that is asked for, as in a LoRA model's frozen weights."""
    config = load_backbone_config(backbone)
    config.num_hidden_layers, config.vocab_size, config.pad_token_id = 1, 8, 0
    model = AutoModel.from_config(config).to(device).requires_grad_(False)
    return model, torch.randn(*PROBE_SHAPE, config.hidden_size, device=device)


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
