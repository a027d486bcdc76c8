import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from agnews_core.errors import RunError
from agnews_core.evaluation.files import forget_evaluated, read_assessment, read_layers
from agnews_core.inference.assess import load_texts
from agnews_core.inference.catalogue import TrainedModel, read_run_model
from agnews_core.inference.classifier import Classifier
from agnews_core.inference.layer_effects import compute_layer_effects, load_layer_effects
from agnews_core.runs import Run


@pytest.fixture
def run(trained_run, tmp_path):
    return Run(shutil.copytree(trained_run.path, tmp_path / "runs" / "trained"))


@pytest.fixture(scope="module")
def texts(trained_run):
    return load_texts(trained_run.read_resolved_config(), split="test")


def predict_without(adapter_dir, texts, layer, tmp_path):
    """Return what a model answers whose saved LoRA of one layer is zero."""
    folder = shutil.copytree(adapter_dir, tmp_path / f"without-{layer}")
    weights = load_file(folder / "adapter_model.safetensors")
    for name, tensor in weights.items():
        if f".layer.{layer}." in name and ".lora_B." in name:
            weights[name] = torch.zeros_like(tensor)
    save_file(weights, folder / "adapter_model.safetensors")
    return Classifier.load(folder).compute_logits(texts.texts).argmax(-1)


def test_a_layer_is_switched_off_as_if_its_saved_update_were_zero(run, texts, tmp_path):
    effects = compute_layer_effects(read_run_model(run), texts)
    assert [(it.layer, it.r) for it in effects.layers] == [(8, 16), (9, 24), (10, 32), (11, 32)]
    whole = Classifier.load(run.adapter_dir).compute_logits(texts.texts).argmax(-1)
    assert effects.accuracy == np.mean(whole == texts.labels)
    for it in effects.layers:
        without = predict_without(run.adapter_dir, texts, it.layer, tmp_path)
        assert it.lost == pytest.approx(effects.accuracy - np.mean(without == texts.labels))
    assert sum(it.parameters for it in effects.layers) == run.read_status().plan.lora_parameters


def test_what_was_measured_is_kept_with_the_run_until_its_model_is_another_one(run):
    model = read_run_model(run)
    effects = load_layer_effects(model, "test")
    assert read_layers(run.path, "test") == effects
    assert read_assessment(run.path, "validation").layers is None
    shutil.rmtree(run.adapter_dir)  # the model is not needed again
    assert load_layer_effects(model, "test") == effects
    forget_evaluated(run.path)
    assert read_layers(run.path, "test") is None


def test_a_model_without_a_run_is_measured_on_given_texts_and_nowhere_else(run, texts):
    model = TrainedModel("", run.adapter_dir, run.adapter_dir, str(run.read_config().backbone))
    assert compute_layer_effects(model, texts).n == 40
    with pytest.raises(RunError, match="A bundled model is not evaluated here"):
        load_layer_effects(model, "validation")
