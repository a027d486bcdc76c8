"""What this machine computes with: CPU or CUDA, in which precision, how busy the GPU is. It knows nothing of models."""

import functools
import time
from dataclasses import dataclass

from agnews_core.errors import ConfigError

USAGE_HZ = 2  # how often usage is asked for at most


@dataclass(frozen=True)
class Precision:
    """The number format chosen, "fp32", "bf16" or "fp16", and why in one sentence."""

    name: str
    reason: str


def choose_device() -> str:
    """Return "cuda" where PyTorch sees a GPU, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def describe_spare_gpus(device: str) -> str:
    """Return a sentence on the GPUs that are not used, or "" where there is none."""
    import torch

    n_gpus = torch.cuda.device_count() if device == "cuda" else 0
    return f"One of this machine's {n_gpus} GPUs is used." if n_gpus > 1 else ""


def choose_precision(wanted: str, *, device: str) -> Precision:
    """Turn the `precision` setting into a format this device has.

    "auto" is bf16 on CUDA that has it, else fp16; on a CPU bf16 where it has instructions for it, else fp32.

    Raises:
        ConfigError: fp16 was asked for on a CPU, where it is slow and overflows.
    """
    if wanted == "auto":
        return _choose_fastest(device)
    if wanted == "fp16" and device == "cpu":
        raise ConfigError("`precision` fp16 needs CUDA, and this machine has none; use auto, bf16 or fp32.")
    return Precision(wanted, f"Precision {wanted}, as set.")


def _choose_fastest(device: str) -> Precision:
    import torch

    if device == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Precision("bf16", "Precision bf16, which this GPU has.")
        return Precision("fp16", "Precision fp16, since this GPU has no bf16.")
    if cpu_has_bf16():
        return Precision("bf16", "Precision bf16, which this CPU has.")
    return Precision("fp32", "Precision fp32, since this CPU has no bf16 instructions.")


def cpu_has_bf16() -> bool:
    """Return whether the CPU multiplies bf16 in hardware; emulated, it is slower than fp32."""
    import torch

    found = torch.cpu.get_capabilities()
    return any(bool(found.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def check_optimizer(optim: str, *, device: str) -> None:
    """Refuse an optimizer that this machine cannot run.

    Raises:
        ConfigError: 8-bit AdamW was asked for without CUDA or without bitsandbytes.
    """
    if optim != "adamw_bnb_8bit":
        return
    if device != "cuda":
        raise ConfigError("`optim` adamw_bnb_8bit needs CUDA, and this machine has none; use adamw_torch.")
    import importlib.util

    if importlib.util.find_spec("bitsandbytes") is None:
        raise ConfigError(
            "`optim` adamw_bnb_8bit needs the bitsandbytes package: `pip install bitsandbytes`, or use adamw_torch."
        )


def read_usage() -> dict[str, int | None]:
    """Read the memory that this process has, in MiB, and what the GPU that it computes on is at, a few times a second at most.

    A GPU's memory is what all processes have of it; its load, in percent, is None where it is not told.
    """
    return _read_usage(int(time.monotonic() * USAGE_HZ))


@functools.lru_cache(maxsize=1)
def _read_usage(moment: int) -> dict[str, int | None]:
    import psutil
    import torch

    memory_mib = psutil.Process().memory_info().rss >> 20
    if not torch.cuda.is_available():
        return {"memory_mib": memory_mib}
    free, total = torch.cuda.mem_get_info()
    return {"memory_mib": memory_mib, "gpu_memory_mib": (total - free) >> 20, "gpu_percent": _read_gpu_percent()}


def _read_gpu_percent() -> int | None:
    import torch

    try:
        import pynvml
    except ImportError:
        return None
    try:
        return torch.cuda.utilization()
    except (RuntimeError, pynvml.NVMLError):  # a slice of a shared GPU (MIG) does not tell its load
        return None
