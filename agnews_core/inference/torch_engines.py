"""The engines that PyTorch itself is: fp32 and bf16 on the processor, bf16 or fp16 on a GPU."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from agnews_core.devices import choose_precision, count_cores
from agnews_core.inference.engines import Engine, EngineName, Output, TokenIds

SMALL_BATCH_TOKENS = 512  # up to here one thread is as fast as many, and far faster where another process trains
N_THREADS = count_cores()
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def build_torch_engine(module: torch.nn.Module, name: EngineName, *, reason: str = "") -> Engine:
    """Build the engine of this name, one of PyTorch's, from a copy of the module."""
    device = "cuda" if name == "cuda" else "cpu"
    precision = {"torch": "fp32", "torch-bf16": "bf16"}.get(name) or choose_precision("auto", device=device).name
    model = copy.deepcopy(module).to(device, _DTYPES[precision]).eval()

    @torch.inference_mode()
    def compute(input_ids: TokenIds, attention_mask: NDArray[np.int64]) -> Output:
        ids, mask = (torch.from_numpy(array).to(device) for array in (input_ids, attention_mask))
        with _use_threads(1 if ids.numel() <= SMALL_BATCH_TOKENS else N_THREADS):
            result: Output = model(input_ids=ids, attention_mask=mask).float().cpu().numpy()
        return result

    return Engine(name, precision, compute, reason=reason)


@contextmanager
def _use_threads(number: int) -> Iterator[None]:
    """Compute with this many threads for a while.

    Threads that wait for each other at every layer stand still whenever another process has one of their cores. Two callers at
    once may get each other's number: that costs time, never correctness.
    """
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(N_THREADS)
