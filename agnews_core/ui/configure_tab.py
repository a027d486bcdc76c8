"""The tab Configure: a control for every setting, and beside them what the settings come to.

The controls are made from the fields of `TrainConfig`, kept in a dict by field name, and passed to handlers as a set, so that
no handler depends on their order. Values are checked by `TrainConfig` alone, whose messages are the ones people see.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import gradio as gr
from pydantic.fields import FieldInfo

from agnews_core.config import PRESETS, TrainConfig, build_config, read_settings, write_settings
from agnews_core.jobs.visitors import OPEN_BACKBONES, OPEN_NEWS, check_settings
from agnews_core.libraries import import_libraries
from agnews_core.models.backbones import BUNDLED_BACKBONE, count_layers
from agnews_core.models.plan import resolve_layer_ranks
from agnews_core.publishing.downloads import choose_download_path
from agnews_core.training.assessment import Assessment
from agnews_core.ui.errors import find_problem, shown_as_toast, toasts
from agnews_core.ui.events import ACTION, QUIET
from agnews_core.ui.live_plot import build_live_plot
from agnews_core.ui.markup import build_line
from agnews_core.ui.plan_panel import format_plan, format_problem
from agnews_core.ui.plots import build_rank_figure
from agnews_core.ui.rank_control import build_rank_control, fit_ranks, list_ranks, read_ranks
from agnews_core.ui.visitor import find_current_visitor

PRESET_TITLES = {
    "seed": "seed: ranks 16, 24, 32, 32 on the top four layers",
    "budget-1m": "budget-1m: at most 1,000,000 trainable parameters",
    "quick": "quick: a few minutes, to see how it goes",
}
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
GROUPS = ("LoRA", "Data", "Training", "Watching")
TITLES = {
    "lora_alpha": "LoRA alpha",
    "lora_scaling": "LoRA scaling",
    "lora_dropout": "LoRA dropout",
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
}
SUGGESTIONS = {
    "backbone": list(OPEN_BACKBONES),
    "data": list(OPEN_NEWS),
    "target_modules": ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"],
}
PLANNING = "Working out what the settings come to…"
Values = dict[Any, Any]


@dataclass(frozen=True)
class SettingControls:
    """The components that hold a visitor's settings, by field name."""

    controls: dict[str, Any]

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
        ConfigError: A value cannot be used, or not by any visitor.
    """
    given = {name: values[control] for name, control in settings.controls.items()}
    given = {name: None if value == "" else value for name, value in given.items()}
    given["layer_ranks"] = read_ranks(given["layer_ranks"] or [])
    return _build_checked(given)


def _build_checked(given: dict[str, Any], *, preset: str = "seed") -> TrainConfig:
    config = build_config(given, preset=preset)
    check_settings(config, find_current_visitor())
    return config


def build_tab() -> SettingControls:
    """Lay out the tab inside the current gr.Tab and wire its events."""
    with gr.Row(elem_classes="configure"):
        with gr.Column(scale=3):
            preset, save, load = _lay_out_preset()
            settings = SettingControls(_lay_out_controls())
        with gr.Column(scale=2, elem_classes="plan-column"):
            panel = gr.HTML(build_line(PLANNING, busy=True), elem_id="plan", container=True, padding=True)
            ranks = build_live_plot(label="Ranks as built", empty="The ranks appear here.", elem_id="rank-plot")
    saved = gr.DownloadButton("Save", visible="hidden", elem_id="saved-settings")
    _wire_preset(settings, preset)
    _wire_plan(settings, panel, ranks)
    _wire_files(settings, save, load, saved)
    gr.api(plan_settings, api_name="plan", api_description="What a set of LoRA ranks comes to on a backbone.")
    return settings


def _lay_out_preset() -> tuple[gr.Dropdown, gr.Button, gr.UploadButton]:
    preset = gr.Dropdown(
        [(PRESET_TITLES.get(name, name), name) for name in PRESETS],
        value="seed",
        label="Preset",
        info="Settings to start from; choosing one sets every control below.",
        elem_id="preset",
    )
    with gr.Row(elem_classes="actions"):
        save = gr.Button("Save settings", size="sm", elem_id="save-settings")
        load = gr.UploadButton(
            "Load settings", file_types=[".yaml", ".yml", ".json"], size="sm", elem_id="load-settings"
        )
    return preset, save, load


def _lay_out_controls() -> dict[str, Any]:
    controls: dict[str, Any] = {}
    for title, names in IN_SIGHT.items():
        gr.Markdown(f"### {title}")
        _lay_out_fields(names, controls)
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        for group in GROUPS:
            names = tuple(
                name for name in TrainConfig.model_fields if _read_group(name) == group and name not in controls
            )
            gr.Markdown(f"### {group}")
            _lay_out_fields(names, controls)
    return {name: controls[name] for name in TrainConfig.model_fields}


def _lay_out_fields(names: tuple[str, ...], controls: dict[str, Any]) -> None:
    """Lay wide controls out one below the other, and the others in rows that wrap."""
    wide = [name for name in names if name in ("backbone", "layer_ranks", "target_modules", "data")]
    for name in wide:
        controls[name] = build_control(name, TrainConfig.model_fields[name])
    with gr.Row(elem_classes="fields"):
        for name in names:
            if name not in wide:
                controls[name] = build_control(name, TrainConfig.model_fields[name])


def _read_group(name: str) -> str:
    extra = TrainConfig.model_fields[name].json_schema_extra
    return str(extra["group"]) if isinstance(extra, dict) else ""


def build_control(name: str, field: FieldInfo) -> Any:
    """Build the component that fits a setting's type, with its help text as the hint."""
    common = {"label": _read_title(name), "info": field.description, "elem_id": f"setting-{name}"}
    if name == "layer_ranks":
        return build_rank_control(fit_ranks(list_ranks(field.default), n_layers=count_default_layers()))
    if name == "target_modules":
        return gr.Dropdown(
            SUGGESTIONS[name], value=list(field.default), multiselect=True, allow_custom_value=True, **common
        )
    if name in SUGGESTIONS:
        return gr.Dropdown(SUGGESTIONS[name], value=field.default, allow_custom_value=True, **common)
    if get_origin(field.annotation) is Literal:
        return gr.Dropdown(list(get_args(field.annotation)), value=field.default, **common)
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


def _wire_preset(settings: SettingControls, preset: gr.Dropdown) -> None:
    controls = settings.controls

    def choose(name: str) -> Values:
        return _set_controls(settings, list_values(build_config(preset=name)))

    preset.input(toasts(choose), preset, list(controls.values()), **ACTION)
    backbone, ranks = controls["backbone"], controls["layer_ranks"]
    backbone.input(toasts(redraw_ranks), [backbone, ranks], ranks, **ACTION)
    # What "auto" stands for may have more layers than the page began with.
    gr.context.Context.root_block.load(toasts(redraw_ranks), [backbone, ranks], ranks, **QUIET)


def redraw_ranks(backbone: str, ranks: list[int]) -> Any:
    """Return the control of ranks with a rank for each layer of a backbone, or `gr.skip()` where it has that already.

    Raises:
        AgNewsError: The backbone cannot be had, or not by any visitor.
    """
    n_layers = count_layers(_build_checked({"backbone": backbone}).backbone)
    # An answer that changes nothing would still set back a rank that was changed while it was on its way.
    return gr.skip() if n_layers == len(ranks) else gr.HTML(value=fit_ranks(ranks, n_layers=n_layers))


def _set_controls(settings: SettingControls, values: dict[str, Any]) -> Values:
    return {control: values[name] for name, control in settings.controls.items()}


def _assess(config: TrainConfig) -> Assessment:
    import_libraries()
    from agnews_core.training.estimate import assess

    return assess(config)


def _wire_plan(settings: SettingControls, panel: gr.HTML, ranks: gr.HTML) -> None:
    def show(values: Values) -> Values:
        assessment, problem = find_problem(lambda: _assess(read_config(settings, values)))
        if assessment is None:
            return {panel: format_problem(problem), ranks: ""}
        figure = build_rank_figure(assessment.plan.layer_ranks, n_layers=assessment.plan.n_layers)
        return {panel: format_plan(assessment), ranks: figure.to_json()}

    settings.on_change(toasts(show), [panel, ranks])


def _wire_files(settings: SettingControls, save: gr.Button, load: gr.UploadButton, saved: gr.DownloadButton) -> None:
    def write(values: Values) -> Any:
        path = choose_download_path("settings.yaml")
        write_settings(read_config(settings, values), path)
        return gr.DownloadButton(value=path)

    def read(path: str) -> Values:
        return _set_controls(settings, list_values(_build_checked(read_settings(Path(path)))))

    written = save.click(toasts(write), settings.inputs, saved, **ACTION)
    written.success(None, js="() => document.querySelector('#saved-settings').click()")
    loading = {**ACTION, "preprocess": True}  # an upload is checked and becomes a path
    load.upload(toasts(read), load, list(settings.controls.values()), **loading)


def plan_settings(
    preset: str = "seed", backbone: str = "auto", layer_ranks: str = "", target_modules: str = ""
) -> dict[str, Any]:
    """Count what a set of LoRA ranks trains on a backbone, and estimate the time and memory that takes on this machine.

    Args:
        preset: Settings to start from: seed, budget-1m or quick.
        backbone: auto, roberta-base, distilroberta-base or all-MiniLM-L6-v2.
        layer_ranks: As 8:16,9:24,10:32,11:32; layer -1 is the top one. Empty: the preset's.
        target_modules: As query,value,output.dense. Empty: the preset's.
    """
    given = {"backbone": backbone, "layer_ranks": layer_ranks, "target_modules": target_modules}
    with shown_as_toast():
        assessment = _assess(_build_checked({name: value for name, value in given.items() if value}, preset=preset))
    return {
        **assessment.plan.model_dump(mode="json"),
        "estimate": asdict(assessment.estimate),
        **asdict(assessment.inputs),
    }
