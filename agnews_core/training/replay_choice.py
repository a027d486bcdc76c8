"""Whether a training computes its frozen layers once.

Decided by counting, from the settings, the news and the limit alone: a run and its plan decide alike, and so does a second run,
whatever is kept from the first.
"""

from agnews_core.config import TrainConfig
from agnews_core.devices import cpu_has_bf16
from agnews_core.inference.engines import EngineName, choose_engine
from agnews_core.models.backbones import load_backbone_config
from agnews_core.news.counts import TextCounts
from agnews_core.news.tokens import VARIED_STORED, count_train_tokens, count_validation_tokens
from agnews_core.runs import Replay, Resolved
from agnews_core.training.replay_folder import LIMIT_VARIABLE, read_limit

LEAST_PASSES = 1.5  # over the training texts: one pays for computing, half a pass for validation texts and the disk


def choose_replay(config: TrainConfig, resolved: Resolved, texts: TextCounts) -> Replay:
    """Decide whether a training computes its frozen layers once, and say how much it would keep.

    Args:
        config: The settings, with nothing left open.
        resolved: What was decided about them.
        texts: Those to train on, and to evaluate on at most.

    Raises:
        ConfigError: AGNEWS_REPLAY_GB holds no number.
        CheckpointError: The base model's configuration cannot be had.
    """
    n_layers, n_texts = min(resolved.layer_ranks), texts.n_train + texts.n_validation + texts.n_plain_validation
    token_bytes = load_backbone_config(config.backbone).hidden_size * (4 if resolved.precision == "fp32" else 2)
    n_tokens = count_train_tokens(config, texts, stored=True)
    n_tokens += count_validation_tokens(config, texts.n_validation, texts.n_plain_validation)
    n_bytes = round(n_tokens) * token_bytes
    refusal = _find_refusal(config, n_layers=n_layers, n_train=texts.n_train, n_bytes=n_bytes)
    if refusal:
        return Replay(used=False, reason=refusal, n_layers=n_layers)
    layers = "The lowest layer is" if n_layers == 1 else f"The lowest {n_layers} layers are"
    each = "each text and one other form of it" if config.vary_texts else "each text"
    reason = f"{layers} frozen and computed once for {each}, with no dropout there (`replay` off computes them in each pass)."
    engine = choose_engine_to_fill(resolved.precision)
    return Replay(used=True, reason=reason, n_layers=n_layers, n_texts=n_texts, n_bytes=n_bytes, engine=engine)


def choose_engine_to_fill(precision: str) -> EngineName:
    """Return the fastest engine that is as exact as the training is."""
    fastest = choose_engine()
    if precision != "fp32" or (fastest == "openvino" and not cpu_has_bf16()):
        return fastest
    return "torch"  # on a GPU too, where the fastest one is in half precision


def _find_refusal(config: TrainConfig, *, n_layers: int, n_train: int, n_bytes: int) -> str:
    """Return why frozen layers are computed in each pass, or ""."""
    if config.replay == "off":
        return "Frozen layers are computed in each pass (`replay` off, as set)."
    if n_layers == 0:
        return "No layer lies below the lowest trained one, so that nothing can be computed once."
    n_passes = config.count_steps(n_train) * config.step_texts / n_train
    if config.replay == "auto" and n_passes < LEAST_PASSES + (VARIED_STORED - 1 if config.vary_texts else 0):
        return (
            f"Frozen layers are computed in each pass: the training texts are gone through {n_passes:.1f} times, too few times "
            "for computing these layers once to pay."
        )
    limit = read_limit()
    if n_bytes > limit:
        return (
            f"Frozen layers are computed in each pass: what they give would take about {n_bytes / 1e9:.2g} GB, and "
            f"{limit / 1e9:.2g} GB may be kept ({LIMIT_VARIABLE})."
        )
    return ""
