"""The command that searches for better settings."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from agnews_core.cli.options import CONFIG_OPTIONS, JSON_OPTION, RUNS_DIR_OPTION, SettingsCommand, read_overrides
from agnews_core.cli.output import EXIT_INTERRUPTED, print_json, quiet_stdout, say
from agnews_core.config import build_config
from agnews_core.errors import ConfigError
from agnews_core.jobs.queue import JobQueue
from agnews_core.jobs.visitors import HOST
from agnews_core.processes import count_processes
from agnews_core.runs import find_runs_dir

if TYPE_CHECKING:
    from agnews_core.tuning.study import Study, StudyStatus, Trial

DEFAULT_MINUTES = 30.0


@click.command(cls=SettingsCommand, short_help="Search for better settings within some minutes.")
@CONFIG_OPTIONS
@RUNS_DIR_OPTION
@click.option("--name", help="The new study's name; its runs add their numbers to it. Default: the time.")
@click.option("--minutes", type=float, help=f"The time it may take, its end included. [default: {DEFAULT_MINUTES:g}]")
@click.option(
    "--max-trials", type=click.IntRange(1), help="At most so many trials of the search. Default: as the time allows."
)
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    metavar="[STUDY]",
    help="Go on with a study that was stopped or interrupted; without a name, --name or the newest one.",
)
@JSON_OPTION
def tune(
    preset: str | None,
    settings_file: Path | None,
    runs_dir: Path | None,
    name: str | None,
    minutes: float | None,
    max_trials: int | None,
    resume: str | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Search for settings that are better than a preset's, by many trainings, and compare the best of them with it.

    Settings that are given stay as they are; learning rate, epochs, ranks and the others are searched. Each trial is a run like
    any other. Ctrl-C stops after the current step; `--resume` goes on.
    """
    if count_processes() > 1:
        raise ConfigError("`tune` starts its trainings itself; run it without `accelerate launch`.")
    overrides, folder = read_overrides(settings_file, flags), find_runs_dir(runs_dir)
    with quiet_stdout(as_json) as out:
        from agnews_core.tuning.search import run_study
        from agnews_core.tuning.start import Wanted, begin_study, resume_study

        if resume is None:
            config = build_config(overrides, preset=preset or "seed")
            minutes = DEFAULT_MINUTES if minutes is None else minutes
            wanted = Wanted(config, frozenset(overrides), preset or "seed", minutes, max_trials)
            study = begin_study(wanted, folder, by=HOST, name=name)
        elif overrides or preset:
            raise ConfigError(
                "A study that goes on keeps its settings; leave out all but the minutes, or begin a new one."
            )
        else:
            study = resume_study(folder, resume or name, minutes=minutes)
        for text in (f"Study {study.name} in {study.path}", *study.read().notes):
            say(text)
        queue = JobQueue(folder)
        queue.start_worker()
        with _stop_on_interrupt(study):
            status = run_study(study, queue, by=HOST, tell=_tell)
    if as_json:
        print_json({"study": study.name, "study_dir": str(study.path), **status.model_dump(mode="json")}, out)
    else:
        _print_end(study, status)
    return EXIT_INTERRUPTED if status.state == "stopped" else 0


def _tell(status: "StudyStatus", trial: "Trial") -> None:
    from agnews_core.tuning.sentences import describe_trial

    say(describe_trial(status, trial))


def _print_end(study: "Study", status: "StudyStatus") -> None:
    from agnews_core.tuning.sentences import describe_best

    click.echo(
        f"Study {study.name} {status.state} after {status.spent_seconds / 60:.1f} minutes. {status.reason}".rstrip()
    )
    for text in status.verdict.sentences if status.verdict else (describe_best(status),):
        click.echo(text)
    for text in status.findings:
        click.echo(text)
    if status.verdict:
        click.echo(f"The settings: {study.winner_path}; train with them: train --config {study.winner_path}")


@contextlib.contextmanager
def _stop_on_interrupt(study: "Study") -> Iterator[None]:
    """Make the first Ctrl-C ask the study to stop and keep what there is; a second one interrupts at once."""

    def ask(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        study.request_stop()
        # Not through sys.stderr: the signal may come while that very stream is being written to.
        os.write(2, b"\nStopping after this step; Ctrl-C again to stop at once.\n")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
