"""What a config leaves open, decided for this machine: base model, news, device, precision, the rank of each layer.

The plan that people look at and the training itself ask here and nowhere else; what a run began with is recorded in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from agnews_core.config import TrainConfig
from agnews_core.devices import check_optimizer, choose_device, choose_precision
from agnews_core.errors import AgNewsError
from agnews_core.models.backbones import check_backbone, choose_name, count_layers, load_backbone
from agnews_core.models.plan import resolve_layer_ranks
from agnews_core.news.sources import find_news, look_for_news
from agnews_core.runs import Resolved


def resolve(config: TrainConfig, *, missing: list[str] | None = None) -> Resolved:
    """Decide what a config leaves open, downloading what that takes.

    Args:
        config: The settings.
        missing: Where it is given, nothing is downloaded, and why something cannot be had is added to it instead of raised.

    Raises:
        ConfigError: The settings ask for what this machine or the base model does not have.
        CheckpointError, DataError: The base model or the news cannot be had.
    """
    device = choose_device()
    check_optimizer(config.optim, device=device)
    precision = choose_precision(config.precision, device=device)
    name = choose_name(config.backbone)
    backbone = {"backbone": name, "backbone_name": name, "backbone_source": ""}
    news = {"data": config.data, "data_source": ""}
    notes = []
    with _collecting(missing):
        if missing is None:
            found = load_backbone(config.backbone)
            backbone = {"backbone": found.reference, "backbone_name": found.name, "backbone_source": found.source}
            notes.append(found.reason)
        else:
            notes.append(check_backbone(config.backbone))
    with _collecting(missing):
        found_news = find_news(config.data) if missing is None else look_for_news(config.data)
        news = {"data": found_news.data, "data_source": found_news.source}
        notes.append(found_news.reason)
    ranks = resolve_layer_ranks(config.layer_ranks, n_layers=count_layers(backbone["backbone"]))
    told = tuple(note for note in (*notes, precision.reason) if note)
    return Resolved(**backbone, **news, device=device, precision=precision.name, layer_ranks=ranks, notes=told)


@contextmanager
def _collecting(missing: list[str] | None) -> Iterator[None]:
    try:
        yield
    except AgNewsError as error:
        if missing is None:
            raise
        missing.append(str(error))
