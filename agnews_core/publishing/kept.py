"""A visitor's texts and what was predicted of them, on the server's disk between two presses, all visitors' within one bound."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from agnews_core.errors import DataError
from agnews_core.publishing.downloads import choose_download_path, measure_downloads

if TYPE_CHECKING:
    import pandas as pd

MAX_KEPT_BYTES = 4_000_000_000


def keep_texts(texts: Sequence[str]) -> Path:
    """Write texts for `fetch_kept`, and return where they are; they go a while after their last use.

    Raises:
        DataError: There is no room.
    """
    return _keep(pa.table({"text": pa.array(texts, pa.string())}))


def keep_table(table: "pd.DataFrame") -> Path:
    """Write a table as `keep_texts` does texts."""
    return _keep(pa.Table.from_pandas(table, preserve_index=False))


def fetch_kept(path: Path | None) -> "pd.DataFrame":
    """Read what was kept.

    Raises:
        DataError: It is no longer there.
    """
    try:
        if path is None:
            raise FileNotFoundError
        os.utime(path.parent)
        table: pd.DataFrame = pq.read_table(path).to_pandas()
    except FileNotFoundError as error:
        raise DataError("This file is no longer kept here; upload it again.") from error
    return table


def _keep(table: pa.Table) -> Path:
    if measure_downloads() + table.nbytes > MAX_KEPT_BYTES:
        raise DataError(
            "There is no room to keep another file at the moment; try again in an hour, or with a smaller file."
        )
    path = choose_download_path("kept.parquet")
    try:
        pq.write_table(table, path)
    except OSError as error:
        raise DataError(f"The file cannot be kept: {error.strerror}; try again later.") from error
    return path
