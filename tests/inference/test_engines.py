import threading

import numpy as np
import pytest
import torch

from agnews_core.errors import ConfigError
from agnews_core.inference import engines
from agnews_core.inference.engines import Engine, build_engine, choose_engine
from agnews_core.inference.read_ahead import read_ahead

IDS = np.array([[0, 5, 6, 2], [0, 7, 2, 1]])
MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0]])


class _HiddenStates(torch.nn.Module):
    """A trunk: its output is one tensor per token, not one per text."""

    def __init__(self, folder):
        super().__init__()
        from transformers import AutoModel

        self.model = AutoModel.from_pretrained(folder, add_pooling_layer=False)

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


@pytest.fixture(scope="module")
def trunk(tiny_backbone):
    return _HiddenStates(tiny_backbone).eval()


@pytest.fixture(scope="module")
def expected(trunk):
    with torch.inference_mode():
        return trunk(torch.from_numpy(IDS), torch.from_numpy(MASK)).numpy()


@pytest.mark.parametrize(("name", "tolerance"), [("torch", 1e-6), ("torch-bf16", 0.1), ("openvino", 0.1)])
def test_an_engine_computes_what_its_module_does(trunk, expected, name, tolerance):
    engine = build_engine(trunk, name=name)
    found = engine(IDS, MASK)
    assert (engine.name, found.dtype, found.shape) == (name, np.float32, (2, 4, 32))
    assert found == pytest.approx(expected, abs=tolerance)
    assert next(trunk.parameters()).dtype == torch.float32, "the module itself has changed"


def test_batches_come_back_in_their_order_while_the_next_ones_are_asked_for():
    gate = threading.Event()

    def compute(ids, _mask):
        assert ids[0, 0] or gate.wait(10), "the first batch waited in vain for the second to be asked for"
        return ids.astype(np.float32)

    def make_batches():
        for number in range(9):
            if number == 1:
                gate.set()
            yield np.full((1, 1), number), MASK

    engine = Engine("torch", "fp32", compute, n_streams=2)
    assert [int(result[0, 0]) for result in engine.map(make_batches())] == list(range(9))


def test_an_error_in_a_batch_reaches_the_one_who_asked():
    def fail(_ids, _mask):
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        list(Engine("torch", "fp32", fail).map([(IDS, MASK)]))


def test_few_batches_are_drawn_before_their_results_are_taken():
    drawn = []

    def make_batches():
        for number in range(100):
            drawn.append(number)
            yield IDS, MASK

    results = Engine("torch", "fp32", lambda ids, _: ids.astype(np.float32), n_streams=2).map(make_batches())
    next(results)
    assert len(drawn) == 3
    results.close()


def test_an_item_is_made_while_the_last_one_is_used_and_no_more_than_one():
    made = [threading.Event() for _ in range(4)]

    def make():
        for number, event in enumerate(made):
            event.set()
            yield number

    items = read_ahead(make())
    assert next(items) == 0
    assert made[1].wait(10)
    assert not made[2].wait(0.05)
    assert list(items) == [1, 2, 3]


def test_an_error_ahead_comes_where_its_item_would():
    def make():
        yield 1
        raise ValueError("a damaged line")

    items = read_ahead(make())
    assert next(items) == 1
    with pytest.raises(ValueError, match="a damaged line"):
        next(items)


def test_an_engine_that_this_machine_does_not_have_is_refused(monkeypatch):
    monkeypatch.setattr(engines, "choose_device", lambda: "cpu")
    for name in ("cuda", "tensorrt"):
        monkeypatch.setenv("AGNEWS_ENGINE", name)
        with pytest.raises(
            ConfigError,
            match=f"AGNEWS_ENGINE is '{name}'; on this machine it can be openvino, torch-bf16, torch, or unset.",
        ):
            choose_engine()


def test_an_engine_that_is_named_is_taken(monkeypatch):
    for name in ("torch", "torch-bf16", "openvino"):
        monkeypatch.setenv("AGNEWS_ENGINE", name)
        assert choose_engine() == name
