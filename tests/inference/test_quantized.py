import numpy as np
import pytest
import torch

from agnews_core.inference import openvino_engine
from agnews_core.inference.engines import Engine, build_engine, load_engine
from agnews_core.inference.quantized import CLOSE_CALL, look_twice

IDS = np.arange(40).reshape(8, 5)
MASK = np.ones_like(IDS)


class _Logits(torch.nn.Module):
    """A classifier of one layer, with weights enough for a group of int8."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(40, 256)
        self.dense = torch.nn.Linear(256, 256)
        self.classifier = torch.nn.Linear(256, 4)

    def forward(self, input_ids, attention_mask):
        hidden = (self.embedding(input_ids) * attention_mask[..., None]).sum(1)
        return 4 * self.classifier(torch.relu(self.dense(hidden)))


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return _Logits().eval()


@pytest.fixture(autouse=True)
def _a_processor_without_bf16(monkeypatch, tmp_path):
    monkeypatch.setenv("AGNEWS_ENGINE", "openvino")
    monkeypatch.setenv("AGNEWS_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(openvino_engine, "cpu_has_bf16", lambda: False)
    monkeypatch.setattr(openvino_engine, "cpu_has_int8", lambda: True)


def _find_margins(logits):
    second, first = np.sort(logits, axis=1)[:, -2:].T
    return first - second


def test_without_bf16_logits_come_from_int8_and_close_calls_from_fp32(module):
    found, exact = load_engine(lambda: module, key="one"), build_engine(module)
    assert (found.title, exact.title) == ("OpenVINO in int8", "OpenVINO in fp32")
    logits, wanted = found(IDS, MASK), exact(IDS, MASK)
    assert 0 < np.abs(logits - wanted).max() < 0.1
    close = (logits == wanted).all(axis=1)
    assert 0 < close.sum() < len(close), "the module has close calls and clear ones"
    assert (_find_margins(logits)[~close] >= CLOSE_CALL).all()
    assert _find_margins(wanted)[close].max() < CLOSE_CALL + 0.2


def test_what_was_compiled_in_int8_is_found_again(module):
    first = load_engine(lambda: module, key="one")
    again = load_engine(lambda: pytest.fail("the module is built again"), key="one")
    assert again.title == "OpenVINO in int8"
    assert (again(IDS, MASK) == first(IDS, MASK)).all()


def test_without_int8_instructions_all_is_fp32(module, monkeypatch):
    monkeypatch.setattr(openvino_engine, "cpu_has_int8", lambda: False)
    assert load_engine(lambda: module, key="one").title == "OpenVINO in fp32"


def test_only_close_calls_are_looked_at_twice():
    seen = []

    def compute_exactly(ids, mask):
        seen.append((ids.tolist(), mask.tolist()))
        return np.array([[0.0, 9.0]] * len(ids), dtype=np.float32)

    quick = Engine("openvino", "int8", lambda ids, _: np.array([[2.0, 1.0], [1.0, 0.9]], dtype=np.float32))
    twice = look_twice(quick, Engine("openvino", "fp32", compute_exactly))
    assert twice(np.array([[1], [2]]), np.array([[1], [1]])).tolist() == [[2.0, 1.0], [0.0, 9.0]]
    assert seen == [([[2]], [[1]])]
