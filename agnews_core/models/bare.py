"""A backbone with a head for the four classes, as transformers builds it, before anything is added. It knows nothing of LoRA."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

from agnews_core.errors import CheckpointError
from agnews_core.labels import LABELS
from agnews_core.models.backbones import Backbone, load_backbone_config


def build_bare(backbone_config: Any, name: str) -> Any:
    """Build a backbone with a head from its configuration, with random weights.

    Raises:
        CheckpointError: The configuration makes no model.
    """
    try:
        return AutoModelForSequenceClassification.from_config(_with_labels(backbone_config))
    except (ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"The configuration of backbone {name} makes no model: {str(error).splitlines()[0]}"
        ) from error


def load_bare(backbone: Backbone) -> Any:
    """Load a backbone with a head whose weights are new.

    Raises:
        CheckpointError: The weights cannot be read.
    """
    backbone_config = _with_labels(load_backbone_config(str(backbone.folder)))
    try:
        with _quiet_loading():
            return AutoModelForSequenceClassification.from_pretrained(
                backbone.folder,
                config=backbone_config,
                dtype=torch.float32,  # as it is trained; a folder may hold it in half of that
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
            )
    except Exception as error:  # safetensors, transformers and torch each have their own for a damaged file
        raise CheckpointError(
            f"The weights in {backbone.folder} cannot be read: {str(error).splitlines()[0]}"
        ) from error


@contextlib.contextmanager
def _quiet_loading() -> Iterator[None]:
    """Hold back transformers' progress bars and its notes on a head that is new because it is going to be trained."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _with_labels(backbone_config: Any) -> Any:
    backbone_config.num_labels = len(LABELS)
    backbone_config.id2label = dict(enumerate(LABELS))
    backbone_config.label2id = {name: number for number, name in enumerate(LABELS)}
    return backbone_config
