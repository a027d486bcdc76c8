"""What this machine computes with, and what it refuses."""

import sys
import types

import pytest
import torch

from agnews_core import devices
from agnews_core.devices import check_optimizer, choose_device, choose_precision, cpu_has_bf16, read_gpu_usage
from agnews_core.errors import ConfigError


@pytest.mark.parametrize(("has_cuda", "device"), [(True, "cuda"), (False, "cpu")])
def test_cuda_is_taken_where_there_is_one(monkeypatch, has_cuda, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    assert choose_device() == device


@pytest.mark.parametrize("wanted", ["fp32", "bf16"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_precision_that_was_set_is_kept(wanted, device):
    chosen = choose_precision(wanted, device=device)
    assert (chosen.name, chosen.reason) == (wanted, f"Precision {wanted}, as set.")


def test_fp16_is_kept_on_cuda():
    assert choose_precision("fp16", device="cuda").name == "fp16"


def test_fp16_on_a_cpu_is_refused_with_the_ways_out():
    with pytest.raises(
        ConfigError, match=r"^`precision` fp16 needs CUDA, and this machine has none; use auto, bf16 or fp32\.$"
    ):
        choose_precision("fp16", device="cpu")


@pytest.mark.parametrize(
    ("has_bf16", "name", "reason"),
    [
        (True, "bf16", "Precision bf16, which this GPU has."),
        (False, "fp16", "Precision fp16, since this GPU has no bf16."),
    ],
)
def test_auto_on_cuda_is_bf16_else_fp16(monkeypatch, has_bf16, name, reason):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: has_bf16 or including_emulation
    )
    chosen = choose_precision("auto", device="cuda")
    assert (chosen.name, chosen.reason) == (name, reason)


@pytest.mark.parametrize(
    ("has_bf16", "name", "reason"),
    [
        (True, "bf16", "Precision bf16, which this CPU has."),
        (False, "fp32", "Precision fp32, since this CPU has no bf16 instructions."),
    ],
)
def test_auto_on_a_cpu_is_bf16_else_fp32(monkeypatch, has_bf16, name, reason):
    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: has_bf16)
    chosen = choose_precision("auto", device="cpu")
    assert (chosen.name, chosen.reason) == (name, reason)


@pytest.mark.parametrize(
    ("capabilities", "has_bf16"),
    [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"bf16": True}, True),
        ({"avx512_f": True, "avx512_bf16": False}, False),
    ],
)
def test_a_cpu_has_bf16_where_it_has_an_instruction_for_it(monkeypatch, capabilities, has_bf16):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert cpu_has_bf16() is has_bf16


def test_this_cpu_can_be_asked():
    assert cpu_has_bf16() in (True, False)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_plain_optimizer_runs_everywhere(device):
    check_optimizer("adamw_torch", device=device)


def test_an_8_bit_optimizer_without_cuda_is_refused():
    with pytest.raises(
        ConfigError, match=r"^`optim` adamw_bnb_8bit needs CUDA, and this machine has none; use adamw_torch\.$"
    ):
        check_optimizer("adamw_bnb_8bit", device="cpu")


def test_an_8_bit_optimizer_without_its_package_is_refused(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match="needs the bitsandbytes package: `pip install bitsandbytes`, or use adamw_torch"
    ):
        check_optimizer("adamw_bnb_8bit", device="cuda")


def test_an_8_bit_optimizer_with_cuda_and_its_package_is_taken(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: types.SimpleNamespace(name=name))
    check_optimizer("adamw_bnb_8bit", device="cuda")


# GPU usage: NVML itself is replaced, since most machines have none.


class NVMLError(Exception):
    pass


@pytest.fixture
def nvml(monkeypatch):
    """NVML with one GPU; `calls` holds what was opened and closed."""
    fake = types.ModuleType("pynvml")
    fake.calls = []
    fake.NVMLError = NVMLError
    fake.nvmlInit = lambda: fake.calls.append("init")
    fake.nvmlShutdown = lambda: fake.calls.append("shutdown")
    fake.nvmlDeviceGetHandleByIndex = lambda index: index
    fake.nvmlDeviceGetMemoryInfo = lambda handle: types.SimpleNamespace(used=3 * 2**30)
    fake.nvmlDeviceGetUtilizationRates = lambda handle: types.SimpleNamespace(gpu=97)
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


def fail(*args):
    raise NVMLError("Driver Not Loaded")


def test_gpu_usage_is_in_percent_and_mebibytes(nvml):
    assert read_gpu_usage() == {"gpu_percent": 97, "gpu_memory_mib": 3072}


def test_a_machine_without_an_nvidia_gpu_has_no_usage(nvml):
    nvml.nvmlInit = fail
    assert read_gpu_usage() == {}


def test_a_machine_without_the_nvml_package_has_no_usage(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert read_gpu_usage() == {}


def test_what_a_gpu_does_not_tell_does_not_hide_what_it_does(nvml):
    nvml.nvmlDeviceGetUtilizationRates = fail
    assert read_gpu_usage() == {"gpu_memory_mib": 3072}


def test_nvml_is_closed_even_when_it_fails(nvml):
    nvml.nvmlDeviceGetHandleByIndex = fail
    assert read_gpu_usage() == {}
    assert nvml.calls == ["init", "shutdown"]


def test_the_real_nvml_never_raises():
    assert isinstance(read_gpu_usage(), dict)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_real_gpu_tells_its_usage():
    assert read_gpu_usage()["gpu_memory_mib"] > 0
