"""Heads of every type of base model: what of them is trained, and what they read of a text."""

import json
import re

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification

from agnews_core.config import build_config
from agnews_core.inference.attribution import explain
from agnews_core.inference.catalogue import BUNDLED_DIR
from agnews_core.inference.classifier import Classifier
from agnews_core.models.adapters import ADAPTER_INFO, read_adapter_info
from agnews_core.models.backbones import BUNDLED_BACKBONE, HUB_IDS, SUPPORTED_MODEL_TYPES, load_backbone
from agnews_core.models.lora import build_model, plan
from agnews_core.models.weights import load_model, save_adapter
from agnews_core.runs import create_run
from agnews_core.training.recipe import train
from tests.backbones import build_backbone

TEXTS = [
    "Stocks fell on Monday.",
    "The striker scored twice, and the coach of the visitors was not amused at all.",
    "x",
]
RANKS = {1: 4, 2: 8}


@pytest.fixture(scope="module", params=SUPPORTED_MODEL_TYPES)
def backbone(request, tiny_backbone, tmp_path_factory):
    return build_backbone(request.param, tiny_backbone, tmp_path_factory.mktemp("backbones") / request.param)


@pytest.fixture(params=["cls", "mean"])
def config(request, backbone):
    return build_config({"backbone": str(backbone), "layer_ranks": RANKS, "pooling": request.param})


@pytest.fixture
def model(config, backbone):
    """A model of which everything that is trained has moved from where it began."""
    model = build_model(config, load_backbone(str(backbone))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


@pytest.fixture
def saved(model, config, backbone, tmp_path):
    save_adapter(model, tmp_path, config, load_backbone(str(backbone)))
    return tmp_path


@pytest.fixture
def batch():
    ids = torch.randint(5, 200, (4, 12), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(12) < torch.tensor([[12], [5], [2], [9]])).long()
    return {"input_ids": ids.where(mask == 1, 1), "attention_mask": mask}


def _compute(model, batch) -> torch.Tensor:
    with torch.no_grad():
        return model(**batch).logits


def _run_card(folder, monkeypatch) -> dict:
    """Run the lines of Python in a model's card, in the folder that they are about."""
    monkeypatch.chdir(folder)
    (lines,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    found: dict = {}
    exec(lines, found)
    return found


def test_the_dense_layer_of_every_head_is_trained_and_counted(model, config):
    size = model.config.hidden_size
    trained = [
        parameter for name, parameter in model.named_parameters() if parameter.requires_grad and "lora" not in name
    ]
    assert sorted(tuple(it.shape) for it in trained) == [(4,), (4, size), (size,), (size, size)]
    assert plan(config).head_parameters == sum(it.numel() for it in trained)


def test_the_lines_of_the_card_load_the_model_with_peft(saved, model, batch, monkeypatch):
    assert torch.allclose(_compute(_run_card(saved, monkeypatch)["model"], batch), _compute(model, batch), atol=1e-4)


def test_a_merged_model_gives_the_same_logits(saved, model, batch):
    assert torch.allclose(_compute(load_model(saved).model, batch), _compute(model, batch), atol=1e-4)


def test_the_mean_is_over_all_tokens_but_the_padding_and_the_first_token_is_one_of_them(config, model, batch):
    together = _compute(model, batch)
    alone = torch.cat(
        [
            _compute(model, {name: part[[row], :n] for name, part in batch.items()})
            for row, n in enumerate((12, 5, 2, 9))
        ]
    )
    assert torch.allclose(together, alone, atol=1e-4)
    head_saw = []
    backbone = model.get_base_model().base_model
    head = getattr(backbone, "pooler", None) or model.get_base_model().classifier
    head.register_forward_pre_hook(lambda module, inputs: head_saw.append(inputs[0]))
    states = []
    backbone.encoder.register_forward_hook(lambda module, inputs, output: states.append(output.last_hidden_state))
    _compute(model, batch)
    mask = batch["attention_mask"].unsqueeze(-1)
    mean = (states[0] * mask).sum(1) / mask.sum(1)
    assert torch.allclose(head_saw[-1][:, 0], mean if config.pooling == "mean" else states[0][:, 0], atol=1e-6)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_on_the_bundled_backbone_the_card_s_lines_do_too(pooling, local_hub, tmp_path, batch, monkeypatch):
    backbone = load_backbone(BUNDLED_BACKBONE)
    local_hub.add(HUB_IDS[BUNDLED_BACKBONE], backbone.folder)
    config = build_config({"backbone": BUNDLED_BACKBONE, "pooling": pooling})
    model = build_model(config, backbone).eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter.data, std=0.05)
    assert save_adapter(model, tmp_path, config, backbone).modules_to_save == ("pooler", "classifier")
    assert torch.allclose(_compute(_run_card(tmp_path, monkeypatch)["model"], batch), _compute(model, batch), atol=1e-4)


def test_an_adapter_that_does_not_say_what_was_trained_is_one_whose_classifier_alone_was(
    tiny_backbone, tmp_path, batch
):
    folder = build_backbone("bert", tiny_backbone, tmp_path / "backbone")
    config, backbone = build_config({"backbone": str(folder), "layer_ranks": RANKS}), load_backbone(str(folder))
    model = build_model(config, backbone, head=("classifier",)).eval()
    save_adapter(model, tmp_path, config, backbone)
    said = json.loads((tmp_path / ADAPTER_INFO).read_text())
    assert (said.pop("pooling"), said.pop("modules_to_save")) == ("cls", ["classifier"])
    (tmp_path / ADAPTER_INFO).write_text(json.dumps(said))
    assert read_adapter_info(tmp_path).modules_to_save == ("classifier",)
    assert torch.allclose(_compute(load_model(tmp_path).model, batch), _compute(model, batch), atol=1e-5)


def test_the_bundled_adapter_is_what_plain_peft_makes_of_it(batch):
    folder = BUNDLED_DIR / BUNDLED_BACKBONE
    assert read_adapter_info(folder).pooling == "cls"
    bare = AutoModelForSequenceClassification.from_pretrained(load_backbone(BUNDLED_BACKBONE).folder, num_labels=4)
    plain = PeftModel.from_pretrained(bare, folder).eval()
    assert torch.allclose(_compute(load_model(folder).model, batch), _compute(plain, batch), atol=1e-4)


@pytest.fixture(scope="module")
def mean_run(tiny_backbone, tiny_settings, tmp_path_factory):
    """A run of a tiny BERT whose head reads the mean, on what frozen layers were computed once."""
    folder = tmp_path_factory.mktemp("mean")
    backbone = build_backbone("bert", tiny_backbone, folder / "backbone")
    settings = {**tiny_settings, "backbone": str(backbone), "layer_ranks": RANKS, "max_steps": 6, "replay": "on"}
    run = create_run(folder, build_config({**settings, "pooling": "mean"}))
    train(run)
    return run


def test_what_was_trained_with_the_mean_answers_so_on_every_engine(mean_run, monkeypatch):
    assert mean_run.read_status().resolved.replay.used
    plain = Classifier.load(mean_run.adapter_dir).compute_logits(TEXTS)
    for engine, tolerance in (("openvino", 0.05), ("torch-bf16", 0.05)):
        monkeypatch.setenv("AGNEWS_ENGINE", engine)
        classifier = Classifier.load(mean_run.adapter_dir)
        assert (classifier.engine.name, classifier.engine.reason) == (engine, "")
        assert classifier.compute_logits(TEXTS) == pytest.approx(plain, abs=tolerance)


def test_its_words_can_be_weighed(mean_run):
    classifier = Classifier.load(mean_run.adapter_dir)
    weighed = explain(classifier, classifier.predict(TEXTS)[0])
    assert len(weighed.rank_words(9)) == 4
    assert weighed.largest_weight > 0


def test_a_run_that_began_with_the_classifier_alone_goes_on_so(mean_run, tmp_path):
    run = create_run(tmp_path, mean_run.read_config().model_copy(update={"max_steps": 2, "eval_steps": 1.0}))
    status = mean_run.read_status().model_dump(mode="json")
    del status["plan"]["modules_to_save"]  # as the first versions wrote it
    run.update_status(plan=status["plan"])
    train(run, resume=True)
    assert read_adapter_info(run.adapter_dir).modules_to_save == ("classifier",)
    assert read_adapter_info(mean_run.adapter_dir).modules_to_save == ("pooler", "classifier")
    assert run.read_status().plan.head_parameters == 4 * 33
