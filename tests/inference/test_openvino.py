import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from agnews_core.errors import CheckpointError
from agnews_core.inference import compiled, openvino_engine
from agnews_core.inference.engines import build_engine, load_engine

IDS = np.array([[0, 5, 6, 2], [0, 7, 2, 1]])
MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0]])


class _Embedded(torch.nn.Module):
    """As small as a module can be that has weights and knows padding."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(10, 4)

    def forward(self, input_ids, attention_mask):
        return self.embedding(input_ids) * attention_mask[..., None]


@pytest.fixture
def module():
    torch.manual_seed(0)
    return _Embedded().eval()


@pytest.fixture(autouse=True)
def _openvino_and_an_empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("AGNEWS_ENGINE", "openvino")
    monkeypatch.setenv("AGNEWS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(openvino_engine, "cpu_has_bf16", lambda: True)  # where it has not, OpenVINO takes fp32 for it


def _compute(module):
    with torch.inference_mode():
        return module(torch.from_numpy(IDS), torch.from_numpy(MASK)).numpy()


def _refuse():
    raise AssertionError("the module is built again")


def _find_kept(tmp_path):
    (kept,) = (tmp_path / "cache" / "compiled").iterdir()
    return kept


def test_what_was_compiled_once_is_not_built_again(module):
    first = load_engine(lambda: module, key="one")
    again = load_engine(_refuse, key="one")
    assert (again.name, again.reason) == ("openvino", "")
    assert (again(IDS, MASK) == first(IDS, MASK)).all()
    assert again(IDS, MASK) == pytest.approx(_compute(module), abs=0.02)


def test_another_key_is_another_module(module):
    load_engine(lambda: module, key="one")
    other = _Embedded().eval()
    found = load_engine(lambda: other, key="other")
    assert found(IDS, MASK) == pytest.approx(_compute(other), abs=0.02)


def _cut(content):
    return content[: len(content) // 2]


def _flip(content):
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


@pytest.mark.parametrize("damage", [_cut, _flip, lambda _: b""], ids=["cut", "one bit", "empty"])
def test_a_damaged_compiled_model_is_made_again(module, tmp_path, caplog, damage):
    load_engine(lambda: module, key="one")
    kept = _find_kept(tmp_path)
    kept.write_bytes(damage(kept.read_bytes()))
    engine = load_engine(lambda: module, key="one")
    assert f"The compiled model {kept} is damaged and is made again." in caplog.text
    assert engine(IDS, MASK) == pytest.approx(_compute(module), abs=0.02)
    load_engine(_refuse, key="one")


def test_a_compiled_model_that_openvino_refuses_is_made_again(module):
    compiled.write(openvino_engine._name("one", "bf16"), b"made on another processor")
    assert load_engine(lambda: module, key="one")(IDS, MASK) == pytest.approx(_compute(module), abs=0.02)
    load_engine(_refuse, key="one")


def test_without_a_place_to_keep_it_a_model_is_compiled_each_time(module, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where the folder should be")
    engine = load_engine(lambda: module, key="one")
    assert (engine.name, engine.reason) == ("openvino", "")
    assert "The compiled model could not be kept in" in caplog.text
    with pytest.raises(AssertionError, match="built again"):
        load_engine(_refuse, key="one")


def test_what_was_not_used_for_the_longest_time_makes_room(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "MAX_BYTES", 3000)
    torn = tmp_path / "cache" / "compiled" / ".torn.model.17.4"  # by a process that was killed
    torn.parent.mkdir(parents=True)
    torn.write_bytes(bytes(500))
    os.utime(torn, (0, 0))
    for at, key in enumerate(("first", "second")):
        compiled.write(key, bytes(1000))
        os.utime(compiled._find_path(key), (at, at))
    assert compiled.read("first") == bytes(1000)
    compiled.write("third", bytes(1000))
    assert compiled.read("second") is None
    assert not torn.exists()
    assert compiled.read("first") == compiled.read("third") == bytes(1000)


def test_without_openvino_pytorch_takes_its_place_and_it_is_said(module, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "agnews_core.inference.openvino_engine")
    engine = load_engine(lambda: module, key="one")
    assert engine.name in ("torch-bf16", "torch")
    assert engine.reason.startswith("OpenVINO could not be used (ModuleNotFoundError: import of openvino halted")
    assert engine.reason.endswith("; PyTorch computes instead, more slowly.")
    assert engine.reason in caplog.text
    assert engine(IDS, MASK) == pytest.approx(_compute(module), abs=0.02)


class _Unknown(_Embedded):
    def forward(self, input_ids, attention_mask):
        return super().forward(input_ids, attention_mask) + torch.linalg.eigvalsh(torch.eye(4) * input_ids.sum())


def test_a_module_that_openvino_cannot_do_is_computed_by_pytorch_and_it_is_said(caplog):
    module = _Unknown().eval()
    engine = build_engine(module)
    assert engine.name != "openvino"
    assert engine.reason == ("OpenVINO could not be used (OpConversionFailure); PyTorch computes instead, more slowly.")
    assert engine.reason in caplog.text
    assert engine(IDS, MASK) == pytest.approx(_compute(module), rel=0.02, abs=0.02)


class _Branching(_Embedded):
    def forward(self, input_ids, attention_mask):
        sign = 1 if input_ids.shape[1] < 6 else -1  # what is traced with a short text is wrong for a long one
        return sign * super().forward(input_ids, attention_mask)


def test_a_module_that_was_compiled_wrongly_is_computed_by_pytorch(tmp_path):
    engine = build_engine(_Branching().eval(), key="one")
    assert engine.name != "openvino"
    assert "ArithmeticError: its numbers are 200% off" in engine.reason
    assert not (tmp_path / "cache").exists()


class _Short(_Embedded):
    """What is traced with a short text has too few places for a long one, which OpenVINO finds out when it computes it."""

    def __init__(self):
        super().__init__()
        self.places = torch.nn.Embedding(40, 4)

    def forward(self, input_ids, attention_mask):
        n_tokens = input_ids.shape[1]
        places = self.places.weight[:10] if n_tokens <= 10 else self.places.weight
        return super().forward(input_ids, attention_mask) + places[:n_tokens]


@pytest.fixture
def short():
    torch.manual_seed(0)
    return _Short().eval()


def _make_batches(*lengths):
    return [(np.full((2, n), n % 10), np.ones((2, n), dtype=np.int64)) for n in lengths]


def test_where_openvino_fails_in_a_batch_pytorch_goes_on_from_there_and_it_is_said(short, caplog):
    engine, batches = build_engine(short), _make_batches(3, 4, 5, 20, 30, 6, 25, 7)
    assert (engine.name, engine.reason) == ("openvino", "")
    found = list(engine.map(batches))
    with torch.inference_mode():
        wanted = [short(*map(torch.from_numpy, batch)).numpy() for batch in batches]
    assert [states.shape for states in found] == [states.shape for states in wanted]
    for own, other in zip(found, wanted, strict=True):
        assert own == pytest.approx(other, abs=0.1)
    assert engine.name in ("torch-bf16", "torch")
    assert engine.title in ("PyTorch in bf16", "PyTorch in fp32")
    assert engine.reason.startswith("OpenVINO failed while it computed (RuntimeError")
    assert engine.reason.endswith("); PyTorch computes instead, more slowly.")
    assert caplog.text.count(engine.reason) == 1, "two batches at once fail, and one engine stands in"


def test_what_was_compiled_before_is_built_only_when_it_fails(short):
    load_engine(lambda: short, key="one")
    built = []
    engine = load_engine(lambda: built.append(short) or short, key="one")
    engine(*_make_batches(5)[0])
    assert (engine.name, built) == ("openvino", [])
    for _ in range(2):
        (batch,) = _make_batches(20)
        with torch.inference_mode():
            assert engine(*batch) == pytest.approx(short(*map(torch.from_numpy, batch)).numpy(), abs=0.1)
    assert engine.name != "openvino"
    assert built == [short]


def test_where_nothing_can_stand_in_the_error_says_why(short):
    load_engine(lambda: short, key="one")

    def build():
        raise CheckpointError("The adapter is gone.")

    engine = load_engine(build, key="one")
    with pytest.raises(CheckpointError, match="The adapter is gone"):
        list(engine.map(_make_batches(5, 20)))
    (batch,) = _make_batches(5)
    assert engine(*batch).shape == (2, 5, 4)


def test_many_callers_at_once_get_their_own_numbers(module):
    engine, wrong = build_engine(module), []

    def ask(number):
        ids = np.full((1, number), number)
        for _ in range(50):
            found = engine(ids, np.ones_like(ids))
            if not (found == engine(ids, np.ones_like(ids))).all() or found.shape != (1, number, 4):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


WATCHED = """
import socket, sys
def watch(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__",):
        print("network:", event, arguments)
sys.addaudithook(watch)
import torch
from agnews_core.inference.engines import build_engine
class Module(torch.nn.Module):
    def forward(self, input_ids, attention_mask):
        return (input_ids * attention_mask).float()
engine = build_engine(Module().eval(), name="openvino")
import openvino.tools.ovc
print(engine.name, type(openvino.tools.ovc.telemetry).__module__)
"""


def test_openvino_sends_nothing_and_writes_nothing_of_its_own(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "USERPROFILE": str(home)}
    for name in ("CI", "TF_BUILD", "JENKINS_URL"):  # where it holds still anyway
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split("\n") == ["openvino openvino.tools.ovc.telemetry_stub", ""]
    assert not (home / "intel").exists()


def test_a_run_that_could_not_use_openvino_says_so_in_its_notes(tiny_settings, tmp_path, monkeypatch):
    from agnews_core.config import build_config
    from agnews_core.runs import create_run
    from agnews_core.training.recipe import train

    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "agnews_core.inference.openvino_engine")
    run = create_run(tmp_path, build_config({**tiny_settings, "max_steps": 1}), name="one")
    status = train(run)
    assert status.resolved.engine == "openvino"
    assert status.result.engine.startswith("PyTorch in ")
    assert any(note.startswith("OpenVINO could not be used (ModuleNotFoundError") for note in status.notes)


class _Failing:
    """OpenVINO's own engine, which from some batch on is given texts and masks that do not fit each other."""

    def __init__(self, monkeypatch, *, after):
        self.n_left, self.n_refused, build = after, 0, openvino_engine._build_engine

        def build_failing(model, precision):
            engine = build(model, precision)
            compute = engine.compute

            def compute_or_fail(ids, mask):
                self.n_left -= 1
                if self.n_left >= 0:
                    return compute(ids, mask)
                self.n_refused += 1
                return compute(ids, np.ones((len(mask), mask.shape[1] + 1), dtype=np.int64))

            engine.compute = compute_or_fail
            return engine

        monkeypatch.setattr(openvino_engine, "_build_engine", build_failing)


def test_a_run_in_which_openvino_fails_has_the_accuracy_of_all_texts_and_says_so(tiny_settings, tmp_path, monkeypatch):
    from agnews_core.config import build_config
    from agnews_core.runs import create_run
    from agnews_core.training.recipe import train

    failing = _Failing(monkeypatch, after=1)  # when it is checked
    run = create_run(tmp_path, build_config({**tiny_settings, "max_steps": 1, "replay": "off"}), name="one")
    status = train(run)
    assert failing.n_refused >= 1
    assert status.state == "finished"
    assert status.result.n_evaluated == 16
    assert status.result.engine.startswith("PyTorch in ")
    assert any(note.startswith("OpenVINO failed while it computed (RuntimeError") for note in status.notes)


def test_frozen_layers_that_openvino_fails_to_compute_are_computed_to_the_end_and_it_is_said(
    tiny_settings, tmp_path, monkeypatch
):
    from agnews_core.config import build_config
    from agnews_core.runs import create_run
    from agnews_core.training.recipe import train

    failing = _Failing(monkeypatch, after=3)
    settings = {**tiny_settings, "max_steps": 1, "precision": "bf16", "replay": "on"}
    status = train(create_run(tmp_path, build_config(settings), name="one"))
    assert failing.n_refused >= 1
    assert status.state == "finished"
    assert status.resolved.replay.engine.startswith("torch")
    assert any(note.startswith("OpenVINO failed while it computed (RuntimeError") for note in status.notes)
