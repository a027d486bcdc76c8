import json
import shutil

import pytest
import torch
from transformers import AutoModel

from agnews_core.config import build_config
from agnews_core.errors import CheckpointError, ConfigError
from agnews_core.models.backbones import load_backbone
from agnews_core.models.lora import build_lora_config, build_model, plan, read_layer_ranks
from agnews_core.models.plan import resolve_layer_ranks


@pytest.fixture(scope="module")
def seed_config(tiny_backbone):
    return build_config({"backbone": str(tiny_backbone)})


@pytest.fixture(scope="module")
def built(seed_config, tiny_backbone):
    return build_model(seed_config, load_backbone(str(tiny_backbone)))


def test_seed_on_roberta_base_is_the_document_s_model():
    built = plan(build_config({"backbone": "roberta-base"}))
    assert built.layer_ranks == {8: 16, 9: 24, 10: 32, 11: 32}
    assert (built.trainable_parameters, built.lora_parameters, built.head_parameters) == (1_472_260, 878_592, 593_668)
    assert built.total_parameters == 124_648_708 + 878_592  # the backbone with a head of 4 labels, and LoRA


def test_the_document_s_pattern_as_peft_takes_it_would_train_something_else():
    """The trap this module exists for: the keys "8".."11" match no module, so all four layers get the default rank."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    from agnews_core.models.backbones import load_backbone_config

    naive = LoraConfig(
        task_type="SEQ_CLS",
        r=8,
        target_modules=["query", "value", "output.dense"],
        layers_to_transform=[8, 9, 10, 11],
        rank_pattern={"8": 16, "9": 24, "10": 32, "11": 32},
    )
    backbone_config = load_backbone_config("roberta-base")
    backbone_config.num_labels = 4
    with torch.device("meta"), pytest.warns():
        model = get_peft_model(AutoModelForSequenceClassification.from_config(backbone_config), naive)
    assert read_layer_ranks(model) == {8: 8, 9: 8, 10: 8, 11: 8}
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 864_004


@pytest.mark.parametrize(("backbone", "trained"), [("distilroberta-base", 1_472_260), ("all-MiniLM-L6-v2", 588_676)])
def test_a_shallower_backbone_gets_the_ranks_on_its_top_four_layers(backbone, trained):
    built = plan(build_config({"backbone": backbone}))
    assert built.layer_ranks == {2: 16, 3: 24, 4: 32, 5: 32}
    assert built.trainable_parameters == trained


def test_budget_1m_stays_under_a_million_on_roberta_base():
    assert plan(build_config({"backbone": "roberta-base"}, preset="budget-1m")).trainable_parameters == 999_172


def test_plan_reads_the_ranks_of_the_modules_that_training_builds(seed_config, built):
    assert read_layer_ranks(built) == plan(seed_config).layer_ranks == {8: 16, 9: 24, 10: 32, 11: 32}
    trained = sum(p.numel() for p in built.parameters() if p.requires_grad)
    assert trained == plan(seed_config).trainable_parameters


def test_output_dense_names_both_modules_of_a_layer(built):
    names = {name for name, _ in built.named_parameters() if ".layer.8." in name and "lora_A" in name}
    assert {name.split(".layer.8.")[1].split(".lora_A")[0] for name in names} == {
        "attention.self.query",
        "attention.self.value",
        "attention.output.dense",
        "output.dense",
    }


def test_layer_1_is_not_layer_10_or_11(tiny_backbone):
    assert plan(build_config({"backbone": str(tiny_backbone), "layer_ranks": "1:4"})).layer_ranks == {1: 4}


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("equal", {8: 2.0, 9: 2.0, 10: 2.0, 11: 2.0}),
        ("constant_alpha", {8: 4.0, 9: 64 / 24, 10: 2.0, 11: 2.0}),
        ("rslora", {8: 16.0, 9: 64 / 24**0.5, 10: 64 / 32**0.5, 11: 64 / 32**0.5}),
    ],
)
def test_the_scale_of_each_layer_is_what_lora_scaling_says(tiny_backbone, scaling, expected):
    config = build_config({"backbone": str(tiny_backbone), "lora_scaling": scaling})
    model = build_model(config, load_backbone(str(tiny_backbone)))
    found = {
        int(name.split(".layer.")[1].split(".")[0]): module.scaling["default"]
        for name, module in model.named_modules()
        if hasattr(module, "lora_A")
    }
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer_ranks": "12:8"}, "names layer 12, but the backbone has layers 0 to 11"),
        ({"layer_ranks": "-13:8"}, "names layer -13"),
        ({"layer_ranks": "11:8,-1:16"}, "names layer 11 twice"),
        (
            {"target_modules": "q_proj"},
            "'q_proj' matches no layer of the backbone; its modules are .*attention.self.query",
        ),
        ({"target_modules": "uery"}, "'uery' matches no layer"),
        ({"max_trainable_parameters": 1000}, "1,472,260 trainable parameters exceed .* = 1,000"),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_is_loaded(settings, message):
    with pytest.raises(ConfigError, match=message):
        plan(build_config({"backbone": "roberta-base", **settings}))


def test_rank_0_leaves_a_layer_frozen():
    assert resolve_layer_ranks({8: 0, 9: 4, -1: 0}, n_layers=12) == {9: 4}


def test_the_same_seed_builds_the_same_head(seed_config, tiny_backbone):
    backbone = load_backbone(str(tiny_backbone))
    first, second = (build_model(seed_config, backbone).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_weights_that_are_kept_in_16_bits_are_trained_in_32(seed_config, tiny_backbone, tmp_path):
    folder = shutil.copytree(tiny_backbone, tmp_path / "half")
    AutoModel.from_pretrained(tiny_backbone).half().save_pretrained(folder)
    model = build_model(seed_config, load_backbone(str(folder)))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_backbone_with_damaged_weights_is_a_sentence(tiny_backbone, tmp_path):
    folder = shutil.copytree(tiny_backbone, tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(CheckpointError, match=r"weights in .*broken cannot be read"):
        build_model(build_config({"backbone": str(folder)}), load_backbone(str(folder)))


def test_patterns_name_whole_layers(tiny_backbone):
    lora = build_lora_config(build_config(), {1: 4, 10: 8})
    assert lora.rank_pattern == {r"layer\.1\..*": 4, r"layer\.10\..*": 8}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"hidden_size": 7}, CheckpointError, "makes no model"),
        ({"max_position_embeddings": 100}, ConfigError, "`max_length` 128 is more than the 98 tokens"),
    ],
)
def test_a_backbone_that_cannot_be_built_or_read_that_far_is_a_sentence(
    tiny_backbone, tmp_path, change, error, message
):
    folder = shutil.copytree(tiny_backbone, tmp_path / "odd")
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(error, match=message):
        plan(build_config({"backbone": str(folder)}))
