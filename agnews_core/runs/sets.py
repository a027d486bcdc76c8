"""Sets as runs use them: one that a run waits for, or is being trained on, is not removed."""

from pathlib import Path

from agnews_core.errors import RunError
from agnews_core.folders import check_name
from agnews_core.news.sets import PREFIX, NewsSet, find_set, remove_set
from agnews_core.runs.folder import list_runs
from agnews_core.runs.run import Run
from agnews_core.runs.status import ACTIVE


def remove(runs_dir: Path, name: str) -> None:
    """Remove a set by its name.

    Raises:
        RunError: It is no name, or a run that waits or is being trained needs the set.
        DataError: There is no such set, or its files may not be removed.
    """
    check_name(name, kind="set")
    found = find_set(name, runs_dir)
    for run in list_runs(runs_dir):
        status = run.read_status_or_damage()
        if status.state in ACTIVE and uses(run, found):
            raise RunError(f"The run {run.name}, which is {status.state}, needs the set {name}; stop it first.")
    remove_set(found)


def uses(run: Run, found: NewsSet) -> bool:
    """Return whether a run trains on a set.

    Raises:
        RunError: The run's files are damaged.
    """
    config = run.read_resolved_config()
    names = {f"{PREFIX}{found.name}", f"{PREFIX}{found.path}", str(found.path)}
    return not names.isdisjoint((config.data, *config.more_train_files))
