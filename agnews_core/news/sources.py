"""Where news comes from: a folder, the hub, the bundled sample.

Whatever the source, the answer is a folder on this machine. What is in it is not looked at.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from agnews_core.errors import DataError
from agnews_core.folders import find_folder
from agnews_core.hub import download_snapshot, find_in_hub_cache, hub_answers

HUB_DATASET = "fancyzhx/ag_news"
SAMPLE_DIR = Path(__file__).parents[2] / "assets" / "sample"
SAMPLE_SOURCE = "sample (bundled with this program)"


@dataclass(frozen=True)
class NewsFolder:
    """Where news was found.

    Attributes:
        path: Holds the files.
        data: A value of `data` that finds the same again from anywhere.
        source: Where it was found, in words; the same words each time the same is found.
        reason: Why this news, where it stands in for other news; else "".
    """

    path: Path
    data: str
    source: str
    reason: str = ""


def find_news(data: str) -> NewsFolder:
    """Turn a value of `data` into a folder on this machine.

    Raises:
        DataError: There is no such folder, or the hub was asked for and cannot be reached.
    """
    if data == "auto":
        return _find_default()
    if data == "sample":
        return NewsFolder(SAMPLE_DIR, "sample", SAMPLE_SOURCE)
    if data == "hub":
        path = _find_on_hub()
        if path is None:
            raise DataError(
                f"AG News ({HUB_DATASET}) is not in the hub's cache and cannot be downloaded now; connect to the hub, or set "
                "`data` to a folder of news or to sample, the bundled news."
            )
        return NewsFolder(path, "hub", f"hub ({HUB_DATASET})")
    return _find_folder(data)


def _find_folder(name: str, *, named_by: str = "") -> NewsFolder:
    path = find_folder(name)
    if path is None:
        raise DataError(
            f"There is no news folder {name}{named_by}; give a folder that holds train.csv, .jsonl or .parquet."
        )
    path = path.resolve()
    return NewsFolder(path, str(path), f"folder {path}")


def _find_default() -> NewsFolder:
    named = os.environ.get("AGNEWS_DATA_DIR")
    if named:
        return _find_folder(named, named_by=" (AGNEWS_DATA_DIR)")
    path = _find_on_hub()
    if path is not None:
        return NewsFolder(path, "hub", f"hub ({HUB_DATASET})")
    why = "AG News could not be downloaded" if hub_answers() else "the hub, where AG News is, does not answer"
    return NewsFolder(SAMPLE_DIR, "sample", SAMPLE_SOURCE, f"The news is the bundled sample, since {why}.")


def _find_on_hub() -> Path | None:
    cached = find_in_hub_cache(HUB_DATASET, repo_type="dataset")
    return cached or download_snapshot(HUB_DATASET, repo_type="dataset", allow_patterns=["*.parquet"])
