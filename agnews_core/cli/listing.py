"""The command that lists runs, and stops, deletes or exports one."""

import sys
from pathlib import Path
from typing import Any

import click

from agnews_core.cli.options import JSON_OPTION, RUNS_DIR_OPTION
from agnews_core.cli.output import print_json
from agnews_core.errors import RunError
from agnews_core.runs import ACTIVE, Run, find_run, find_runs_dir, list_runs


@click.command()
@RUNS_DIR_OPTION
@click.option("--stop", "to_stop", metavar="RUN", help="Ask a run to stop and keep its model.")
@click.option("--delete", "to_delete", metavar="RUN", help="Delete a run and all its files.")
@click.option(
    "--export",
    "to_export",
    type=(str, click.Path(path_type=Path)),
    metavar="RUN FOLDER",
    help="Write a run's model, with its report and card, into a folder to pass on.",
)
@JSON_OPTION
def runs(
    runs_dir: Path | None,
    to_stop: str | None,
    to_delete: str | None,
    to_export: tuple[str, Path] | None,
    as_json: bool,
) -> None:
    """List all runs, newest first; stop, delete or export one."""
    if sum(asked is not None for asked in (to_stop, to_delete, to_export)) > 1:
        raise click.UsageError("--stop, --delete and --export are done one at a time; give one of them.")
    folder = find_runs_dir(runs_dir)
    if to_stop is not None:
        click.echo(_stop(find_run(folder, to_stop)), err=True)
    elif to_delete is not None:
        find_run(folder, to_delete).delete()
        click.echo(f"The run {to_delete} is deleted.", err=True)
    elif to_export is not None:
        from agnews_core.publishing.bundle import export_model

        export_model(find_run(folder, to_export[0]), to_export[1])
        click.echo(f"The model of run {to_export[0]} is in {to_export[1]}.", err=True)
    rows = [_describe_run(run) for run in list_runs(folder)]
    if as_json:
        print_json({"runs_dir": str(folder), "runs": rows}, sys.stdout)
        return
    for row in rows:
        accuracy = "" if row["eval_accuracy"] is None else f"{row['eval_accuracy']:.1%}"
        steps = f"{row['step']}/{row['max_steps']}"
        click.echo(f"{row['name']:24} {row['state']:12} {accuracy:>6}  {steps:>12}  {row['backbone']}  {row['reason']}")
    if not rows:
        click.echo(f"There are no runs in {folder}.")


def _stop(run: Run) -> str:
    """Stop a run, and return what came of it.

    Raises:
        RunError: It is at its end already, or cannot be asked.
    """
    before, after = run.read_status().state, run.stop().state
    if before not in ACTIVE:
        raise RunError(f"The run {run.name} is {before}; only one that waits or is being trained can be stopped.")
    if after == "stopped":
        return f"Removed run {run.name} from the queue."
    return f"Asked run {run.name} to stop; its best model so far will be kept."


def _describe_run(run: Run) -> dict[str, Any]:
    status = run.read_status_or_damage()  # one damaged run does not hide the others
    return {
        "name": run.name,
        "state": status.state,
        "reason": status.reason,
        "step": status.step,
        "max_steps": status.max_steps,
        "backbone": status.plan.backbone if status.plan else "",
        "fill_seconds": status.resolved.replay.fill_seconds if status.resolved and status.resolved.replay else None,
        "eval_accuracy": status.result.eval_accuracy if status.result else None,
        "created_at": status.created_at,
    }
