"""What a run trains with: news, backbone, tokenizer and model, loaded and told to the run's directory."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from transformers import DataCollatorWithPadding

from agnews_core.config import TrainConfig
from agnews_core.errors import RunError
from agnews_core.models.backbones import Backbone, compute_fingerprint, load_backbone, load_tokenizer
from agnews_core.models.lora import build_model, plan
from agnews_core.models.plan import Plan
from agnews_core.news.counts import DataCounts
from agnews_core.news.splits import load_news
from agnews_core.processes import get_rank, is_first
from agnews_core.runs import Resolved, Run
from agnews_core.runs.held import SPARE_BYTES
from agnews_core.runs.resolved import count_of
from agnews_core.training.batches import PADDED_TO, fill_up
from agnews_core.training.evaluations import describe
from agnews_core.training.records import enter, note
from agnews_core.training.resolve import check_ready, resolve, resolve_passes
from agnews_core.training.texts import tokenize_training, tokenize_validation


@dataclass(frozen=True)
class Parts:
    """What a run trains with, once everything is loaded.

    `config` leaves nothing open: what it left open is decided in `resolved`. `validation` and `plain_validation` have all
    validation texts; `validation_tokens` are of those that are evaluated while it trains, see `texts`. The tokens are token ids,
    or what frozen layers make of them; `collate` makes a batch of their rows.
    """

    config: TrainConfig
    resolved: Resolved
    counts: DataCounts
    train: Dataset
    train_tokens: Any
    other: NDArray[np.intp] | None
    validation: Dataset
    plain_validation: Dataset | None
    validation_tokens: Any
    is_plain: NDArray[np.bool_]
    backbone: Backbone
    tokenizer: Any
    model: Any
    collate: Callable[[list[Any]], Any]

    @property
    def evaluated_texts(self) -> str:
        """What is evaluated while it trains, in words."""
        n_plain = int(self.is_plain.sum())
        weighted = f" and {n_plain:,} plain ones (which count {self.config.plain_weight:.0%})" if n_plain else ""
        return f"{count_of(self.n_evaluated, len(self.validation))} validation texts{weighted}"

    @property
    def n_evaluated(self) -> int:
        """How many validation texts, plain ones aside, are evaluated while it trains."""
        return int((~self.is_plain).sum())


def load_parts(run: Run) -> Parts:
    """Load news, backbone and model, cheapest and likeliest to fail first, and record what was chosen."""
    enter(run, "preparing data")
    given = run.read_resolved_config()
    before = run.read_status().plan
    head = before.modules_to_save if before else None  # a run that goes on trains what it began with
    check_ready(given, runs_dir=run.path.parent, head=head, with_teachers=False)
    resolved = resolve(given, runs_dir=run.path.parent)
    config = resolved.apply_to(given)
    built = plan(config, head=head)
    _check_disk(run, config, built)
    for text in resolved.notes:
        note(run, text)
    news = load_news(config)
    note(run, news.counts.describe())
    enter(run, "loading the backbone")
    backbone = load_backbone(config.backbone)
    found = {"data_digest": news.digest, "backbone_fingerprint": compute_fingerprint(backbone)}
    resolved = _decide_passes(run, config, resolved.model_copy(update=found), built, news.counts)
    _check_same(run, resolved, news.counts)
    model = build_model(config, backbone, head=built.modules_to_save)
    run.update_status(resolved=resolved, plan=built, data=news.counts)
    tokenizer = load_tokenizer(backbone)
    return Parts(
        config=config,
        resolved=resolved,
        counts=news.counts,
        validation=news.validation,
        plain_validation=news.plain_validation,
        **vars(tokenize_training(news, tokenizer, config)),
        **vars(tokenize_validation(news, resolved.evaluations, tokenizer, config)),
        backbone=backbone,
        tokenizer=tokenizer,
        model=model,
        collate=_build_collate(tokenizer, config.max_length, n_positions=model.config.max_position_embeddings),
    )


def _build_collate(tokenizer: Any, max_length: int, *, n_positions: int) -> Any:
    """Build what pads a batch of token ids; not beyond what the backbone has positions for."""
    padded_to = PADDED_TO if fill_up(max_length) <= n_positions else None
    return DataCollatorWithPadding(tokenizer, pad_to_multiple_of=padded_to)


def _decide_passes(run: Run, config: TrainConfig, resolved: Resolved, built: Plan, counts: DataCounts) -> Resolved:
    """Decide about frozen layers and evaluations; a run that goes on keeps what it began with."""
    if before := run.read_status().resolved:
        return resolved.model_copy(update={"replay": before.replay, "evaluations": before.evaluations})
    passes = resolve_passes(config, resolved, built, counts.texts)
    if not passes.replay.used:
        note(run, passes.replay.reason)
    n_steps = resolved.count_as_one(config).count_steps(counts.n_train)
    note(run, describe(passes.evaluations, config, n_steps))
    return resolved.model_copy(update=vars(passes))


def _check_same(run: Run, resolved: Resolved, counts: DataCounts) -> None:
    """Refuse to go on with other news or another base model than a run began with."""
    status = run.read_status()
    before = status.resolved
    if before is None:
        return
    # Runs of the first version have no digest of their news, only its counts, and no fingerprint.
    unknown = {"source": counts.source, "n_by_class": counts.n_by_class}
    same_counts = status.data is None or status.data.model_copy(update=unknown) == counts
    same_news = before.data_digest == resolved.data_digest if before.data_digest else same_counts
    same_backbone = before.backbone_fingerprint in ("", resolved.backbone_fingerprint)
    if not (same_news and same_backbone):
        what = "base model" if same_news else "news"
        if not is_first():
            raise RunError(
                f"The {what} of process {get_rank()} is not that of the first one; give all machines the same."
            )
        raise RunError(f"The {what} of run {run.name} has changed since it began; start a new run instead.")


def _check_disk(run: Run, config: TrainConfig, built: Plan) -> None:
    # A checkpoint holds the weights, AdamW's two moments and perhaps an average in fp32; three exist for a moment, beside two
    # adapters.
    copies = 4 if config.average_last else 3
    needed = built.trainable_parameters * 4 * (3 * copies + 2) + SPARE_BYTES
    free = shutil.disk_usage(run.path).free
    if free < needed:
        raise RunError(
            f"The runs folder {run.path.parent} has {free / 1e6:,.0f} MB free and this run needs about {needed / 1e6:,.0f} MB; "
            "make room, or choose another runs folder."
        )
