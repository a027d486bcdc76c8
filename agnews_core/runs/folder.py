"""The folder that holds all runs: making a new one, and finding those there are."""

import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from agnews_core.config import TrainConfig
from agnews_core.errors import RunError
from agnews_core.folders import check_name, is_name
from agnews_core.runs.run import Run
from agnews_core.runs.status import RunStatus, now
from agnews_core.whole_files import write_whole


def create_run(
    runs_dir: Path, config: TrainConfig, *, name: str | None = None, owner: str = "", study: str = ""
) -> Run:
    """Make the directory of a new run, in state "queued".

    Raises:
        RunError: The name is not one, is taken, or the folder cannot be written.
    """
    check_name(name)
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        run = Run(_make_dir(runs_dir, name))
    except FileExistsError as error:
        if not runs_dir.is_dir():
            raise _cannot_write(runs_dir, "it is a file") from error
        raise RunError(f"There is a run named {name} already; choose another name, or resume that run.") from error
    except OSError as error:
        raise _cannot_write(runs_dir, error.strerror) from error
    try:
        write_whole(run.path / "config.json", config.model_dump_json(indent=2))
        status = RunStatus(created_at=now(), owner=owner, study=study)
        write_whole(run.path / "status.json", status.model_dump_json(indent=2))
    except OSError as error:
        shutil.rmtree(run.path, ignore_errors=True)  # half a run would only be in the way of its name
        raise _cannot_write(runs_dir, error.strerror) from error
    return run


def _cannot_write(runs_dir: Path, why: str | None) -> RunError:
    return RunError(f"The runs folder {runs_dir} cannot be written: {why}; choose another folder.")


def _make_dir(runs_dir: Path, name: str | None) -> Path:
    if name is not None:
        (runs_dir / name).mkdir()
        return runs_dir / name
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        path = runs_dir / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise FileExistsError(stamp)


def list_runs(runs_dir: Path) -> list[Run]:
    """Return the runs in a folder, newest first; a folder that is missing has none."""
    return sorted((run for run in find_runs(runs_dir) if run.exists()), key=_created_at, reverse=True)


def find_runs(runs_dir: Path) -> list[Run]:
    """Return what is named as a run is, in no order; other folders, and half made runs, have no status.json."""
    try:
        return [Run(path) for path in runs_dir.iterdir() if is_name(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _created_at(run: Run) -> tuple[str, int]:
    # config.json is written once; its time tells runs of the same second apart.
    try:
        return run.read_status().created_at, (run.path / "config.json").stat().st_mtime_ns
    except (RunError, OSError):
        return "", 0


def find_run(runs_dir: Path, name: str) -> Run:
    """Return a run by name.

    Raises:
        RunError: The name is not one, or there is no such run; the message names those there are.
    """
    check_name(name)
    run = Run(runs_dir / name)
    if not run.exists():
        names = ", ".join(other.name for other in list_runs(runs_dir)[:5]) or "none"
        raise RunError(f"There is no run {name} in {runs_dir}; there are: {names}.")
    return run


def find_unfinished_run(runs_dir: Path) -> Run:
    """Return the newest run that waits or can be resumed.

    Raises:
        RunError: There is none.
    """
    for run in list_runs(runs_dir):
        with suppress(RunError):  # a damaged one is passed over
            state = run.read_status().state
            if state == "queued" or run.can_resume(state):
                return run
    raise RunError(f"There is no run to resume in {runs_dir}; make one with `train`.")
