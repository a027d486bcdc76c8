"""How the numbers are made: a PyTorch module turned into a fast function of token ids, by the best engine there is.

An engine is chosen once for a module, and everything that is said of it comes from that engine. It knows neither texts nor
classes; what each engine does with a module is in `openvino_engine` and `torch_engines`.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from agnews_core.devices import choose_device, cpu_has_bf16
from agnews_core.errors import ConfigError

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

EngineName = Literal["openvino", "torch-bf16", "torch", "cuda"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
ENGINE_VARIABLE = "AGNEWS_ENGINE"
ENGINE_TITLES: dict[str, str] = {"openvino": "OpenVINO", "torch-bf16": "PyTorch", "torch": "PyTorch", "cuda": "CUDA"}

TokenIds = NDArray[np.int64]  # (n_batch, n_tokens), padded with the tokenizer's own padding token
Batch = tuple[TokenIds, NDArray[np.int64]]  # token ids, and the attention mask: 1 for a token, 0 for padding
Output = NDArray[
    np.float32
]  # whatever the module returns: (n_batch, 4) logits, (n_batch, n_tokens, n_hidden) hidden states


@dataclass(eq=False)
class Engine:
    """A module as a function of token ids and attention mask. Safe to call from many threads.

    Where a batch fails, the engine becomes the one that stands in for it, which computes that batch and all later ones.

    Attributes:
        name: Which engine it is.
        precision: "fp32", "bf16" or "fp16"; what it returns is fp32.
        compute: What it does with a batch.
        n_streams: How many batches it computes at the same time.
        reason: Why it is not the engine that should have been, in one sentence; "" where it is.
        build_stand_in: Builds what stands in for it, told why it fails; None where nothing does.
    """

    name: EngineName
    precision: str
    compute: Callable[[TokenIds, NDArray[np.int64]], Output]
    n_streams: int = 1
    reason: str = ""
    build_stand_in: Callable[[Exception], "Engine"] | None = None
    _streams: ThreadPoolExecutor = field(init=False, repr=False)
    _giving_way: threading.Lock = field(init=False, repr=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        # The threads stay: OpenMP makes a team of its own for each new one.
        self._streams = ThreadPoolExecutor(self.n_streams, thread_name_prefix=self.name)

    @property
    def title(self) -> str:
        """What reports and the page call it."""
        return f"{ENGINE_TITLES[self.name]} in {self.precision}"

    def __call__(self, input_ids: TokenIds, attention_mask: NDArray[np.int64]) -> Output:
        """Compute one batch, in the caller's thread."""
        compute = self.compute
        try:
            return compute(input_ids, attention_mask)
        except Exception as error:  # what another's library raises, of whatever class
            self._give_way(compute, error)
        return self.compute(input_ids, attention_mask)

    def map(self, batches: Iterable[Batch]) -> Iterator[Output]:
        """Compute many batches, `n_streams` at a time, and yield their results in order.

        The next batch is asked for while others are computed; few results wait to be taken.
        """
        waiting: deque[Future[Output]] = deque()
        try:
            for batch in batches:
                waiting.append(self._streams.submit(self, *batch))
                if len(waiting) > self.n_streams:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _give_way(self, failed: Callable[..., Output], error: Exception) -> None:
        """Become what stands in for an engine that fails, unless that has come about in another thread meanwhile."""
        with self._giving_way:
            if self.compute is not failed:
                return
            if self.build_stand_in is None:
                raise error
            other = self.build_stand_in(error)
            self.name, self.precision, self.reason = other.name, other.precision, other.reason
            self.n_streams, self._streams, self.build_stand_in = other.n_streams, other._streams, None
            self.compute = other.compute


def choose_engine() -> EngineName:
    """Return the fastest engine that this machine has, or the one that the environment variable AGNEWS_ENGINE names.

    Raises:
        ConfigError: AGNEWS_ENGINE names none, or one that needs another machine.
    """
    has_gpu, named = choose_device() == "cuda", os.environ.get(ENGINE_VARIABLE, "")
    there_are = [name for name in ENGINES if has_gpu or name != "cuda"]
    for name in there_are:
        if name == named:
            return name
    if named:
        raise ConfigError(
            f"{ENGINE_VARIABLE} is {named!r}; on this machine it can be {', '.join(there_are)}, or unset."
        )
    return "cuda" if has_gpu else "openvino"


def build_engine(
    module: "torch.nn.Module", *, name: EngineName | None = None, key: str = "", quantized: bool = False
) -> Engine:
    """Turn a module into an engine; the module itself stays as it is.

    Where OpenVINO cannot be used, or fails later, PyTorch takes its place; `Engine.reason` says so.

    Args:
        module: A function of `input_ids` and `attention_mask`, both (n_batch, n_tokens), that returns one tensor.
        name: The engine to build; by default the one that `choose_engine` chooses.
        key: What tells the module's weights from all others; with it, what was compiled is kept for `load_engine`.
        quantized: Whether it returns logits whose close calls alone need to be exact, so that weights may be int8 where the
            processor has no bf16.
    """
    name = name or choose_engine()
    if name != "openvino":
        from agnews_core.inference.torch_engines import build_torch_engine

        return build_torch_engine(module, name)
    try:
        from agnews_core.inference.openvino_engine import build_openvino_engine

        engine = build_openvino_engine(module, key=key, quantized=quantized)
    except Exception as error:  # what another's compiler raises, of whatever class, is no reason to give no answer
        return _build_stand_in(module, "could not be used", error)
    return _standing_by(engine, lambda: module)


def _standing_by(engine: Engine, build_module: Callable[[], "torch.nn.Module"]) -> Engine:
    """Have PyTorch stand in for OpenVINO where that fails while it computes; the module is built only then."""
    engine.build_stand_in = lambda error: _build_stand_in(build_module(), "failed while it computed", error)
    return engine


def _build_stand_in(module: "torch.nn.Module", what: str, error: Exception) -> Engine:
    from agnews_core.inference.torch_engines import build_torch_engine

    name: EngineName = "torch-bf16" if cpu_has_bf16() else "torch"
    reason = f"OpenVINO {what} ({_name_error(error)}); PyTorch computes instead, more slowly."
    logger.warning("%s", reason)
    logger.info("OpenVINO failed.", exc_info=error)
    return build_torch_engine(module, name, reason=reason)


def _name_error(error: Exception) -> str:
    """Return an error's class, and what it says where that is a line; several are for those who wrote OpenVINO."""
    text = str(error).strip()
    return f"{type(error).__name__}{f': {text}' if text and len(text.splitlines()) == 1 else ''}"


def load_engine(build_module: Callable[[], "torch.nn.Module"], *, key: str) -> Engine:
    """Return the engine of a module of logits, which is built only where it was not compiled before, under the same key."""
    engine = _find_compiled(key) if choose_engine() == "openvino" else None
    engine = engine or build_engine(build_module(), key=key, quantized=True)
    return _standing_by(engine, build_module) if engine.name == "openvino" else engine


def _find_compiled(key: str) -> Engine | None:
    try:
        from agnews_core.inference.openvino_engine import find_openvino_engine
    except (ImportError, OSError):  # `build_engine` tells why
        return None
    return find_openvino_engine(key, quantized=True)
