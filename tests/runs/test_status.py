"""status.json: its parts are typed, and what the first version wrote is read as if this one had."""

import json

import pytest

from agnews_core.config import TrainConfig
from agnews_core.errors import RunError
from agnews_core.runs import RunStatus, create_run
from agnews_core.runs.status import parse_status

PLAN = {
    "backbone": "all-MiniLM-L6-v2", "n_layers": 6, "layer_ranks": {"4": 8, "5": 8}, "trainable_parameters": 3,
    "lora_parameters": 2, "head_parameters": 1, "total_parameters": 9,
}  # fmt: skip
DATA = {
    "source": "sample", "n_read": 10, "n_empty": 1, "n_duplicates": 0, "n_in_test": 0, "n_train": 8, "n_validation": 1,
    "n_test": 0, "n_test_empty": 0,
}  # fmt: skip
FIRST_VERSION = {
    "state": "finished", "phase": "done", "step": 2, "max_steps": 2, "created_at": "2026-11-24T08:43:22+00:00", "queued_at": "",
    "started_at": "2026-11-24T08:43:27+00:00", "ended_at": "2026-11-24T08:43:43+00:00", "device": "cpu", "precision": "bf16",
    "backbone_source": "bundled", "notes": ["A note."], "plan": PLAN, "data": DATA, "versions": {"python": "3.11"},
    "resolved": {"backbone": "all-MiniLM-L6-v2", "data": "sample"},
    "result": {
        **PLAN, "run_dir": "runs/x", "state": "finished", "data_source": "sample", "n_train": 8, "n_validation": 1,
        "eval_accuracy": 0.5, "eval_f1": None, "train_runtime_seconds": 1.5, "train_samples_per_second": 9.0,
        "stopped_early": False,
    },
}  # fmt: skip


def test_what_the_first_version_wrote_is_read_in_full():
    status = parse_status(json.dumps(FIRST_VERSION))
    assert (status.schema_version, status.state, status.step, status.notes) == (2, "finished", 2, ("A note.",))
    assert status.plan.layer_ranks == {4: 8, 5: 8}
    assert status.data.n_validation == 1
    assert (status.result.eval_accuracy, status.result.eval_f1) == (0.5, None)
    resolved = status.resolved
    assert (resolved.backbone, resolved.backbone_source, resolved.data) == ("all-MiniLM-L6-v2", "bundled", "sample")
    assert (resolved.device, resolved.precision, resolved.data_source) == ("cpu", "bf16", "sample")
    assert resolved.layer_ranks == {4: 8, 5: 8}
    assert (resolved.backbone_fingerprint, resolved.data_digest) == ("", "")


def test_a_run_of_the_first_version_that_had_not_begun_is_read():
    not_yet = {"plan": {}, "data": {}, "resolved": {}, "result": {}, "device": "", "precision": ""}
    status = parse_status(json.dumps({"state": "queued", "created_at": "2026-11-24T08:43:22+00:00", **not_yet}))
    assert (status.plan, status.data, status.resolved, status.result) == (None, None, None, None)


def test_what_is_read_is_written_in_this_version_with_the_next_change(tmp_path):
    run = create_run(tmp_path, TrainConfig())
    (run.path / "status.json").write_text(json.dumps(FIRST_VERSION))
    run.update_status(reason="Changed.")
    written = (run.path / "status.json").read_text()
    assert json.loads(written)["schema_version"] == 2
    assert RunStatus.model_validate_json(written) == parse_status(written) == run.read_status()
    assert run.read_status().resolved.device == "cpu"


@pytest.mark.parametrize(
    "change",
    [
        {"plan": []},
        {"plan": {"backbone": "x"}},
        {"data": {**DATA, "n_train": "many"}},
        {"resolved": "auto"},
        {"resolved": {"backbone": ["x"], "data": "sample"}},
        {"result": {"eval_accuracy": {}}},
        {"started_at": "yesterday"},
        {"ended_at": "2026-11-24T08:43:22"},
        {"schema_version": 3},
    ],
)
def test_a_part_of_a_wrong_type_reads_as_damage(tmp_path, change):
    run = create_run(tmp_path, TrainConfig(), name="odd")
    (run.path / "status.json").write_text(json.dumps({**FIRST_VERSION, **change}))
    with pytest.raises(RunError, match=r"The run odd has no readable status\.json\."):
        run.read_status()
    status = run.read_status_or_damage()
    assert (status.state, status.reason) == ("failed", "The run odd has no readable status.json.")
