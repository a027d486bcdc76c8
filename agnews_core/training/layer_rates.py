"""A learning rate for each layer, smaller the lower it is (Howard and Ruder 2018, arXiv:1801.06146, section 3.1)."""

from collections import defaultdict
from typing import Any

import torch

from agnews_core.models.lora import find_layer


def split_by_layer(optimizer: torch.optim.Optimizer, model: Any, decay: float) -> None:
    """Split an optimizer's groups, before its first step, so that each layer learns `decay` times as fast as the one above.

    What belongs to no layer, the head, and the top layer keep their rate, and come first: Trainer tells the first group's.
    """
    top = model.config.num_hidden_layers - 1
    depths = {parameter: top - find_layer(name, default=top) for name, parameter in model.named_parameters()}
    split: list[dict[str, Any]] = []
    for group in optimizer.param_groups:
        by_depth: defaultdict[int, list[torch.nn.Parameter]] = defaultdict(list)
        for parameter in group["params"]:
            by_depth[depths[parameter]].append(parameter)
        split += [{**group, "params": own, "lr": group["lr"] * decay**depth} for depth, own in by_depth.items()]
    optimizer.param_groups = sorted(split, key=lambda group: -group["lr"])
