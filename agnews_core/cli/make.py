"""The command that makes a bundled model from its recipe."""

from pathlib import Path

import click

from agnews_core.cli.options import RUNS_DIR_OPTION
from agnews_core.cli.output import log_to_stderr, say
from agnews_core.cli.train import stop_on_interrupt
from agnews_core.runs import Run, RunStatus, find_runs_dir


@click.command(short_help="Make a model from its recipe, to pass on.")
@click.argument("recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@RUNS_DIR_OPTION
@click.option("--data", help="The news to train on, in place of the recipe's.")
@click.option("--name", help="What the names of the runs begin with. Default: the name of the recipe's folder.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that the model takes the place of. Default: the recipe's.",
)
def make(recipe: Path, runs_dir: Path | None, data: str | None, name: str | None, output: Path | None) -> None:
    """Train the runs of a RECIPE, measure the last one on validation texts that none has seen, and write its model.

    Whatever stops it, the same command goes on.
    """
    from agnews_core.publishing.making import Making, make_model

    log_to_stderr()
    folder = recipe.resolve().parent
    making = Making(recipe, find_runs_dir(runs_dir), name or folder.name, data, output or folder)
    make_model(making, train=_train, tell=say)


def _train(run: Run) -> RunStatus:
    """Train a run, or go on with it; Ctrl-C stops it after the current step."""
    from agnews_core.training.recipe import train_owned

    with run.own(), stop_on_interrupt(run):
        run.clear_stop()
        return train_owned(run, resume=run.read_status().state != "queued")
