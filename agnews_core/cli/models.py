"""Which model a command uses."""

from dataclasses import replace
from typing import TYPE_CHECKING

from agnews_core.cli.options import ModelOptions
from agnews_core.cli.output import progress, say
from agnews_core.inference import catalogue
from agnews_core.inference.catalogue import TrainedModel
from agnews_core.models.adapters import read_adapter_info
from agnews_core.runs import find_run, find_runs_dir

if TYPE_CHECKING:
    from agnews_core.inference.classifier import Classifier


def find_model(options: ModelOptions) -> TrainedModel:
    """Return the model that was named, else the one to use by default.

    Raises:
        RunError: There is no such run, or it has no model yet.
        CheckpointError: The folder is no adapter.
    """
    model = _find_named(options)
    return replace(model, backbone=options.backbone or model.backbone)


def _find_named(options: ModelOptions) -> TrainedModel:
    if options.adapter is not None:
        return TrainedModel("", options.adapter, options.adapter, read_adapter_info(options.adapter).backbone)
    folder = find_runs_dir(options.runs_dir)
    if options.run_name is not None:
        return catalogue.read_run_model(find_run(folder, options.run_name))
    return catalogue.find_model(folder)


def load_classifier(model: TrainedModel) -> "Classifier":
    """Load a model, and print which one it is and what computes it."""
    say(f"Model: {model.adapter_dir}")
    with progress("Loading the model"):
        from agnews_core.inference.classifier import Classifier

        classifier = Classifier.load(model.adapter_dir, backbone_name=model.backbone)
    say(f"Engine: {classifier.engine.title}")
    return classifier
