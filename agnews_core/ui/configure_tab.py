"""The tab Configure: the settings, presets and files of them, and beside them the plan of a training."""

from pathlib import Path
from typing import Any

import gradio as gr

from agnews_core.config import PRESETS, TrainConfig, build_config
from agnews_core.errors import AgNewsError
from agnews_core.jobs.child import count_planned_processes
from agnews_core.libraries import import_libraries
from agnews_core.models.backbones import count_layers
from agnews_core.publishing.downloads import choose_download_path
from agnews_core.settings_files import read_settings, write_settings
from agnews_core.training.assessment import Assessment
from agnews_core.ui.components import build_card, build_line
from agnews_core.ui.events import ACTION, QUIET
from agnews_core.ui.live_plot import build_live_plot
from agnews_core.ui.models import offer_teachers
from agnews_core.ui.plan_panel import format_plan, format_problem, format_sentence
from agnews_core.ui.plots import build_rank_figure
from agnews_core.ui.rank_control import fit_ranks
from agnews_core.ui.setting_controls import (
    SettingControls,
    Values,
    build_checked,
    lay_out_controls,
    list_values,
    read_config,
    set_controls,
)

PRESET_TITLES = {
    "seed": "seed: ranks 16, 24, 32, 32 on the top four layers",
    "budget-1m": "budget-1m: at most 1,000,000 trainable parameters",
    "quick": "quick: a few minutes, to see how it goes",
}
PLANNING = "Checking these settings…"


def build_tab(runs_dir: Path) -> SettingControls:
    """Lay out the tab inside the current gr.Tab and wire its events; the runs of a folder may be teachers."""
    with gr.Row(elem_classes="configure"):
        with gr.Column(scale=3):
            preset, save, load = _lay_out_preset()
            settings = lay_out_controls()
        with gr.Column(scale=2, elem_classes="plan-column"):
            panel = gr.HTML(build_card(build_line(PLANNING, busy=True)), elem_id="plan")
            ranks = build_live_plot(label="Ranks as built", empty="The ranks appear here.", elem_id="rank-plot")
    saved = gr.DownloadButton("Save", visible="hidden", elem_id="saved-settings")
    _wire_preset(settings, preset)
    offer_teachers(settings.controls["teachers"], runs_dir)
    _wire_plan(settings, panel, ranks)
    _wire_files(settings, save, load, saved)
    gr.api(plan_settings, api_name="plan", api_description="What a set of LoRA ranks trains on a backbone.")
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


def _wire_preset(settings: SettingControls, preset: gr.Dropdown) -> None:
    controls = settings.controls

    def choose(name: str) -> Values:
        return set_controls(settings, list_values(build_config(preset=name)))

    preset.input(choose, preset, list(controls.values()), trigger_mode="always_last", **ACTION)
    backbone, ranks = controls["backbone"], controls["layer_ranks"]
    backbone.input(redraw_ranks, [backbone, ranks], ranks, trigger_mode="always_last", **ACTION)
    # What "auto" stands for may have more layers than the page began with.
    gr.context.Context.root_block.load(redraw_ranks, [backbone, ranks], ranks, **QUIET)


def redraw_ranks(backbone: str, ranks: list[int]) -> Any:
    """Return the control of ranks with a rank for each layer of a backbone, or `gr.skip()` where it has that already.

    Raises:
        AgNewsError: The backbone cannot be had, or not by any visitor.
    """
    n_layers = count_layers(build_checked({"backbone": backbone}).backbone)
    # An answer that changes nothing would still set back a rank that was changed while it was on its way.
    return gr.skip() if n_layers == len(ranks) else gr.HTML(value=fit_ranks(ranks, n_layers=n_layers))


def _assess(config: TrainConfig) -> Assessment:
    import_libraries()
    from agnews_core.training.estimate import assess

    return assess(config, n_processes=count_planned_processes())


def _wire_plan(settings: SettingControls, panel: gr.HTML, ranks: gr.HTML) -> None:
    def show(values: Values) -> Values:
        try:
            config = read_config(settings, values)
            assessment = _assess(config)
        except AgNewsError as error:
            problem = format_problem(str(error))
            return {panel: build_card(problem), ranks: "", settings.sentence: problem}
        figure = build_rank_figure(assessment.plan.layer_ranks, n_layers=assessment.plan.n_layers)
        shown = format_plan(assessment, limit=config.max_trainable_parameters)
        return {panel: shown, ranks: figure.to_json(), settings.sentence: format_sentence(config)}

    settings.on_change(show, [panel, ranks, settings.sentence])


def _wire_files(settings: SettingControls, save: gr.Button, load: gr.UploadButton, saved: gr.DownloadButton) -> None:
    def write(values: Values) -> Any:
        path = choose_download_path("settings.yaml")
        write_settings(read_config(settings, values), path)
        return gr.DownloadButton(value=path)

    def read(path: str) -> Values:
        return set_controls(settings, list_values(build_checked(read_settings(Path(path)))))

    written = save.click(write, settings.inputs, saved, **ACTION)
    written.success(None, js="() => document.querySelector('#saved-settings').click()")
    loading = {**ACTION, "preprocess": True}  # an upload is checked and becomes a path
    load.upload(read, load, list(settings.controls.values()), **loading)


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
    assessment = _assess(build_checked({name: value for name, value in given.items() if value}, preset=preset))
    return assessment.as_json()
