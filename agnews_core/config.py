"""Every setting of a training run, once: its type, default, range and help text; and the presets.

Command line flags, page controls and a run's config.json are all made from the fields of `TrainConfig`. This module does
not know how many layers a backbone has (`models` resolves `layer_ranks` against it) nor whether a device can do a precision
(`devices` does).
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agnews_core.errors import ConfigError, quote
from agnews_core.setting_values import (
    COUNT,
    MAX_COUNT,
    FileNames,
    LayerRanks,
    LoraScaling,
    LoraUpdateScale,
    ModuleNames,
    Name,
    NameList,
    Pooling,
)


def _field(default: Any, group: str, help_text: str, **bounds: Any) -> Any:
    """Declare a setting; `group` orders the command line's help and the page's controls."""
    return Field(default=default, description=help_text, json_schema_extra={"group": group}, **bounds)


class TrainConfig(BaseModel):
    """The settings of one training run. Names are those of peft and transformers."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    backbone: Name = _field(
        "auto", "Model", "auto, roberta-base, distilroberta-base, all-MiniLM-L6-v2, a folder, or a hub id."
    )
    pooling: Pooling = _field(
        "cls", "Model", "What the head reads of a text: cls, the first token; mean, the mean over all its tokens."
    )
    layer_ranks: LayerRanks = _field(
        {-4: 16, -3: 24, -2: 32, -1: 32},
        "LoRA",
        "LoRA rank of each layer, as 8:16,9:24,10:32,11:32. Layers count from 0; -1 is the top one. "
        "0, or a layer that is not named, stays frozen.",
    )
    target_modules: ModuleNames = _field(
        ("query", "value", "output.dense"), "LoRA", "Endings of the module names in a layer that get LoRA weights."
    )
    lora_alpha: float = _field(
        64.0, "LoRA", "LoRA updates are scaled by alpha / r; this is alpha at the largest rank.", gt=0, le=4096
    )
    lora_scaling: LoraScaling = _field(
        "equal",
        "LoRA",
        "equal: alpha follows the rank, so that alpha/r is the same in all layers; "
        "constant_alpha: the same alpha everywhere; rslora: alpha / sqrt(r).",
    )
    lora_dropout: float = _field(0.05, "LoRA", "Share of LoRA inputs dropped while training.", ge=0, lt=1)
    lora_update_scale: LoraUpdateScale = _field(
        1.0,
        "LoRA",
        "How much of the trained update the model keeps: 1 is all, less leaves more of the base model; "
        "fit chooses from 1 to 0.5 by validation texts.",
    )
    max_trainable_parameters: int | None = _field(
        None,
        "LoRA",
        "Refuse a model with more trainable parameters than this (the competition's rule: 1000000).",
        gt=0,
        le=10**10,
    )

    data: Name = _field(
        "auto",
        "Data",
        "auto, hub, sample, a set of your own (set:NAME), or a folder with train.csv, .jsonl or .parquet.",
    )
    more_train_files: FileNames = _field(
        (),
        "Data",
        "More files of the news folder, or sets of your own (set:NAME), whose texts are all trained on: none of them is "
        "validated on.",
    )
    max_train_samples: int | None = _field(None, "Data", "Train on at most this many texts.", **COUNT)
    max_eval_samples: int | None = _field(None, "Data", "Validate on at most this many texts.", **COUNT)
    holdout_share: float = _field(
        0.0,
        "Data",
        "Share of the validation texts that this run never sees, kept for comparing it with others afterwards.",
        ge=0,
        le=0.9,
    )
    split_seed: int | None = _field(
        None,
        "Data",
        "Seed of the split into training and validation texts; where it is not given, `seed`.",
        ge=0,
        lt=2**32,
    )
    plain_repeats: int = _field(
        0,
        "Data",
        "Add the bundled texts in plain language to the training texts this many times, beyond `max_train_samples`; 0 is off.",
        ge=0,
        le=100,
    )
    vary_texts: bool = _field(
        False,
        "Data",
        "Show some of the news in another form in each pass: the title or the description alone, without the agency's dateline, "
        "or in lower case.",
    )
    max_length: int = _field(128, "Data", "Tokens of a text that are read; the rest is cut off.", ge=8, le=512)

    num_train_epochs: float = _field(3.0, "Training", "Passes over the training texts.", gt=0, le=1000)
    max_steps: int | None = _field(None, "Training", "Stop after this many steps, whatever the epochs say.", **COUNT)
    learning_rate: float = _field(
        7e-4, "Training", "How large the steps are; lower it when the loss jumps.", gt=0, le=1
    )
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup", "polynomial"] = _field(
        "linear", "Training", "How the learning rate falls during training."
    )
    warmup_steps: float = _field(
        0.05,
        "Training",
        "Steps during which the learning rate rises; below 1 it is a share of all steps.",
        ge=0,
        le=MAX_COUNT,
    )
    per_device_train_batch_size: int = _field(32, "Training", "Texts in a training batch.", ge=1, le=4096)
    per_device_eval_batch_size: int = _field(64, "Training", "Texts in an evaluation batch.", ge=1, le=4096)
    gradient_accumulation_steps: int = _field(1, "Training", "Batches to accumulate before each update.", ge=1, le=4096)
    optim: Literal["adamw_torch", "adamw_bnb_8bit"] = _field(
        "adamw_torch", "Training", "Optimizer; adamw_bnb_8bit needs CUDA and bitsandbytes."
    )
    weight_decay: float = _field(0.01, "Training", "Weight decay strength.", ge=0, le=1)
    max_grad_norm: float = _field(
        1.0, "Training", "Clip the gradient norm to this; 0 turns clipping off.", ge=0, le=1_000_000
    )
    label_smoothing_factor: float = _field(0.0, "Training", "Share of each label spread over all classes.", ge=0, lt=1)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = _field(
        "auto", "Training", "Floating-point precision; auto picks the fastest that is safe here."
    )
    replay: Literal["auto", "on", "off"] = _field(
        "auto",
        "Training",
        "Compute the layers below the lowest trained one once, and read the result ever after; auto does so where it pays. "
        "There is no dropout in these layers then.",
    )
    seed: int = _field(42, "Training", "Same seed, same machine: same split, same numbers.", ge=0, lt=2**32)

    layer_lr_decay: float = _field(
        1.0,
        "Learning",
        "Each layer's learning rate is that of the layer above times this, the head's and the top layer's being "
        "`learning_rate`; 1 gives all the same.",
        gt=0,
        le=1,
    )
    average_last: float = _field(
        0.0,
        "Learning",
        "Average the weights over this share of the steps, the last ones, and take the average where it is better than the best "
        "checkpoint; 0 turns this off.",
        ge=0,
        le=1,
    )
    teachers: NameList = _field(
        (),
        "Learning",
        "Learn from trained models too, runs or adapter folders (./FOLDER): the mean of what they say of the training texts.",
    )
    teacher_weight: float = _field(
        0.5, "Learning", "Share of what the teachers say in what is learned; the labels have the rest.", ge=0, le=1
    )
    teacher_temperature: float = _field(
        1.0, "Learning", "Above 1, what teachers say is softer: the other classes count more.", ge=0.1, le=100
    )
    class_weight: Literal["none", "balanced"] = _field(
        "none",
        "Learning",
        "balanced: the fewer training texts a class has, the more each of them counts, so that classes count alike; none: each "
        "text counts alike.",
    )
    contradicted_weight: float = _field(
        1.0,
        "Learning",
        "How much a training text counts whose label a plain model, trained on the other texts, contradicts with more than 95 %; "
        "0 leaves it out, 1 turns this off.",
        ge=0,
        le=1,
    )

    eval_steps: float = _field(
        0.1,
        "Watching",
        "Steps between evaluations (and checkpoints); below 1 it is a share of all steps.",
        gt=0,
        le=MAX_COUNT,
    )
    max_eval_seconds_share: float = _field(
        0.1,
        "Watching",
        "Share of the training time that evaluations may take; beyond it there are fewer, then on a sample of the validation "
        "texts. 1 is no limit.",
        gt=0,
        le=1,
    )
    logging_steps: int = _field(1, "Watching", "Steps between recorded losses.", **COUNT)
    early_stopping_patience: int = _field(
        5,
        "Watching",
        "Stop after this many evaluations without a better accuracy; 0 turns this off.",
        ge=0,
        le=MAX_COUNT,
    )
    plain_weight: float = _field(
        0.0,
        "Watching",
        "How much accuracy on plain validation texts counts where the best checkpoint is chosen; the rest is that on validation "
        "texts. 0 is off.",
        ge=0,
        le=1,
    )
    report_to: Literal["none", "tensorboard", "trackio"] = _field(
        "none", "Watching", "Also log for TensorBoard or trackio, in the run's folder."
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if not any(self.layer_ranks.values()):
            raise ValueError("`layer_ranks` leaves every layer frozen; give at least one layer a rank of 1 or more")
        for name in ("eval_steps", "warmup_steps"):
            steps = getattr(self, name)
            if steps > 1 and not steps.is_integer():
                raise ValueError(f"`{name}` must be a whole number or a share below 1, got {steps}")
        return self

    @property
    def step_texts(self) -> int:
        """How many texts a step is trained on."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps

    def count_steps(self, n_texts: int) -> int:
        """Return how many steps a run on `n_texts` texts has, as transformers counts them.

        >>> TrainConfig(per_device_train_batch_size=32, num_train_epochs=1.5).count_steps(100)
        6
        """
        return self.max_steps or math.ceil(self.num_train_epochs * math.ceil(n_texts / self.step_texts))

    def count_eval_steps(self, n_steps: int) -> int:
        """Return how many steps lie between two evaluations of a run of `n_steps`, as transformers counts them.

        >>> [TrainConfig(eval_steps=steps).count_eval_steps(18) for steps in (0.25, 1, 50)]
        [5, 1, 50]
        """
        return int(self.eval_steps) if self.eval_steps >= 1 else math.ceil(n_steps * self.eval_steps)


PRESETS: dict[str, dict[str, Any]] = {
    # The document's model: ranks 16/24/32/32 on layers 8-11 of roberta-base, the top four of a shallower backbone.
    "seed": {},
    # The competition's rule: at most 1,000,000 trainable parameters. 12 is the largest r that fits on roberta-base's
    # top four layers (999,172 with the head).
    "budget-1m": {
        "layer_ranks": {-4: 12, -3: 12, -2: 12, -1: 12},
        "lora_alpha": 24.0,
        "max_trainable_parameters": 1_000_000,
    },
    # A minute or two on two cores: 2,000 texts, evaluated four times on 500. The bundled sample has few texts, which must be
    # passed over often enough to learn anything.
    "quick": {
        "layer_ranks": {-2: 16, -1: 16},
        "lora_alpha": 32.0,
        "max_train_samples": 2000,
        "max_eval_samples": 500,
        "num_train_epochs": 6.0,
        "max_length": 96,
        "eval_steps": 0.25,
        "max_eval_seconds_share": 0.5,
    },
}


def build_config(values: Mapping[str, Any] | None = None, *, preset: str = "seed") -> TrainConfig:
    """Build a `TrainConfig` from a preset and the settings that differ from it.

    Raises:
        ConfigError: The preset or a setting is unknown, or a value is out of its range.
    """
    if preset not in list(PRESETS):  # a program may send what has no hash
        raise ConfigError(
            f"There is no preset {quote(preset)}{_near(preset, PRESETS)}; the presets are {', '.join(PRESETS)}."
        )
    values = values or {}
    for key in values:
        if key not in TrainConfig.model_fields:
            raise ConfigError(f"There is no setting {quote(key)}{_near(key, TrainConfig.model_fields)}.")
    try:
        return TrainConfig(**{**PRESETS[preset], **values})
    except ValidationError as error:
        raise ConfigError(_describe(error)) from error


_WANTED = {
    "string_pattern_mismatch": "must be names such as query or output.dense",
    "int_parsing_size": "must be a shorter number",
}


def _near(word: object, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(str(word)[:80].replace("-", "_"), list(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def _describe(error: ValidationError) -> str:
    """Put the first thing pydantic found into one sentence: setting, what was wanted, what came."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    wanted = re.sub("(, (unable to|got a number) | after validation).*", "", first["msg"].removeprefix("Value error, "))
    wanted = re.sub("^(Input|String|Dictionary|Tuple|Value) should", "must", wanted)
    wanted = _WANTED.get(first["type"], wanted)
    if not name:
        return f"{wanted}."
    where = f"`{name}`" + (f" of layer {first['loc'][1]}" if name == "layer_ranks" and len(first["loc"]) > 1 else "")
    return f"{where} {wanted}, got {quote(first['input'])}."
