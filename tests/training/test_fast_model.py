"""The model that trains fast computes what the plain one does."""

import copy

import pytest
import torch
from peft import get_peft_model_state_dict
from transformers import AutoConfig, AutoModelForSequenceClassification

from agnews_core.config import build_config
from agnews_core.models.backbones import SUPPORTED_MODEL_TYPES
from agnews_core.models.lora import _add_lora
from agnews_core.models.top_layer import compute_first_token_alone
from agnews_core.training.dropout import Drawn, Dropout
from agnews_core.training.fast_model import speed_up
from agnews_core.training.lora_layer import FastLoraLinear

SHAPE = {
    "vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 40, "pad_token_id": 1, "num_labels": 4,
}  # fmt: skip


def _build(model_type: str = "roberta", *, p: float = 0.0, lora_dropout: float = 0.0):
    """A random model whose LoRA matrices are not 0, as they are when training begins."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **SHAPE, hidden_dropout_prob=p, attention_probs_dropout_prob=p)
    bare = AutoModelForSequenceClassification.from_config(config)
    settings = build_config({"layer_ranks": {-2: 4, -1: 8}, "target_modules": "query,value,output.dense"})
    model = _add_lora(bare, settings, dropout=lora_dropout)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return model.train()


def _speed_up(model, *, precision="fp32", device="cpu"):
    drawn = Drawn(seed=1)
    speed_up(model, drawn, device=device, precision=precision)
    return drawn


@pytest.fixture(scope="module")
def batch():
    torch.manual_seed(1)
    mask = torch.ones(6, 11, dtype=torch.long)
    mask[::2, -4:] = 0
    ids = torch.randint(5, 100, (6, 11)).where(mask == 1, 1)
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([0, 1, 2, 3, 0, 1])}


def _train_once(model, batch, *, autocast=False):
    """Return loss, logits and the gradients of what is trained."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        out = model(**batch)
    model.zero_grad()
    out.loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}
    return out.loss.detach(), out.logits.detach(), gradients


@pytest.mark.parametrize("model_type", SUPPORTED_MODEL_TYPES)
@pytest.mark.parametrize("padded", [True, False])
def test_in_fp32_logits_and_gradients_are_those_of_the_plain_model(model_type, padded, batch):
    inputs = batch if padded else {**batch, "attention_mask": torch.ones_like(batch["attention_mask"])}
    plain = _build(model_type)
    fast = copy.deepcopy(plain)
    _speed_up(fast)
    assert sum(isinstance(module, FastLoraLinear) for module in fast.modules()) == 8
    loss, logits, gradients = _train_once(plain, inputs)
    fast_loss, fast_logits, fast_gradients = _train_once(fast, inputs)
    torch.testing.assert_close((fast_loss, fast_logits), (loss, logits), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fast_gradients, gradients, atol=1e-5, rtol=1e-4)
    assert torch.allclose(fast.eval()(**inputs).logits, plain.eval()(**inputs).logits, atol=1e-5)


@pytest.mark.parametrize("model_type", SUPPORTED_MODEL_TYPES)
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "PyTorch's own"])
def test_of_the_top_layer_the_first_token_alone_is_computed_and_logits_and_gradients_stay(model_type, fast, batch):
    whole = _build(model_type)
    if fast:
        _speed_up(whole)
    lean = copy.deepcopy(whole)
    compute_first_token_alone(lean.get_base_model())
    shapes = []
    lean.get_base_model().base_model.encoder.layer[-1].intermediate.register_forward_hook(
        lambda _, inputs, output: shapes.append(tuple(output.shape))
    )
    for inputs in (batch, {**batch, "attention_mask": torch.ones_like(batch["attention_mask"])}):
        loss, logits, gradients = _train_once(whole, inputs)
        lean_loss, lean_logits, lean_gradients = _train_once(lean, inputs)
        torch.testing.assert_close((lean_loss, lean_logits), (loss, logits), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(lean_gradients, gradients, atol=1e-5, rtol=1e-4)
    assert shapes == [(6, 1, SHAPE["intermediate_size"])] * 2


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_in_bf16_it_is_as_near_to_fp32_as_autocast_is(device, batch):
    exact = _build()
    cast, fast = copy.deepcopy(exact), copy.deepcopy(exact)
    _speed_up(fast, precision="bf16", device=device)  # on a GPU, Trainer adds autocast
    loss, logits, gradients = _train_once(exact, batch)
    _, cast_logits, _ = _train_once(cast, batch, autocast=True)
    fast_loss, fast_logits, fast_gradients = _train_once(fast, batch, autocast=device == "cuda")
    assert abs(fast_loss - loss) < 0.01
    assert (fast_logits - logits).abs().max() < max(0.02, 3 * (cast_logits - logits).abs().max())
    for name, gradient in gradients.items():
        assert fast_gradients[name].dtype == torch.float32
        likeness = torch.cosine_similarity(fast_gradients[name].flatten(), gradient.flatten(), dim=0)
        assert likeness > 0.98, name


def test_frozen_weights_are_held_in_bf16_and_what_is_trained_and_saved_in_fp32():
    model = _build()
    names = get_peft_model_state_dict(model).keys()
    _speed_up(model, precision="bf16")
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    assert {p.dtype for p in model.parameters() if not p.requires_grad} == {torch.bfloat16}
    saved = get_peft_model_state_dict(model)
    assert saved.keys() == names
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_on_a_gpu_the_other_precisions_change_nothing(precision):
    model = _build(p=0.1, lora_dropout=0.1)
    _speed_up(model, precision=precision, device="cuda")
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not any(isinstance(module, Dropout | FastLoraLinear) for module in model.modules())


def test_every_dropout_is_ours_and_the_same_step_drops_the_same(batch):
    model = _build(p=0.1, lora_dropout=0.1)
    drawn = _speed_up(model, precision="bf16")
    assert not any(isinstance(module, torch.nn.Dropout) for module in model.modules())
    losses = []
    for step in (4, 5, 4):
        drawn.begin_step(step)
        losses.append((_train_once(model, batch)[0].item(), _train_once(model, batch)[0].item()))
    assert losses[0] == losses[2]
    assert len({*losses[0], *losses[1]}) == 4  # nor do the batches that are accumulated for a step drop the same


class _Step(torch.nn.Module):
    """A model's forward pass in which each call drops the same."""

    def __init__(self, model, drawn):
        super().__init__()
        self.model, self.drawn = model, drawn

    def forward(self, embeds):
        self.drawn.begin_step(0)
        return self.model(inputs_embeds=embeds).logits


def test_gradients_with_dropout_are_those_that_differences_show():
    model = _build(p=0.2, lora_dropout=0.3).double()
    drawn = _speed_up(model)
    step, embeds = _Step(model, drawn), torch.randn(2, 5, 32, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(step, embeds, fast_mode=True)
    trained = [p for name, p in model.named_parameters() if "lora_" in name and ".2.attention" in name]
    assert torch.autograd.gradcheck(lambda *weights: step(embeds.detach()), trained, fast_mode=True)


def test_on_average_dropout_leaves_the_logits_near_those_without_it(batch):
    model = _build(p=0.1, lora_dropout=0.1)
    drawn = _speed_up(model)
    plain = model.eval()(**batch).logits
    model.train()
    total = torch.zeros_like(plain)
    with torch.no_grad():
        for step in range(200):
            drawn.begin_step(step)
            total += model(**batch).logits
    assert (total / 200 - plain).abs().max() < 0.1
