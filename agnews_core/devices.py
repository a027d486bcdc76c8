"""What this machine computes with: CPU or CUDA, how many cores, which precision, how busy. It knows nothing of models."""

import contextlib
import functools
import math
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agnews_core.errors import ConfigError

GROUPS = Path("/sys/fs/cgroup")
GROUPS_OF_PROCESS = Path("/proc/self/cgroup")
USAGE_HZ = 2  # how often usage is asked for at most
# Turns of the loop in which a thread of libgomp waits for the others before it gives its core away. Ten small layers on two cores
# took 10.3 ms with 10,000 and with endless turns, 14.7 ms with none; beside another such program 29, 34 and 19 ms, and 272 ms
# as libgomp does unasked.
SPIN_COUNT = 10_000


@dataclass(frozen=True)
class Precision:
    """The number format chosen, "fp32", "bf16" or "fp16", and why in one sentence."""

    name: str
    reason: str


def count_cores(*, proc: Path = GROUPS_OF_PROCESS, cgroups: Path = GROUPS) -> int:
    """Return how many cores this process may keep busy: its affinity and its container's share, not the machine's count.

    Who sets OMP_NUM_THREADS has decided that already. A share such as 1.5 cores counts as 2.

    Args:
        proc: Which control groups this process is in.
        cgroups: Where these are described.
    """
    if (wanted := os.environ.get("OMP_NUM_THREADS", "")).isdecimal():
        return max(1, int(wanted))
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = (share for group in _find_groups("cpu", proc, cgroups) for share in _read_share(group))
    return max(1, math.ceil(min([own, *shares])))


def _find_groups(controller: str, proc: Path, cgroups: Path) -> Iterator[Path]:
    """Yield the folders of this process's control groups, and of those above them, that may limit what a controller rations."""
    try:
        groups = [line.split(":", 2)[1:] for line in proc.read_text().splitlines()]
    except OSError:  # another system than Linux
        return
    for controllers, name in groups:
        if controllers and controller not in controllers.split(","):
            continue
        root = cgroups / controllers if controllers else cgroups
        folder = root / name.lstrip("/")
        # A container sees its own group as the root, whatever it is called outside.
        yield from {root, *(above for above in (folder, *folder.parents) if above.is_relative_to(root))}


def _read_share(group: Path) -> Iterator[float]:
    """Yield the share that a group of version 2 or 1 sets, if it sets one."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return
    if quota.isdecimal():  # not "max", not -1
        yield int(quota) / int(period)


def expect_own_cores() -> None:
    """Let threads wait for each other awake for some microseconds: for a program that shares its cores with nobody.

    It must be called before torch is loaded. Without it they sleep at once (see the package's `__init__`), as is best beside a
    page that answers while it trains. Only libgomp, torch's library on Linux, obeys.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))


def choose_device() -> str:
    """Return "cuda" where PyTorch sees a GPU, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def describe_machine() -> str:
    """Return what computes here, as its maker calls it, and how many cores of it."""
    import torch

    if choose_device() == "cuda":
        return f"{count_gpus()} x {torch.cuda.get_device_name(0)}"
    cores = count_cores()
    return f"{_read_processor()}, {cores} core{'s' if cores > 1 else ''}"


def _read_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not on Linux
        lines = []
    named = next((line for line in lines if line.startswith("model name")), "")
    return named.partition(":")[2].strip() or platform.processor() or platform.machine()


def count_gpus() -> int:
    """Return how many GPUs PyTorch sees."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def describe_spare_gpus(device: str, *, n_processes: int) -> str:
    """Return a sentence on the GPUs that are not used, with a process on each of the others, or "" where there is none."""
    n_gpus = count_gpus() if device == "cuda" else 0
    if n_processes >= n_gpus:
        return ""
    used = "One" if n_processes == 1 else n_processes
    return f"{used} of this machine's {n_gpus} GPUs {'is' if n_processes == 1 else 'are'} used; `accelerate launch` uses all."


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


def cpu_has_int8() -> bool:
    """Return whether the CPU multiplies int8 and adds up in one instruction, 64 at a time (AVX-512 VNNI).

    With the same instruction for 32, told to do without AVX-512, OpenVINO 2026.4 did not come to an end.
    """
    import torch

    return bool(torch.cpu.get_capabilities().get("avx512_vnni"))


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


def read_available_memory(*, proc: Path = GROUPS_OF_PROCESS, cgroups: Path = GROUPS) -> int:
    """Read how many bytes of memory this process could still take: of the machine's, and of what its container leaves.

    Args:
        proc: Which control groups this process is in.
        cgroups: Where these are described.
    """
    import psutil

    limits = (left for group in _find_groups("memory", proc, cgroups) for left in _read_memory_left(group))
    return max(0, min([int(psutil.virtual_memory().available), *limits]))


def _read_memory_left(group: Path) -> Iterator[int]:
    """Yield what a group of version 2 or 1 leaves, if it sets a limit. Pages of files are given back when memory is needed."""
    for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
        with contextlib.suppress(OSError, ValueError):  # there is none, or it is "max"
            statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            files = int(statistics.get("total_inactive_file", statistics.get("inactive_file", "0")))
            yield int((group / limit).read_text()) - int((group / used).read_text()) + files


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
