"""The plain script that everybody begins with: transformers' Trainer at its defaults, in fp32, around the same LoRA.

Nothing of this program trains here. Only the news is split, and the LoRA layers are built, by the same functions, so that both
sides learn from the same texts with the same weights.
"""

import statistics
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

WARM_STEPS = 2  # of a measurement, left out of it
SAME = (
    "num_train_epochs", "learning_rate", "lr_scheduler_type", "warmup_steps", "weight_decay", "max_grad_norm", "seed",
    "per_device_train_batch_size", "per_device_eval_batch_size",
)  # fmt: skip


@dataclass(frozen=True)
class Script:
    """What the script is told.

    Attributes:
        settings: This program's, of which those count that a plain script has too.
        max_steps: Stop after this many; None to train all epochs.
        is_padded: Every text is padded to the full length, as tutorials do; else to the longest of its batch, texts of like
            length together.
    """

    settings: dict[str, Any]
    max_steps: int | None = None
    is_padded: bool = True


def measure_samples_per_second(script: Script) -> float:
    """Train a few steps, and return the speed of the median one; nothing but steps is counted."""
    trainer = _build_trainer(script)
    ends = _record_ends(trainer)
    trainer.train()
    seconds = [after - before for before, after in pairwise(ends)][WARM_STEPS:]
    return trainer.args.per_device_train_batch_size / statistics.median(seconds)


def train_to_the_end(script: Script) -> float:
    """Train all epochs, and return the accuracy on the validation texts."""
    trainer = _build_trainer(script)
    trainer.train()
    return float(trainer.evaluate()["eval_accuracy"])


def _build_trainer(script: Script) -> Any:
    from datasets import disable_progress_bars
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    from agnews_core.config import build_config
    from agnews_core.evaluation.metrics import compute_metrics
    from agnews_core.models.backbones import load_backbone, load_tokenizer
    from agnews_core.models.lora import build_model
    from agnews_core.news.splits import load_news

    disable_progress_bars()
    config = build_config(script.settings)
    backbone, news = load_backbone(config.backbone), load_news(config)
    tokenizer = load_tokenizer(backbone)

    def tokenize(rows: Any) -> Any:
        padding = "max_length" if script.is_padded else False
        return tokenizer(rows["text"], truncation=True, max_length=config.max_length, padding=padding)

    arguments = TrainingArguments(
        output_dir="unused",
        max_steps=script.max_steps or -1,
        train_sampling_strategy="random" if script.is_padded else "group_by_length",
        save_strategy="no",  # nor are evaluations counted: it is given these
        label_names=["labels"],
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
        **{name: getattr(config, name) for name in SAME},
    )
    return Trainer(
        model=build_model(config, backbone),
        args=arguments,
        train_dataset=news.train.map(tokenize, batched=True, remove_columns="text"),
        eval_dataset=news.validation.map(tokenize, batched=True, remove_columns="text"),
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=compute_metrics,
    )


def _record_ends(trainer: Any) -> list[float]:
    """Return a list to which the end of each step will be added."""
    from transformers import TrainerCallback

    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            ends.append(time.perf_counter())

    trainer.add_callback(Clock())
    return ends
