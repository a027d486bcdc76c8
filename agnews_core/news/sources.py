"""Where news comes from: a folder, a set, the hub, the bundled sample.

Whatever the source, the answer is a folder on this machine. Its files are not opened.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from agnews_core.errors import DataError, HubError
from agnews_core.folders import find_folder, find_runs_dir, is_name
from agnews_core.hub import UNREACHABLE, HubFiles, download_from_hub, find_in_hub_cache, hub_answers
from agnews_core.news.sets import PREFIX, SETS, as_set, describe_lost, find_set, is_set
from agnews_core.news.tables import find_files

HUB_DATASET = "fancyzhx/ag_news"
_HUB_FILES = HubFiles("dataset", needed=(("data/train-*.parquet",), ("data/test-*.parquet",)))
SAMPLE_DIR = Path(__file__).parents[2] / "assets" / "sample"


@dataclass(frozen=True, kw_only=True)
class NewsSource:
    """Which news a value of `data` stands for.

    Attributes:
        data: A value of `data` that finds the same again from anywhere.
        source: Where it is, in words; the same words each time the same is found.
        reason: Why this news, where it stands in for other news; else "".
    """

    data: str
    source: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class NewsFolder(NewsSource):
    """News that is on this machine, in the files of the folder `path`."""

    path: Path


_HUB = NewsSource(data="hub", source=f"hub ({HUB_DATASET})")
_SAMPLE = NewsFolder(data="sample", source="sample (bundled with this program)", path=SAMPLE_DIR)


def find_news(data: str, runs_dir: Path | None = None) -> NewsFolder:
    """Return the news that a value of `data` stands for, downloaded if that is what it takes.

    Args:
        data: That value.
        runs_dir: The folder of all runs, whose sets can be named; None is the default one.

    Raises:
        DataError: There is no such folder or set, it holds no news, or the hub was asked for and cannot be reached.
    """
    found = look_for_news(data, runs_dir)
    if isinstance(found, NewsFolder):
        return found
    try:
        return NewsFolder(**vars(found), path=download_from_hub(HUB_DATASET, _HUB_FILES))
    except HubError as error:
        return _replace_hub(data, error)


def look_for_news(data: str, runs_dir: Path | None = None) -> NewsSource:
    """Return the news that a value of `data` stands for; a `NewsFolder` unless it would have to be downloaded first.

    Raises:
        DataError: As `find_news`.
    """
    named = os.environ.get("AGNEWS_DATA_DIR")
    if data == "sample":
        return _SAMPLE
    if data == "auto" and named:
        return _find_folder(named, named_by=" (AGNEWS_DATA_DIR)")
    if is_set(data):
        return _find_folder(str(find_set(data, runs_dir).path))
    if data not in ("auto", "hub"):
        return _find_folder(data, named_set=_find_set_of_name(data, runs_dir))
    cached = find_in_hub_cache(HUB_DATASET, _HUB_FILES)
    if cached is not None:
        return NewsFolder(**vars(_HUB), path=cached)
    return _HUB if hub_answers() else _replace_hub(data, HubError(*UNREACHABLE))


def _find_folder(name: str, *, named_by: str = "", named_set: str = "") -> NewsFolder:
    path = find_folder(name)
    if path is None:
        raise DataError(
            describe_lost(name)
            or f"There is no news folder {name}{named_by}; give a folder that holds train.csv, .jsonl or .parquet.{named_set}"
        )
    path = path.resolve()
    found = as_set(path)
    source = f"set {found.name} ({found.read_card().source})" if found else f"folder {path}"
    find_files(path, "train")
    return NewsFolder(data=str(path), source=source, path=path)


def _find_set_of_name(name: str, runs_dir: Path | None) -> str:
    is_there = is_name(name) and (find_runs_dir(runs_dir) / SETS / name).is_dir()
    return f" (The set of this name is written {PREFIX}{name}.)" if is_there else ""


def _replace_hub(data: str, error: HubError) -> NewsFolder:
    missing = f"AG News ({HUB_DATASET}) is not in the hub's cache, and {error.reason}"
    if data == "auto":
        return replace(_SAMPLE, reason=f"The news is the bundled sample, since {missing}.")
    raise DataError(
        f"{missing}; {error.advice}, or set `data` to a folder of news or to sample, the bundled news."
    ) from error
