"""What a layer takes is measured on this machine: once for all who ask, and anew after some minutes."""

import json
import shutil
import threading

import pytest

from agnews_core.models.backbones import load_backbone_config
from agnews_core.training import probe
from agnews_core.training.probe import LayerCost, probe_layer


def test_the_probe_finds_what_a_token_takes(tiny_backbone):
    found = probe_layer(str(tiny_backbone), "cpu", "fp32")
    assert found.forward_seconds > 0
    assert found.step_seconds > found.forward_seconds
    # In fp32: query, key, value, what attention gives, two normed sums, GELU's two sides; and the embeddings' own of these.
    config = load_backbone_config(str(tiny_backbone))
    assert 4 * 5 * config.hidden_size < found.kept_bytes < 4 * (40 * config.hidden_size + 6 * config.intermediate_size)


@pytest.fixture
def measured(monkeypatch) -> list[float]:
    """The costs that are measured from now on, the last one first; whoever asks too often finds none left."""
    costs: list[float] = []

    def measure(*key):
        seconds = costs.pop()
        return LayerCost(seconds, seconds, 1.0)

    monkeypatch.setattr(probe, "_PROBED", {})
    monkeypatch.setattr(probe, "_measure_layer", measure)
    return costs


def test_many_who_ask_at_once_wait_for_one_measurement(measured):
    measured.append(1.0)
    found: list[LayerCost] = []
    threads = [threading.Thread(target=lambda: found.append(probe_layer("x", "cpu", "fp32"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [cost.forward_seconds for cost in found] == [1.0] * 8


def test_a_measurement_on_a_busy_machine_is_made_again_after_some_minutes_and_the_least_counts(measured, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(probe.time, "monotonic", lambda: now[0])
    measured += [2.0, 1.0, 5.0]
    seen = []
    for minutes in (0, 1, 6, 7, 12):
        now[0] = minutes * 60.0
        seen.append(probe_layer("x", "cpu", "fp32").forward_seconds)
    assert seen == [5.0, 5.0, 1.0, 1.0, 1.0]


def test_a_backbone_whose_padding_is_a_late_token_is_probed(tiny_backbone, tmp_path):
    folder = shutil.copytree(tiny_backbone, tmp_path / "padded")
    config = json.loads((folder / "config.json").read_text()) | {"pad_token_id": 9}
    (folder / "config.json").write_text(json.dumps(config))
    assert probe_layer(str(folder), "cpu", "fp32").forward_seconds > 0
