"""How long a run will take on this machine and how much memory it will need, as ranges, before it is started.

Both come from a short probe of one layer (`probe`), multiplied by the layers, tokens and passes of the run. Both are guesses and
say so by their width.
"""

import functools
import math
import threading
from dataclasses import dataclass, replace

from agnews_core.config import TrainConfig
from agnews_core.errors import AgNewsError
from agnews_core.models.lora import plan
from agnews_core.models.plan import Plan
from agnews_core.news.counts import TextCounts, describe_balance
from agnews_core.news.plain import stamp_plain, uses_plain
from agnews_core.news.sources import NewsFolder, look_for_news
from agnews_core.news.splits import VALIDATION_SHARE, load_news
from agnews_core.news.tables import stamp_news
from agnews_core.news.tokens import MEAN_TOKENS, count_train_tokens, count_validation_tokens
from agnews_core.runs import Resolved
from agnews_core.training.assessment import Assessment, Estimate, Inputs
from agnews_core.training.probe import LayerCost, probe_layer
from agnews_core.training.replay_known import find_known
from agnews_core.training.resolve import Passes, resolve, resolve_passes
from agnews_core.training.update_scale import SCALES

HUB_TRAIN_TEXTS = 120_000
# What the probe leaves out makes a run slower; caches can make it faster. Measured: 1.15 times what the probe says.
FASTER, SLOWER = 0.8, 1.5
START_SECONDS = (2.0, 10.0)  # news, weights, engines: whatever is trained
STEP_SECONDS = 0.015  # optimizer, collation, Trainer
OPENVINO_SHARE = 0.63  # of PyTorch's time: 860 texts/s against 541, see tests/benchmarks/README.md
TEXT_SECONDS = 1e-4  # read, tokenised
BASE_BYTES = 900 * 2**20  # Python and its libraries, OpenVINO among them, measured
MEMORY_SPREAD = 0.3
# On the CPU, memory grows with each new shape of batch and is not given back. The bundled backbone on AG News: 1.3 GiB at the
# first step, 1.9 at step 40, 2.2 from step 80 on.
CPU_GROWTH_BYTES, CPU_GROWTH_STEPS, LEAST_GROWTH = 2 * 2**30, 200, 0.25

_ONE_AT_A_TIME = threading.Lock()  # of many visitors, one reads the news, and the others wait for that


def assess(config: TrainConfig, *, n_processes: int | None = None) -> Assessment:
    """Plan a run and estimate what it takes, trained by so many processes; unasked, by as many as this is one of.

    Raises:
        AgNewsError: The settings cannot be carried out, and why.
    """
    missing: list[AgNewsError] = []
    resolved = resolve(config, missing=missing, n_processes=n_processes)
    config = resolved.apply_to(config)
    built = plan(config)
    texts = _count_texts(config, missing)
    news = (f"News: {resolved.data_source}.",) if resolved.data_source else ()
    why_not = " ".join(dict.fromkeys(map(str, missing)))
    offer = describe_balance(texts.n_by_class) if config.class_weight == "none" else ""
    notes = (*resolved.notes, *news, *filter(None, [offer]))
    inputs = Inputs(**vars(texts), notes=notes, missing=why_not)
    passes = resolve_passes(config, resolved, built, texts)
    if passes.replay.used and not missing and find_known(config, resolved, passes.evaluations):
        passes = replace(passes, replay=passes.replay.model_copy(update={"found": True}))
    estimate = compute_estimate(config, built, inputs, resolved, passes)
    return Assessment(built, passes.evaluations, passes.replay, estimate, inputs)


def compute_estimate(config: TrainConfig, built: Plan, inputs: Inputs, resolved: Resolved, passes: Passes) -> Estimate:
    """Estimate a planned run from the probe of its backbone's layers."""
    costs = probe_layers(config, resolved)
    evaluations, replay = passes.evaluations, passes.replay
    n_steps = resolved.count_as_one(config).count_steps(inputs.n_train)
    # All in tokens, and seconds a token.
    of_evaluation = count_validation_tokens(config, evaluations.n_texts, evaluations.n_plain)
    n_scales = len(SCALES) if config.lora_update_scale == "fit" else 0
    evaluated = (math.ceil(n_steps / evaluations.every_steps) + n_scales) * of_evaluation
    # Of each process, on a GPU of its own; those on a CPU share its cores.
    passes_over = (
        n_steps * config.step_texts * (resolved.n_processes if resolved.device == "cpu" else 1) / inputs.n_train
    )
    trained = passes_over * count_train_tokens(config, inputs)
    below = built.n_layers - built.n_trained_layers  # layers, which are computed in each pass, or once
    each = (trained + evaluated) * below * costs.layer.forward_seconds
    kept = (count_train_tokens(config, inputs, stored=True) + of_evaluation) if replay.used and not replay.found else 0
    fill = kept * below * costs.layer.forward_seconds * _count_share(replay.engine)
    at_the_end = count_validation_tokens(config, inputs.n_validation, inputs.n_plain_validation)  # of the best model
    n_teachers = len(config.teachers) if config.teacher_weight else 0
    asked = n_teachers * count_train_tokens(config, inputs)  # as if the teachers were of this base model
    seconds = (
        (fill if replay.used else each)
        + trained * costs.count_step_seconds(built.n_trained_layers)
        + evaluated * costs.count_forward_seconds(built.n_trained_layers)
        + (at_the_end + asked) * costs.count_answer_seconds(built.n_layers, resolved.engine)
        + n_steps * STEP_SECONDS
        + (inputs.n_train + inputs.n_validation) * TEXT_SECONDS
    )
    low, high = START_SECONDS
    memory = _compute_bytes(config, built, costs)
    growth = _compute_growth(n_steps) if resolved.device == "cpu" else 0.0
    return Estimate(
        seconds_low=seconds * FASTER + low,
        seconds_high=seconds * SLOWER + high,
        bytes_low=memory * (1 - MEMORY_SPREAD) + growth * LEAST_GROWTH,
        bytes_high=memory * (1 + MEMORY_SPREAD) + growth,
        n_steps=n_steps,
        device=resolved.device,
        precision=resolved.precision,
        fill_seconds=fill,
        saved_seconds=each - fill if replay.used else 0.0,
    )


@dataclass(frozen=True)
class LayerCosts:
    """What a token takes in the layers of a base model, of which the top one may be computed for the first token alone."""

    layer: LayerCost
    top: LayerCost

    def count_step_seconds(self, n_layers: int) -> float:
        """Return what it takes to train that many layers, the top one among them."""
        return (n_layers - 1) * self.layer.step_seconds + self.top.step_seconds

    def count_forward_seconds(self, n_layers: int) -> float:
        """Return what it takes to go through that many layers up to the top."""
        return (n_layers - 1) * self.layer.forward_seconds + self.top.forward_seconds

    def count_answer_seconds(self, n_layers: int, engine: str) -> float:
        """Return what the same takes an engine."""
        return self.count_forward_seconds(n_layers) * _count_share(engine)


def probe_layers(config: TrainConfig, resolved: Resolved) -> LayerCosts:
    """Return what a token takes in the layers of a config's base model, measured here."""
    key = (config.backbone, resolved.device, resolved.precision)
    layer = probe_layer(*key)
    return LayerCosts(layer, probe_layer(*key, first_token_alone=True) if config.pooling == "cls" else layer)


def _count_share(engine: str) -> float:
    """Return what an engine takes in the time that PyTorch takes."""
    return OPENVINO_SHARE if engine == "openvino" else 1.0


def _compute_bytes(config: TrainConfig, built: Plan, costs: LayerCosts) -> float:
    """Compute what weights, optimizer and the longest batch take."""
    tokens = config.per_device_train_batch_size * min(2 * MEAN_TOKENS, config.max_length)
    weights = built.total_parameters * 4 + built.trainable_parameters * 12  # fp32; gradients and AdamW's two moments
    kept = (built.n_trained_layers - 1) * costs.layer.kept_bytes + costs.top.kept_bytes
    return float(BASE_BYTES + weights + tokens * kept)


def _compute_growth(n_steps: int) -> float:
    return CPU_GROWTH_BYTES * min(1.0, n_steps / CPU_GROWTH_STEPS)


def _count_texts(config: TrainConfig, missing: list[AgNewsError]) -> TextCounts:
    """Return how many texts a run would train and validate on; as many as the hub has, where news cannot be had."""
    asked = (config.holdout_share, int(uses_plain(config)))
    try:
        found = look_for_news(config.data)
        if isinstance(found, NewsFolder):
            with _ONE_AT_A_TIME:
                stamp = (stamp_news(found.path, config.more_train_files), stamp_plain(config))
                counted = _count_split(config.data, *asked, config.more_train_files, stamp)
            return _limit(counted, config)
    except AgNewsError as error:
        missing.append(error)
    n_validation = round(HUB_TRAIN_TEXTS * VALIDATION_SHARE)
    n_train = HUB_TRAIN_TEXTS - n_validation
    n_validation -= round(config.holdout_share * n_validation)
    plain = _count_split("sample", *asked, (), stamp_plain(config))
    return _limit(
        replace(plain, n_train=n_train + plain.n_plain_train, n_validation=n_validation, n_by_class=()), config
    )


def _limit(counted: TextCounts, config: TrainConfig) -> TextCounts:
    """Return what is left of all texts where the settings want fewer, with plain ones as often as they are repeated."""
    n_news = counted.n_train - counted.n_plain_train
    n_plain = counted.n_plain_train * config.plain_repeats
    return replace(
        counted,
        n_train=min(n_news, config.max_train_samples or n_news) + n_plain,
        n_validation=min(counted.n_validation, config.max_eval_samples or counted.n_validation),
        n_plain_train=n_plain,
    )


@functools.lru_cache(maxsize=32)
def _count_split(
    data: str, holdout_share: float, plain_repeats: int, more: tuple[str, ...], stamp: object
) -> TextCounts:
    """Count texts to train and to validate on, once for as long as their files stay the same; no seed changes that."""
    # A copy, unchecked: a folder's whole path may be longer than what a person may send.
    asked = {"data": data, "holdout_share": holdout_share, "plain_repeats": plain_repeats, "more_train_files": more}
    return load_news(TrainConfig().model_copy(update=asked)).counts.texts
