"""What a run trains with: news, backbone, tokenizer and model, loaded and told to the run's directory."""

import shutil
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from datasets import Dataset

from agnews_core.config import TrainConfig
from agnews_core.devices import check_optimizer, choose_device, choose_precision
from agnews_core.errors import RunError
from agnews_core.models.backbones import Backbone, load_backbone, load_tokenizer
from agnews_core.models.lora import build_model, plan, read_plan
from agnews_core.models.plan import Plan
from agnews_core.news.splits import DataCounts, load_news
from agnews_core.news.tokens import tokenize
from agnews_core.runs import Run
from agnews_core.runs.run import SPARE_BYTES
from agnews_core.training.records import enter, note


@dataclass(frozen=True)
class Parts:
    """What a run trains with, once everything is loaded. `validation` and its tokens are sorted by length."""

    config: TrainConfig
    counts: DataCounts
    train_tokens: Dataset
    validation: Dataset
    validation_tokens: Dataset
    backbone: Backbone
    tokenizer: Any
    model: Any
    plan: Plan


def load_parts(run: Run) -> Parts:
    """Load news, backbone and model, cheapest and likeliest to fail first, and record what was chosen."""
    config = run.read_resolved_config()
    device = choose_device()
    check_optimizer(config.optim, device=device)
    precision = choose_precision(config.precision, device=device)
    plan(config)
    enter(run, "preparing data")
    news = load_news(config)
    note(run, news.folder.reason)
    note(run, news.counts.describe())
    recorded = run.read_status().data
    if recorded and {**recorded, "source": ""} != {**asdict(news.counts), "source": ""}:
        raise RunError(f"The news of run {run.name} has changed since it began; start a new run instead.")
    enter(run, "loading the backbone")
    backbone = load_backbone(config.backbone)
    note(run, backbone.reason)
    note(run, precision.reason)
    model = build_model(config, backbone)
    built = read_plan(model, backbone.name, config)
    _check_disk(run, built)
    run.update_status(
        device=device,
        precision=precision.name,
        backbone_source=backbone.source,
        plan=built.to_json(),
        data=asdict(news.counts),
        resolved={"backbone": backbone.reference, "data": news.folder.data},
    )
    tokenizer = load_tokenizer(backbone)
    train_tokens = tokenize(news.train, tokenizer, max_length=config.max_length)
    validation_tokens = tokenize(news.validation, tokenizer, max_length=config.max_length)
    # Batches are read in order; sorted, their texts are of like length and need little padding.
    by_length = np.argsort(np.asarray(validation_tokens["length"]), kind="stable")
    return Parts(
        config=config,
        counts=news.counts,
        train_tokens=train_tokens,
        validation=news.validation.select(by_length),
        validation_tokens=validation_tokens.select(by_length),
        backbone=backbone,
        tokenizer=tokenizer,
        model=model,
        plan=built,
    )


def _check_disk(run: Run, built: Plan) -> None:
    # A checkpoint holds the weights and AdamW's two moments in fp32; three exist for a moment, beside two adapters.
    needed = built.trainable_parameters * 4 * (3 * 3 + 2) + SPARE_BYTES
    free = shutil.disk_usage(run.path).free
    if free < needed:
        raise RunError(
            f"The runs folder {run.path.parent} has {free / 1e6:,.0f} MB free and this run needs about {needed / 1e6:,.0f} MB; "
            "make room, or choose another runs folder."
        )
