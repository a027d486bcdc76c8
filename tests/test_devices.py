"""What this machine computes with, and what it refuses."""

import os
import subprocess
import sys
import types
from pathlib import Path

import psutil
import pynvml
import pytest
import torch

from agnews_core import devices
from agnews_core.devices import (
    SPIN_COUNT,
    check_optimizer,
    choose_device,
    choose_precision,
    count_cores,
    cpu_has_bf16,
    cpu_has_int8,
    read_available_memory,
    read_usage,
)
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


@pytest.fixture
def gpu(monkeypatch):
    """The second of two GPUs, 3 of its 4 GiB in use, as CUDA and NVML tell of it; what comes is the indices NVML is asked for."""
    asked = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (2**30, 4 * 2**30))
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: asked.append(index) or index)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", lambda handle: types.SimpleNamespace(gpu=97))
    devices._read_usage.cache_clear()
    yield asked
    devices._read_usage.cache_clear()


def test_usage_is_of_the_gpu_that_this_process_computes_on(gpu):
    usage = read_usage()
    assert (usage["gpu_percent"], usage["gpu_memory_mib"]) == (97, 3072)
    assert usage["memory_mib"] > 0
    assert set(gpu) == {1}


def test_usage_is_asked_for_a_few_times_a_second_at_most(gpu, monkeypatch):
    moments = iter([1.0, 1.1, 1.4, 1.6])
    monkeypatch.setattr(devices.time, "monotonic", lambda: next(moments))
    monkeypatch.setattr(torch.cuda, "utilization", lambda: gpu.append("asked") or 97)
    for _ in range(4):
        read_usage()
    assert gpu == ["asked"] * 2


@pytest.mark.parametrize("error", [pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED), RuntimeError("no such device")])
def test_what_a_gpu_does_not_tell_does_not_hide_what_it_does(gpu, monkeypatch, error):
    def fail(handle):
        raise error

    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", fail)
    usage = read_usage()
    assert (usage["gpu_percent"], usage["gpu_memory_mib"]) == (None, 3072)


def test_a_machine_without_the_nvml_package_does_not_tell_the_load(gpu, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert read_usage()["gpu_percent"] is None


def test_a_machine_without_cuda_tells_its_memory_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    devices._read_usage.cache_clear()
    assert set(read_usage()) == {"memory_mib"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_real_gpu_tells_its_usage():
    assert read_usage()["gpu_memory_mib"] > 0


@pytest.fixture
def count(tmp_path, monkeypatch):
    """Count the cores of a process in these control groups, on a machine that it may use eight cores of."""
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))

    def count(groups: str, files: dict[str, str]) -> int:
        (tmp_path / "cgroup").write_text(groups)
        for name, text in files.items():
            (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "fs" / name).write_text(text)
        return count_cores(proc=tmp_path / "cgroup", cgroups=tmp_path / "fs")

    return count


V1 = {"cpu,cpuacct/docker/a/cpu.cfs_period_us": "100000\n", "cpu,cpuacct/cpu.cfs_quota_us": "-1\n"}


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/\n", {}, 8),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "1600000 100000\n"}, 8),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3),
        ("0::/outside/name\n", {"cpu.max": "200000 100000\n"}, 2),
        ("4:cpu,cpuacct:/docker/a\n", {**V1, "cpu,cpuacct/docker/a/cpu.cfs_quota_us": "400000\n"}, 4),
        ("4:memory:/a\n0::/\n", {"memory/a/cpu.max": "100000 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "what\n"}, 8),
    ],
)
def test_cores_are_those_that_the_container_gives(count, groups, files, cores):
    assert count(groups, files) == cores


def test_cores_are_those_that_the_process_may_run_on(count, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert count("0::/\n", {"cpu.max": "400000 100000\n"}) == 1


def test_who_sets_the_number_of_threads_has_decided_it(count, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert count("0::/\n", {"cpu.max": "100000 100000\n"}) == 3


def test_a_machine_without_control_groups_counts_its_cores(monkeypatch, tmp_path):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert count_cores(proc=tmp_path / "none", cgroups=tmp_path) == 6


@pytest.mark.skipif(sys.platform != "linux", reason="libgomp is torch's library on Linux")
@pytest.mark.parametrize(
    ("program", "spin"),
    [
        (["-m", "agnews_core", "plan", "--data", "sample", "--backbone", "all-MiniLM-L6-v2"], SPIN_COUNT),
        (["-c", "import agnews_core, torch"], 0),  # as in the page and in the process that trains beside it
    ],
)
def test_threads_wait_awake_on_the_command_line_and_asleep_beside_the_page(program, spin):
    environment = {**os.environ, "OMP_DISPLAY_ENV": "VERBOSE"}  # libgomp says what it obeys
    done = subprocess.run(
        [sys.executable, *program],
        cwd=Path(__file__).parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{spin}'" in done.stderr


MEMORY_V2 = {"memory.max": "3000000\n", "memory.current": "2500000\n", "memory.stat": "anon 1\ninactive_file 700000\n"}
MEMORY_V1 = {
    "memory/a/memory.limit_in_bytes": "3000000",
    "memory/a/memory.usage_in_bytes": "2000000",
    "memory/a/memory.stat": "",
}


@pytest.mark.parametrize(
    ("groups", "files", "available"),
    [
        ("0::/\n", MEMORY_V2, 1_200_000),
        ("0::/\n", {**MEMORY_V2, "memory.max": "max\n"}, 8_000_000),
        ("0::/\n", {**MEMORY_V2, "memory.max": "1000000\n"}, 0),
        ("5:memory:/a\n", MEMORY_V1, 1_000_000),
        ("5:cpu:/a\n", MEMORY_V1, 8_000_000),
        ("0::/\n", {}, 8_000_000),
    ],
)
def test_the_memory_to_be_had_is_what_the_container_leaves(monkeypatch, tmp_path, groups, files, available):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(available=8_000_000))
    (tmp_path / "cgroup").write_text(groups)
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    assert read_available_memory(proc=tmp_path / "cgroup", cgroups=tmp_path / "fs") == available


@pytest.mark.parametrize(
    ("capabilities", "has"), [({"avx512_vnni": True}, True), ({"avx_vnni": True}, False), ({}, False)]
)
def test_only_the_wide_int8_instructions_count(monkeypatch, capabilities, has):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert cpu_has_int8() is has
