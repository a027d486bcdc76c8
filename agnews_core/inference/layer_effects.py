"""How much each layer's LoRA matters to a model: what it loses when one after the other is switched off.

A text goes through the whole model once, and for each layer once more from that layer upwards, through the backbone's own layer
in the place of the merged one. All of that is one module, which shares its weights, so that one engine computes it.
"""

import copy
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agnews_core.devices import cpu_has_bf16
from agnews_core.evaluation.comparison import compute_p_value, compute_standard_error
from agnews_core.evaluation.files import read_layers, write_layers
from agnews_core.evaluation.layers import MAX_TEXTS, LayerEffect, LayerEffects
from agnews_core.evaluation.report import Split
from agnews_core.inference.assess import LabelledTexts, check_has_run, load_texts, unchanged
from agnews_core.inference.catalogue import TrainedModel
from agnews_core.inference.classifier import Classifier
from agnews_core.inference.engines import EngineName, build_engine, choose_engine
from agnews_core.inference.predictions import Progress
from agnews_core.labels import LABELS
from agnews_core.models.adapters import AdapterInfo
from agnews_core.models.backbones import load_tokenizer
from agnews_core.models.bare import load_bare
from agnews_core.models.trunk import cut
from agnews_core.models.weights import count_lora_parameters, load_model
from agnews_core.runs import now


def load_layer_effects(model: TrainedModel, split: Split, on_progress: Progress | None = None) -> LayerEffects:
    """Return what is kept of a run's layers, or measure them on a split and keep that in the run's directory.

    Raises:
        RunError, DataError, CheckpointError: As `assess.load_assessment`.
    """
    run = check_has_run(model)
    kept = read_layers(model.folder, split)
    if kept is None:
        texts = load_texts(run.read_resolved_config(), split=split, is_own=True)
        with unchanged(model):
            kept = compute_layer_effects(model, texts, on_progress)
        write_layers(model.folder, kept)
    return kept


def compute_layer_effects(
    model: TrainedModel, texts: LabelledTexts, on_progress: Progress | None = None
) -> LayerEffects:
    """Measure a model on some of the texts, whole and without each layer's LoRA.

    Raises:
        CheckpointError: The model cannot be loaded.
    """
    began = time.monotonic()
    some = texts.sample(MAX_TEXTS)
    loaded = load_model(model.adapter_dir, backbone_name=model.backbone)
    layers = sorted(loaded.info.layer_ranks)
    module = _WithoutEach(loaded.model, load_bare(loaded.backbone), layers)
    engine = build_engine(module.eval(), name=_choose_engine())
    classifier = Classifier(loaded.info, load_tokenizer(loaded.backbone), engine)
    right = _find_right(classifier, some, n_models=1 + len(layers), on_progress=on_progress)
    parameters = count_lora_parameters(model.adapter_dir)
    effects = [
        _compare(right[:, 0], without, layer, loaded.info, parameters[layer])
        for layer, without in zip(layers, right[:, 1:].T, strict=True)
    ]
    return LayerEffects(
        split=texts.split,
        n=len(some.texts),
        n_available=len(texts.texts),
        accuracy=float(right[:, 0].mean()),
        layers=effects,
        engine=engine.title,
        seconds=time.monotonic() - began,
        created_at=now(),
    )


class _WithoutEach(nn.Module):
    """Token ids -> (n_batch, (1 + n_layers) * 4) logits: the whole model's, then those without each layer's LoRA."""

    def __init__(self, model: Any, bare: Any, layers: list[int]) -> None:
        super().__init__()
        self.model, self.layers = model, layers
        self.others = nn.ModuleList(_switch_off(model, bare, layer) for layer in layers)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        whole = self.model(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
        without = [
            other(inputs_embeds=whole.hidden_states[layer], attention_mask=attention_mask).logits
            for layer, other in zip(self.layers, self.others, strict=True)
        ]
        return torch.cat([whole.logits, *without], dim=-1)


def _switch_off(model: Any, bare: Any, layer: int) -> Any:
    """Return a model that begins at a layer and has the backbone's own there; above it, it shares the model's weights."""
    weights = {id(it): it for it in (*model.parameters(), *model.buffers())}
    other = copy.deepcopy(model, weights)
    cut(other, layer)
    other.base_model.encoder.layer[layer] = bare.base_model.encoder.layer[layer]
    return other


def _choose_engine() -> EngineName:
    """Return PyTorch's engine where OpenVINO's is chosen, which would compile each layer as often as it is computed.

    On 2,000 texts and four layers of the bundled model both take 10 seconds.
    """
    chosen = choose_engine()
    if chosen != "openvino":
        return chosen
    return "torch-bf16" if cpu_has_bf16() else "torch"


def _find_right(
    classifier: Classifier, texts: LabelledTexts, *, n_models: int, on_progress: Progress | None
) -> NDArray[np.bool_]:
    """Return (n, n_models), which of the texts each of the models gets right."""
    predicted, n_done = np.empty((len(texts.texts), n_models), dtype=np.int64), 0
    for rows, logits in classifier.iterate(texts.texts):
        predicted[rows] = logits.reshape(len(rows), n_models, len(LABELS)).argmax(-1)
        n_done += len(rows)
        if on_progress is not None:
            on_progress(n_done, len(texts.texts))
    right: NDArray[np.bool_] = predicted == texts.labels[:, None]
    return right


def _compare(
    whole: NDArray[np.bool_], without: NDArray[np.bool_], layer: int, info: AdapterInfo, parameters: int
) -> LayerEffect:
    n_lost, n_won = int((whole & ~without).sum()), int((without & ~whole).sum())
    return LayerEffect(
        layer=layer,
        r=info.layer_ranks[layer],
        parameters=parameters,
        lost=(n_lost - n_won) / len(whole),
        error=compute_standard_error(n_lost, n_won, len(whole)),
        p_value=compute_p_value(n_lost, n_won),
    )
