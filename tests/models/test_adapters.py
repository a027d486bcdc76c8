import json
import os
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from agnews_core.config import build_config
from agnews_core.errors import CheckpointError
from agnews_core.models.backbones import load_backbone
from agnews_core.models.lora import build_model, read_layer_ranks
from agnews_core.models.weights import load_model, save_adapter


@pytest.fixture(scope="module")
def seed_config(tiny_backbone):
    return build_config({"backbone": str(tiny_backbone)})


@pytest.fixture(scope="module")
def built(seed_config, tiny_backbone):
    return build_model(seed_config, load_backbone(str(tiny_backbone)))


@pytest.fixture
def saved(built, seed_config, tiny_backbone, tmp_path):
    """An adapter folder whose LoRA weights are not zero."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(std=0.1)
    save_adapter(built, tmp_path / "adapter", seed_config, load_backbone(str(tiny_backbone)))
    return tmp_path / "adapter"


def test_a_saved_adapter_gives_the_same_logits_once_merged(built, saved):
    ids = torch.tensor([[0, 30, 40, 50, 2], [0, 31, 41, 51, 2]])
    with torch.no_grad():
        expected = built.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        loaded = load_model(saved).model
        merged = loaded(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    assert torch.allclose(merged, expected, atol=1e-5)
    assert not any("lora" in name for name, _ in loaded.named_parameters())


def test_an_adapter_of_another_backbone_is_refused(saved):
    with pytest.raises(
        CheckpointError, match=r"was trained on other weights of .*tiny-roberta.* than those of all-MiniLM"
    ):
        load_model(saved, backbone_name="all-MiniLM-L6-v2")


def test_an_adapter_whose_backbone_is_gone_is_not_offered_another_one(saved):
    info = json.loads((saved / "agnews.json").read_text())
    (saved / "agnews.json").write_text(json.dumps({**info, "backbone": "/gone"}))
    with pytest.raises(CheckpointError, match=r"connect to the hub once, or give a folder that holds it\.$"):
        load_model(saved)


def test_a_folder_without_an_adapter_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no adapter of this program \(agnews.json is missing\)"):
        load_model(tmp_path)


def test_a_description_that_is_not_text_is_refused(saved):
    (saved / "agnews.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(CheckpointError, match=r"agnews\.json does not describe an adapter: Invalid JSON"):
        load_model(saved)


def test_a_description_that_cannot_be_read_is_not_called_missing(saved):
    (saved / "agnews.json").unlink()
    (saved / "agnews.json").mkdir()
    with pytest.raises(CheckpointError, match=r"agnews\.json cannot be read: Is a directory\."):
        load_model(saved)


def test_weights_of_other_shapes_are_refused(saved):
    info = json.loads((saved / "agnews.json").read_text())
    info["layer_ranks"]["8"] = 17
    (saved / "agnews.json").write_text(json.dumps(info))
    with pytest.raises(CheckpointError, match="do not fit its backbone: 8 tensors differ"):
        load_model(saved)


def test_damaged_weights_are_refused(saved):
    path = saved / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="missing or damaged"):
        load_model(saved)


@pytest.mark.parametrize(
    "change",
    [
        {"layer_ranks": {"8": 10**9}},
        {"target_modules": ["(a+)+$"]},
        {"lora_alpha": "x"},
        {"temperature": 1e-45},
        {"temperature": float("nan")},
    ],
)
def test_an_adapter_that_describes_itself_absurdly_is_refused(saved, change):
    info = json.loads((saved / "agnews.json").read_text()) | change
    (saved / "agnews.json").write_text(json.dumps(info))
    with pytest.raises(CheckpointError, match="does not describe an adapter"):
        load_model(saved)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38, torch.zeros(1, dtype=torch.int8)], ids=str)
def test_weights_that_no_model_can_have_are_refused(saved, value):
    path = saved / "adapter_model.safetensors"
    state = load_file(path)
    name = min(state)
    state[name] = (
        state[name].to(value.dtype) if isinstance(value, torch.Tensor) else torch.full_like(state[name], value)
    )
    save_file(state, path)
    with pytest.raises(
        CheckpointError, match=rf"are damaged: {re.escape(name)} holds no numbers that a model can have\."
    ):
        load_model(saved)


@pytest.mark.parametrize("name", ["agnews.json", "adapter_model.safetensors"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_in_an_adapters_folder_is_refused_at_once(saved, name, kind):
    (saved / name).unlink()
    if kind == "pipe":
        os.mkfifo(saved / name)
    else:
        (saved / name).symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match=r"cannot be read: it is not a regular file|are missing or damaged"):
        load_model(saved)


def test_an_adapter_of_another_version_is_refused_and_one_without_a_number_is_the_first(saved):
    info = json.loads((saved / "agnews.json").read_text())
    assert info.pop("schema_version") == 1
    (saved / "agnews.json").write_text(json.dumps(info))
    assert load_model(saved).info.schema_version == 1
    (saved / "agnews.json").write_text(json.dumps({**info, "schema_version": 2}))
    with pytest.raises(CheckpointError, match=r"does not describe an adapter: `schema_version` Input should be 1\."):
        load_model(saved)


def test_peft_s_own_config_which_can_name_modules_to_import_is_not_read(saved):
    config = json.loads((saved / "adapter_config.json").read_text())
    (saved / "adapter_config.json").write_text(json.dumps({**config, "megatron_core": "antigravity", "r": 999}))
    assert load_model(saved).info.layer_ranks == {8: 16, 9: 24, 10: 32, 11: 32}
    (saved / "adapter_config.json").unlink()
    load_model(saved)


def test_peft_itself_reads_the_adapter_with_the_same_ranks(saved, tiny_backbone):
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    bare = AutoModelForSequenceClassification.from_pretrained(tiny_backbone, num_labels=4)
    assert read_layer_ranks(PeftModel.from_pretrained(bare, saved)) == {8: 16, 9: 24, 10: 32, 11: 32}


def test_what_is_saved_names_no_folder_of_this_machine(tmp_path):
    config = build_config({"backbone": "all-MiniLM-L6-v2"})
    backbone = load_backbone("all-MiniLM-L6-v2")
    save_adapter(build_model(config, backbone), tmp_path, config, backbone)
    texts = {path.name: path.read_text() for path in tmp_path.iterdir() if path.suffix in (".json", ".md")}
    assert texts.keys() == {"README.md", "adapter_config.json", "agnews.json"}
    assert not [name for name, text in texts.items() if str(backbone.folder.parent) in text]
    assert (
        json.loads(texts["adapter_config.json"])["base_model_name_or_path"] == "sentence-transformers/all-MiniLM-L6-v2"
    )
    assert "16 on layer 2, 24 on layer 3, 32 on layer 4, 32 on layer 5" in texts["README.md"]


def test_one_changed_number_at_the_end_of_the_weights_is_another_backbone(saved, tiny_backbone, tmp_path):
    folder = shutil.copytree(tiny_backbone, tmp_path / "other")
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(CheckpointError, match="was trained on other weights"):
        load_model(saved, backbone_name=str(folder))
