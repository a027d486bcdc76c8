"""The command that shows what settings would train."""

from pathlib import Path
from typing import Any

import click

from agnews_core.cli.options import CONFIG_OPTIONS, JSON_OPTION, SettingsCommand, read_overrides
from agnews_core.cli.output import print_json, quiet_stdout
from agnews_core.config import build_config
from agnews_core.settings_files import write_settings


@click.command(cls=SettingsCommand)
@CONFIG_OPTIONS
@click.option("--save", type=click.Path(path_type=Path), help="Also write the settings to this YAML or JSON file.")
@JSON_OPTION
def plan(preset: str | None, settings_file: Path | None, save: Path | None, as_json: bool, **flags: Any) -> None:
    """Show what the settings would train: the rank of each layer and the number of parameters. No weights are needed."""
    config = build_config(read_overrides(settings_file, flags), preset=preset or "seed")
    if save:
        write_settings(config, save)
    with quiet_stdout(as_json) as out:
        from agnews_core.models.lora import plan as make_plan
        from agnews_core.training.resolve import resolve

        missing: list[str] = []  # a plan needs neither weights nor news
        resolved = resolve(config, missing=missing)
        result = make_plan(resolved.apply_to(config))
    if as_json:
        print_json(result.model_dump(), out)
        return
    share = result.trainable_parameters / result.total_parameters
    click.echo(f"{result.backbone}: {result.n_layers} layers, {result.total_parameters:,} parameters")
    click.echo(
        f"{result.trainable_parameters:,} are trained ({share:.2%}): {result.lora_parameters:,} LoRA, "
        f"{result.head_parameters:,} classification head"
    )
    for layer in range(result.n_layers):
        r = result.layer_ranks.get(layer)
        click.echo(f"  layer {layer:2}  " + (f"r = {r}" if r else "frozen"))
    for note in (*resolved.notes, *missing):
        click.echo(note, err=True)
