"""A model's accuracy on texts that no run is trained on, each kind for itself, as it is kept. A schema: it computes nothing."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agnews_core.evaluation.report import MAX_REPORT_BYTES, Share
from agnews_core.whole_files import read_regular, write_whole

FIGURES = "figures.json"


class Figures(BaseModel):
    """Accuracies by what the texts are, in words, in the order in which they are shown."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    shares: dict[str, Share]


def read_figures(folder: Path) -> Figures | None:
    """Read what is kept, if anything is."""
    try:
        return Figures.model_validate_json(read_regular(folder / FIGURES, at_most_bytes=MAX_REPORT_BYTES))
    except (OSError, ValueError):  # not there, not text, or not what it should be
        return None


def write_figures(folder: Path, figures: Figures) -> None:
    """Keep a model's figures beside its report."""
    write_whole(folder / FIGURES, figures.model_dump_json(indent=2) + "\n")
