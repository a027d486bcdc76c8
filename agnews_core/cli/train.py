"""The command that trains."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import click

from agnews_core.cli.launch import check_launch
from agnews_core.cli.options import CONFIG_OPTIONS, JSON_OPTION, RUNS_DIR_OPTION, SettingsCommand, flag, read_overrides
from agnews_core.cli.output import EXIT_INTERRUPTED, log_to_stderr, print_json, quiet_stdout
from agnews_core.config import TrainConfig, build_config
from agnews_core.errors import ConfigError, StoppedEarlyError
from agnews_core.processes import is_first
from agnews_core.runs import ACTIVE, Run, RunStatus, create_run, find_run, find_runs_dir, find_unfinished_run, share_run
from agnews_core.runs.resolved import count_of


@click.command(cls=SettingsCommand)
@CONFIG_OPTIONS
@RUNS_DIR_OPTION
@click.option("--name", help="The new run's name. Default: the time.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    metavar="[RUN]",
    help="Go on with a run that was stopped or interrupted; without a name, --name or the newest one.",
)
@JSON_OPTION
def train(
    preset: str | None,
    settings_file: Path | None,
    runs_dir: Path | None,
    name: str | None,
    resume: str | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Fine-tune a model. Ctrl-C stops after the current step and keeps the best model so far."""
    from agnews_core.training.resolve import check_ready

    overrides, folder = read_overrides(settings_file, flags), find_runs_dir(runs_dir)
    check_launch()

    def open_run() -> Run:
        if resume is None:
            config = build_config(overrides, preset=preset or "seed")
            check_ready(config, runs_dir=folder)
            return create_run(folder, config, name=name)
        run = _find_unfinished(folder, resume or name)
        _check_same_settings(run, overrides, preset)
        return run

    run = share_run(open_run)
    if is_first():
        log_to_stderr()
    with quiet_stdout(as_json) as out:
        try:
            status = _train(run, resume=resume is not None)
        except StoppedEarlyError as error:
            click.echo(str(error), err=True)
            return EXIT_INTERRUPTED
    if not is_first():
        return 0
    facts = _collect_facts(run, status)
    if as_json:
        print_json(facts, out)
    else:
        _print_facts(facts)
    return EXIT_INTERRUPTED if status.state == "stopped" else 0


def _train(run: Run, *, resume: bool) -> RunStatus:
    with run.own():  # before that, a stop may be meant for another process
        if resume and is_first():
            run.clear_stop()
        with stop_on_interrupt(run):
            from agnews_core.training.recipe import train_owned

            return train_owned(run, resume=resume)


def _collect_facts(run: Run, status: RunStatus) -> dict[str, Any]:
    facts: dict[str, Any] = {"run_dir": str(run.path), "state": status.state, "notes": status.notes}
    for part in (status.resolved, status.plan, status.data, status.result):
        facts |= part.model_dump() if part else {}
    return facts


def _print_facts(facts: dict[str, Any]) -> None:
    texts = f"{count_of(facts['n_evaluated'], facts['n_validation'])} validation texts"
    accuracy = "not evaluated" if facts["eval_accuracy"] is None else f"{facts['eval_accuracy']:.1%} on {texts}"
    plain = (
        ""
        if facts["eval_plain_accuracy"] is None
        else f"; {facts['eval_plain_accuracy']:.1%} on {facts['n_plain_validation']:,} plain ones"
    )
    click.echo(f"Run {facts['run_dir']} {facts['state']}. Validation accuracy of the best model: {accuracy}{plain}.")
    click.echo(f"News: {facts['data_source']}. Base model: {facts['backbone']}.")


def _find_unfinished(folder: Path, name: str | None) -> Run:
    """Find the run to resume.

    Raises:
        RunError: There is none, or nothing to go on with.
    """
    run = find_run(folder, name) if name else find_unfinished_run(folder)
    if run.read_status().state not in ACTIVE:
        run.check_resumable()
    return run


def _check_same_settings(run: Run, overrides: dict[str, Any], preset: str | None) -> None:
    """Refuse to resume with settings other than the run's own, rather than leave them out in silence."""
    own = run.read_config()
    wanted = build_config(overrides, preset=preset) if preset else build_config({**own.model_dump(), **overrides})
    different = [name for name in TrainConfig.model_fields if getattr(wanted, name) != getattr(own, name)]
    if different:
        flags = ", ".join(flag(name) for name in different)
        raise ConfigError(f"The run {run.name} was begun with another {flags}; leave that out, or start a new run.")


@contextlib.contextmanager
def stop_on_interrupt(run: Run) -> Iterator[None]:
    """Make the first Ctrl-C ask the run to stop and keep its model; a second one interrupts at once.

    Of several processes, the first one asks, for all of them.
    """

    def ask(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run.request_stop(keep=True)
        # Not through sys.stderr: the signal may come while that very stream is being written to.
        os.write(2, b"\nStopping after this step; Ctrl-C again to stop at once.\n")

    before = signal.signal(signal.SIGINT, ask if is_first() else signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
