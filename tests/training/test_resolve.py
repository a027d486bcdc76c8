"""What a config leaves open is decided alike for the plan that people look at and for the training itself."""

import shutil

import pytest
import torch

from agnews_core.config import TrainConfig, build_config
from agnews_core.errors import AgNewsError, CheckpointError, ConfigError, DataError
from agnews_core.runs import create_run
from agnews_core.training.estimate import assess
from agnews_core.training.recipe import train
from agnews_core.training.resolve import resolve


def test_a_plan_says_of_a_run_what_the_run_then_records(trained_run):
    status = trained_run.read_status()
    recorded = status.resolved
    assert recorded.backbone_fingerprint
    assert recorded.data_digest
    planned = resolve(trained_run.read_config(), missing=[])
    assert set(planned.notes) <= set(status.notes)
    assessment = assess(trained_run.read_config())
    assert assessment.evaluations == recorded.evaluations
    assert (assessment.replay.used, assessment.replay.reason) == (recorded.replay.used, recorded.replay.reason)
    known_once_loaded = {"backbone_fingerprint": "", "data_digest": "", "evaluations": None, "replay": None}
    assert planned.model_copy(update={"notes": ()}) == recorded.model_copy(update=known_once_loaded)


def test_a_plan_names_what_the_hub_has_and_downloads_nothing(local_hub):
    missing: list[AgNewsError] = []
    planned = resolve(TrainConfig(), missing=missing)
    assert (planned.backbone, planned.backbone_source) == ("roberta-base", "hub")
    assert (planned.data, planned.data_source) == ("hub", "hub (fancyzhx/ag_news)")
    assert planned.notes[0] == "Base model roberta-base will be downloaded from the hub."
    assert missing == []
    assert not any("resolve" in path for _, path in local_hub.asked)


def test_without_a_hub_what_is_bundled_stands_in_and_is_said():
    found = resolve(TrainConfig())
    assert (found.backbone, found.backbone_source, found.data) == ("all-MiniLM-L6-v2", "bundled", "sample")
    assert found.layer_ranks == {2: 16, 3: 24, 4: 32, 5: 32}
    assert "instead of roberta-base" in found.notes[0]
    assert found.notes[1].startswith("The news is the bundled sample, since")
    assert found.notes[2].startswith("Precision ")


def test_a_resolved_config_leaves_nothing_open_and_resolves_to_itself(tiny_backbone, tiny_news, monkeypatch):
    monkeypatch.chdir(tiny_backbone.parent)
    config = build_config({"backbone": tiny_backbone.name, "data": str(tiny_news), "layer_ranks": "-1:4,3:2"})
    found = resolve(config)
    settled = found.apply_to(config)
    assert (found.backbone_name, settled.backbone) == (tiny_backbone.name, str(tiny_backbone))
    assert settled.layer_ranks == {3: 2, 11: 4}
    monkeypatch.chdir("/")
    assert resolve(settled).apply_to(settled) == settled


def test_a_folder_deep_down_may_have_a_longer_path_than_a_setting(tiny_backbone, tmp_path, monkeypatch):
    folder = tmp_path / "/".join(["x" * 60] * 5)
    shutil.copytree(tiny_backbone, folder / "model")
    monkeypatch.chdir(folder)
    config = build_config({"backbone": "model", "data": "sample"})
    assert resolve(config).apply_to(config).backbone == str(folder / "model")


def test_a_plan_collects_what_a_run_could_not_begin_without(tmp_path):
    config = build_config({"backbone": "roberta-base", "data": str(tmp_path / "none")})
    missing: list[AgNewsError] = []
    planned = resolve(config, missing=missing)
    assert (planned.backbone, planned.backbone_source, planned.layer_ranks[11]) == ("roberta-base", "", 32)
    assert str(missing[0]).startswith("Base model 'roberta-base' is not a folder here, not in the hub's cache")
    assert str(missing[1]).startswith("There is no news folder ")
    with pytest.raises(CheckpointError, match="is not a folder here"):
        resolve(config)
    with pytest.raises(DataError, match="There is no news folder"):
        resolve(config.model_copy(update={"backbone": "all-MiniLM-L6-v2"}))


def test_ranks_of_layers_that_the_base_model_does_not_have_are_refused(tiny_backbone):
    with pytest.raises(ConfigError, match="names layer 12, but the backbone has layers 0 to 11"):
        resolve(build_config({"backbone": str(tiny_backbone), "data": "sample", "layer_ranks": "12:4"}), missing=[])


def test_a_second_gpu_is_left_alone_and_that_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    config = build_config({"backbone": "all-MiniLM-L6-v2", "data": "sample", "precision": "fp32"})
    said = "One of this machine's 2 GPUs is used; `accelerate launch` uses all."
    assert resolve(config, missing=[]).notes[-1] == said
    both = resolve(config, missing=[], n_processes=2)
    assert both.notes[-1] == "2 processes x 32 texts x 1 = 64 a step, at a learning rate of 0.0007."
    assert not any("GPU" in note for note in both.notes)


def test_a_run_that_cannot_be_built_is_refused_before_anything_is_downloaded(local_hub, tmp_path):
    config = build_config({"backbone": "roberta-base", "data": "sample", "max_trainable_parameters": 1000})
    with pytest.raises(ConfigError, match="1,472,260 trainable parameters exceed"):
        train(create_run(tmp_path, config))
    assert not any("resolve" in path for _, path in local_hub.asked)
