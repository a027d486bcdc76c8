"""A control for every setting, made from the fields of `TrainConfig`, and what the controls hold.

They are kept in a dict by field name and passed to handlers as a set, so that no handler depends on their order. Values are
checked by `TrainConfig` alone, whose messages are the ones people see.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

import gradio as gr
from pydantic.fields import FieldInfo

from agnews_core.config import TrainConfig, build_config
from agnews_core.jobs.visitors import OPEN_BACKBONES, OPEN_NEWS, check_settings
from agnews_core.models.backbones import BUNDLED_BACKBONE, count_layers
from agnews_core.models.plan import resolve_layer_ranks
from agnews_core.ui.events import QUIET
from agnews_core.ui.rank_control import build_rank_control, fit_ranks, list_ranks, read_ranks
from agnews_core.ui.visitor import find_current_visitor

IN_SIGHT = {
    "Model": ("backbone", "layer_ranks", "target_modules", "lora_alpha", "lora_dropout"),
    "Training": (
        "data",
        "num_train_epochs",
        "learning_rate",
        "per_device_train_batch_size",
        "max_train_samples",
        "max_steps",
    ),
}
MORE_WAYS = ("pooling", "lora_update_scale", "plain_repeats", "vary_texts", "plain_weight")  # and the group Learning
GROUPS = ("LoRA", "Data", "Training", "Watching")
TITLES = {
    "backbone": "Base model",
    "lora_alpha": "LoRA alpha",
    "lora_scaling": "LoRA scaling",
    "lora_dropout": "LoRA dropout",
    "lora_update_scale": "LoRA update kept",
    "target_modules": "Modules that get LoRA weights",
    "num_train_epochs": "Epochs",
    "per_device_train_batch_size": "Batch size",
    "per_device_eval_batch_size": "Evaluation batch size",
    "lr_scheduler_type": "Learning rate schedule",
    "optim": "Optimizer",
    "max_train_samples": "Training texts at most",
    "max_eval_samples": "Validation texts at most",
    "max_trainable_parameters": "Trainable parameters at most",
    "label_smoothing_factor": "Label smoothing",
    "early_stopping_patience": "Early stopping after",
    "max_eval_seconds_share": "Evaluation time at most",
    "plain_repeats": "Plain texts added",
    "plain_weight": "Weight of plain texts",
    "layer_lr_decay": "Learning rate of the layer below",
    "average_last": "Average the last steps",
    "teacher_weight": "Weight of what teachers say",
    "class_weight": "Class weights",
    "contradicted_weight": "Weight of contradicted texts",
    "replay": "Compute frozen layers once",
}
SUGGESTIONS: dict[str, list[Any]] = {
    "lora_update_scale": [1.0, 0.8, "fit"],
    "backbone": list(OPEN_BACKBONES),
    "data": list(OPEN_NEWS),
    "target_modules": ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"],
}
Values = dict[Any, Any]


@dataclass(frozen=True)
class SettingControls:
    """The components that hold a visitor's settings, by field name; and a sentence on them, to be rendered where it is wanted."""

    controls: dict[str, Any]
    sentence: gr.HTML = field(default_factory=lambda: gr.HTML(render=False, elem_id="train-plan", padding=False))

    @property
    def inputs(self) -> set[Any]:
        """All of them, for a handler that takes a dict."""
        return set(self.controls.values())

    def on_change(self, handler: Callable[..., Any], outputs: Any) -> None:
        """Call a handler with all settings whenever one has changed, and not for each of many that change at once."""
        # One event for all, the page's loading too: an older answer must not come after a newer one.
        triggers = [*(control.change for control in self.controls.values()), gr.context.Context.root_block.load]
        gr.on(triggers, handler, self.inputs, outputs, trigger_mode="always_last", **QUIET)


def read_config(settings: SettingControls, values: Values) -> TrainConfig:
    """Build the config that the controls stand for.

    Raises:
        ConfigError: A value cannot be used, or not by this visitor.
    """
    given = {name: values[control] for name, control in settings.controls.items()}
    given = {name: None if value == "" else value for name, value in given.items()}
    given["layer_ranks"] = read_ranks(given["layer_ranks"] or [])
    return build_checked(given)


def build_checked(given: dict[str, Any], *, preset: str = "seed") -> TrainConfig:
    """Build a config from values of a visitor's.

    Raises:
        ConfigError: A value cannot be used, or not by this visitor.
    """
    config = build_config(given, preset=preset)
    check_settings(config, find_current_visitor())
    return config


def lay_out_controls() -> SettingControls:
    """Lay out all controls, those that are changed most often in sight."""
    controls: dict[str, Any] = {}
    for title, names in IN_SIGHT.items():
        gr.Markdown(f"### {title}")
        _lay_out_fields(names, controls)
    with gr.Accordion("More ways to learn", open=False, elem_id="more-ways"):
        _lay_out_fields((*MORE_WAYS, *_list_group("Learning")), controls)
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        for group in GROUPS:
            gr.Markdown(f"### {group}")
            _lay_out_fields(tuple(name for name in _list_group(group) if name not in controls), controls)
    return SettingControls({name: controls[name] for name in TrainConfig.model_fields})


def _lay_out_fields(names: tuple[str, ...], controls: dict[str, Any]) -> None:
    """Lay wide controls out one below the other, and the others in rows that wrap."""
    wide = [name for name in names if name in ("backbone", "layer_ranks", "target_modules", "data", "teachers")]
    for name in wide:
        controls[name] = build_control(name, TrainConfig.model_fields[name])
    with gr.Row(elem_classes="fields"):
        for name in names:
            if name not in wide:
                controls[name] = build_control(name, TrainConfig.model_fields[name])


def _list_group(group: str) -> tuple[str, ...]:
    """Return the names of a group's settings, in their order."""
    extras = {name: field.json_schema_extra for name, field in TrainConfig.model_fields.items()}
    return tuple(name for name, extra in extras.items() if isinstance(extra, dict) and extra["group"] == group)


def build_control(name: str, field: FieldInfo) -> Any:
    """Build the component that fits a setting's type, with its help text as the hint."""
    common = {"label": _read_title(name), "info": field.description, "elem_id": f"setting-{name}"}
    if name == "layer_ranks":
        return build_rank_control(fit_ranks(list_ranks(field.default), n_layers=count_default_layers()))
    if get_origin(field.annotation) is tuple:
        return gr.Dropdown(
            SUGGESTIONS.get(name, []), value=list(field.default), multiselect=True, allow_custom_value=True, **common
        )
    if name in SUGGESTIONS:
        return gr.Dropdown(SUGGESTIONS[name], value=field.default, allow_custom_value=True, **common)
    if get_origin(field.annotation) is Literal:
        return gr.Dropdown(list(get_args(field.annotation)), value=field.default, **common)
    if field.annotation is bool:
        return gr.Checkbox(field.default, min_width=190, **common)
    if type(None) in get_args(field.annotation):
        return gr.Textbox("", placeholder="no limit", max_lines=1, min_width=190, **common)  # a Number shows none as 0
    whole = field.annotation is int
    # Without bounds of its own: TrainConfig has them, and says what is wrong in better words.
    return gr.Number(field.default, precision=0 if whole else None, min_width=190, **common)


def _read_title(name: str) -> str:
    return TITLES.get(name, name.replace("_", " ").capitalize())


def count_default_layers() -> int:
    """Return the layers shown until it is known what "auto" stands for, which may take asking the hub."""
    return count_layers(BUNDLED_BACKBONE)


def list_values(config: TrainConfig) -> dict[str, Any]:
    """Return what each control shows for a config; ranks are those of the config's own backbone.

    Raises:
        AgNewsError: The backbone cannot be had, or has no such layers.
    """
    values = config.model_dump(mode="json")
    n_layers = count_layers(config.backbone)
    ranks = resolve_layer_ranks(config.layer_ranks, n_layers=n_layers)
    values["layer_ranks"] = [ranks.get(layer, 0) for layer in range(n_layers)]
    return {name: "" if value is None else value for name, value in values.items()}


def set_controls(settings: SettingControls, values: dict[str, Any]) -> Values:
    """Return the update that shows these values."""
    return {control: values[name] for name, control in settings.controls.items()}
