"""The engine that OpenVINO is: it fuses what PyTorch computes step by step, in bf16 where the processor has it.

It sends nothing to anybody: OpenVINO's own telemetry, which reports every import unless a file in the home folder forbids it, is
not loaded. What was compiled once is kept by `compiled`, so that it need not be made again.
"""

import copy
import io
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agnews_core.devices import count_cores, cpu_has_bf16, cpu_has_int8
from agnews_core.inference import compiled
from agnews_core.inference.engines import Engine, Output, TokenIds

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # OpenVINO then takes its stub, which does nothing

import openvino  # noqa: E402 - after its telemetry is shut out
from openvino.tools.ovc.logger import get_logger_state, restore_logger_state  # noqa: E402

from agnews_core.inference.quantized import GROUP_SIZE, look_twice, quantize  # noqa: E402

N_STREAMS = count_cores()
# A batch a thread, none of which waits for another at every layer: as fast as all threads on one batch, and far faster where
# another process has one of the cores.
_THREADS = {"INFERENCE_NUM_THREADS": N_STREAMS, "NUM_STREAMS": N_STREAMS, "ENABLE_CPU_PINNING": False}
_SETTINGS: dict[str, dict[str, Any]] = {
    "bf16": {"INFERENCE_PRECISION_HINT": "bf16", **_THREADS},
    "fp32": {"INFERENCE_PRECISION_HINT": "f32", **_THREADS},
    "int8": {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": GROUP_SIZE, **_THREADS},
}
# Two texts of different length, so that what is compiled has seen padding.
_IDS = np.array([[2, 3, 4, 5, 6], [2, 3, 4, 1, 1]])
_MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
TOLERANCE = 0.2  # of the numbers' own size; bf16 stays below 0.05, a model that was compiled wrongly does not


def build_openvino_engine(module: torch.nn.Module, *, key: str = "", quantized: bool = False) -> Engine:
    """Compile a module, and keep what came of it under a key, where there is one.

    Raises:
        Exception: Whatever OpenVINO raises on a module or a processor that it cannot do.
        ArithmeticError: What it made computes something else than the module.
    """
    model = module if _is_plain(module) else copy.deepcopy(module).float().eval()
    return _combine([_compile(model, precision, key) for precision in _choose_precisions(quantized=quantized)])


def find_openvino_engine(key: str, *, quantized: bool = False) -> Engine | None:
    """Return the engine that was compiled and kept under a key, or None where there is none that can be used."""
    found = [_find(precision, key) for precision in _choose_precisions(quantized=quantized)]
    engines = [engine for engine in found if engine]
    return _combine(engines) if len(engines) == len(found) else None


def _choose_precisions(*, quantized: bool) -> list[str]:
    if cpu_has_bf16():
        return ["bf16"]
    return ["int8", "fp32"] if quantized and cpu_has_int8() else ["fp32"]


def _combine(engines: list[Engine]) -> Engine:
    return engines[0] if len(engines) == 1 else look_twice(*engines)


def _compile(module: torch.nn.Module, precision: str, key: str) -> Engine:
    model = _convert(module)
    made = openvino.Core().compile_model(quantize(model) if precision == "int8" else model, "CPU", _SETTINGS[precision])
    engine = _build_engine(made, precision)
    _check(engine, module)
    if key:
        compiled.write(_name(key, precision), made.export_model().getvalue())
    return engine


def _find(precision: str, key: str) -> Engine | None:
    found = compiled.read(_name(key, precision))
    if found is None:
        return None
    try:
        return _build_engine(openvino.Core().import_model(io.BytesIO(found), "CPU", _SETTINGS[precision]), precision)
    except RuntimeError:  # of another processor
        return None


def _name(key: str, precision: str) -> str:
    """Return a key that also tells what compiled, and for what."""
    return f"{key} {openvino.get_version()} {precision}"


def _build_engine(model: openvino.CompiledModel, precision: str) -> Engine:
    free: SimpleQueue[openvino.InferRequest] = SimpleQueue()
    for _ in range(N_STREAMS):
        free.put(model.create_infer_request())  # each belongs to a stream, in the order in which they are made

    def compute(input_ids: TokenIds, attention_mask: NDArray[np.int64]) -> Output:
        request = free.get()
        try:
            # `infer` would compute in the caller's thread, which OpenVINO counts as one more.
            request.start_async({"input_ids": input_ids, "attention_mask": attention_mask})
            request.wait()
            result: Output = request.get_output_tensor().data.copy()
        finally:
            free.put(request)
        return result

    return Engine("openvino", precision, compute, n_streams=N_STREAMS)


def _is_plain(module: torch.nn.Module) -> bool:
    return not module.training and all(weight.dtype == torch.float32 for weight in module.parameters())


def _convert(module: torch.nn.Module) -> openvino.Model:
    example = {"input_ids": torch.from_numpy(_IDS), "attention_mask": torch.from_numpy(_MASK)}
    any_size = [(name, [-1, -1], openvino.Type.i64) for name in example]
    with torch.no_grad(), _silence():
        return openvino.convert_model(module, example_input=example, input=any_size)


def _check(engine: Engine, module: torch.nn.Module) -> None:
    """Check that the engine computes what the module does, on texts of another shape than it was traced with."""
    ids, mask = np.repeat(_IDS, 2, axis=1)[[0, 1, 0]], np.repeat(_MASK, 2, axis=1)[[0, 1, 0]]
    with torch.no_grad():
        wanted = module(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).float().numpy()
    off = float(np.linalg.norm(engine(ids, mask) - wanted) / np.linalg.norm(wanted))
    if not off <= TOLERANCE:  # NaN is not
        raise ArithmeticError(f"its numbers are {off:.0%} off")


@contextmanager
def _silence() -> Iterator[None]:
    """Keep from the person what tracing says to those who wrote the model: its branches are the same for every text.

    A conversion that fails would silence all that anybody logs from then on.
    """
    transformers, logged = logging.getLogger("transformers"), get_logger_state()
    level = transformers.level
    transformers.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers.setLevel(level)
        restore_logger_state(logged)
