"""Which model a command uses."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agnews_core.runs import Run, find_run, find_runs_dir

if TYPE_CHECKING:
    from agnews_core.inference.classifier import Classifier


def find_adapter(run_name: str | None, adapter: Path | None, runs_dir: Path | None) -> tuple[Path, Run | None]:
    """Return the adapter that was named, else the newest finished run's, else the shipped one; and the run that made it."""
    if adapter is not None:
        return adapter, None
    folder = find_runs_dir(runs_dir)
    if run_name is not None:
        run = find_run(folder, run_name)
        return run.adapter_dir, run
    from agnews_core.inference.catalogue import find_model

    model = find_model(folder)
    return model.adapter_dir, model.run


def load_classifier(adapter_dir: Path, run: Run | None, backbone: str | None) -> "Classifier":
    """Load a model that `find_adapter` found, and print which one it is."""
    from agnews_core.inference.classifier import Classifier

    resolved = run.read_status().resolved if run else None
    named = backbone or (resolved.backbone if resolved else None)
    click.echo(f"Model: {adapter_dir}", err=True)
    return Classifier.load(adapter_dir, backbone_name=named)
