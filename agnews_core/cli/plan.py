"""The command that shows what settings would train."""

from pathlib import Path
from typing import Any

import click

from agnews_core.cli.options import CONFIG_OPTIONS, JSON_OPTION, SettingsCommand, read_overrides
from agnews_core.cli.output import EXIT_MISTAKE, print_json, quiet_stdout
from agnews_core.config import build_config
from agnews_core.settings_files import write_settings
from agnews_core.training.assessment import Assessment


@click.command(cls=SettingsCommand, short_help="Show what settings would train and what that takes.")
@CONFIG_OPTIONS
@click.option("--save", type=click.Path(path_type=Path), help="Also write the settings to this YAML or JSON file.")
@JSON_OPTION
def plan(preset: str | None, settings_file: Path | None, save: Path | None, as_json: bool, **flags: Any) -> int:
    """Show what the settings would train and what that takes here: ranks, parameters, evaluations, time and memory.

    No weights are needed. Where a training could not begin, that is said and the exit status is 2, as `train` would have it.
    """
    config = build_config(read_overrides(settings_file, flags), preset=preset or "seed")
    if save:
        write_settings(config, save)
    with quiet_stdout(as_json) as out:
        from agnews_core.training.estimate import assess

        assessment = assess(config)
    if as_json:
        print_json(assessment.as_json(), out)
    else:
        _print(assessment)
    if assessment.inputs.missing:
        click.echo(f"Not ready: {assessment.inputs.missing}", err=True)
        return EXIT_MISTAKE
    return 0


def _print(assessment: Assessment) -> None:
    result = assessment.plan
    share = result.trainable_parameters / result.total_parameters
    click.echo(f"{result.backbone}: {result.n_layers} layers, {result.total_parameters:,} parameters")
    click.echo(
        f"{result.trainable_parameters:,} are trained ({share:.2%}): {result.lora_parameters:,} LoRA, "
        f"{result.head_parameters:,} classification head"
    )
    for layer in range(result.n_layers):
        r = result.layer_ranks.get(layer)
        click.echo(f"  layer {layer:2}  " + (f"r = {r}" if r else "frozen"))
    for name, value in assessment.facts[2:]:  # the first two are said above
        click.echo(f"{name}: {value}")
    for note in assessment.inputs.notes:
        click.echo(note, err=True)
