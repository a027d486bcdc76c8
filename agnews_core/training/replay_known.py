"""Whether frozen layers are computed already, told from settings and files without reading the news: for the plan.

A run that has filled a file keeps a name for it there, which a plan of like settings finds. The run itself asks the file.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

from agnews_core.config import TrainConfig
from agnews_core.errors import AgNewsError
from agnews_core.models.backbones import Backbone, compute_fingerprint, look_for_backbone
from agnews_core.news.sources import NewsFolder, look_for_news
from agnews_core.news.splits import name_split
from agnews_core.runs import Resolved
from agnews_core.runs.resolved import Evaluations
from agnews_core.training.replay_choice import choose_engine_to_fill
from agnews_core.training.replay_folder import get_replay_dir

KNOWN = ".known"


def find_known(config: TrainConfig, resolved: Resolved, evaluations: Evaluations) -> bool:
    """Return whether a run with these settings, which leave nothing open, would find its frozen layers computed."""
    try:
        place = _find_place(config, resolved, evaluations)
        return place is not None and (get_replay_dir() / place.read_text()).is_file()
    except (OSError, AgNewsError):
        return False


def remember(path: Path, config: TrainConfig, resolved: Resolved, evaluations: Evaluations) -> None:
    """Keep a name for a file that is filled, and forget the names of those that are gone."""
    with suppress(OSError, AgNewsError):  # the plan then knows nothing of the file
        for known in path.parent.glob(f"*{KNOWN}"):
            if not (path.parent / known.read_text()).is_file():
                known.unlink()
        if place := _find_place(config, resolved, evaluations):
            place.write_text(path.name)


def _find_place(config: TrainConfig, resolved: Resolved, evaluations: Evaluations) -> Path | None:
    """Return the place of a name made of all that decides which texts are computed, and how; None where they are not here."""
    news, backbone = look_for_news(config.data), look_for_backbone(config.backbone)
    if not (isinstance(news, NewsFolder) and isinstance(backbone, Backbone)):
        return None
    texts = (config.seed, config.vary_texts, config.plain_weight > 0, evaluations.n_texts, config.max_length)
    how = (min(resolved.layer_ranks), choose_engine_to_fill(resolved.precision), resolved.precision)
    parts = (name_split(news, config), *texts, compute_fingerprint(backbone), *how)
    return get_replay_dir() / f"{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}{KNOWN}"
