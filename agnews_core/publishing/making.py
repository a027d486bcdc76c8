"""A bundled model made from its recipe: teachers and final run trained as ordinary runs, then measured and written whole.

Whatever stops it, the same call goes on: a run that is finished is not trained again, one that is not is resumed.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agnews_core.config import TrainConfig
from agnews_core.errors import ConfigError, RunError
from agnews_core.evaluation.baseline import load_baseline
from agnews_core.evaluation.figures import Figures
from agnews_core.evaluation.files import Assessment
from agnews_core.inference.assess import evaluate, load_holdout
from agnews_core.inference.bundled_tests import measure_bundled_tests
from agnews_core.inference.catalogue import read_run_model
from agnews_core.inference.classifier import Classifier
from agnews_core.inference.layer_effects import compute_layer_effects
from agnews_core.models.adapters import ADAPTER_WEIGHTS
from agnews_core.models.weights import copy_adapter
from agnews_core.publishing.bundle import Extras, export_model
from agnews_core.publishing.recipes import Recipe, read_recipe
from agnews_core.runs import Run, RunStatus, create_run
from agnews_core.runs.snapshot import compute_seconds, take_snapshot

MIN_SAME = 0.9995  # of the held-out texts keep their class when weights are written with fewer bits


@dataclass(frozen=True)
class Making:
    """What is made of which recipe, where.

    Attributes:
        recipe_path: The recipe.
        runs_dir: The folder of its runs.
        prefix: What the runs' names begin with.
        data: The news, in place of the recipe's.
        folder: Where the model goes.
    """

    recipe_path: Path
    runs_dir: Path
    prefix: str
    data: str | None
    folder: Path


def make_model(making: Making, *, train: Callable[[Run], RunStatus], tell: Callable[[str], None]) -> None:
    """Train what is not trained yet, measure the final model on the held-out half, and write it in place of the earlier one.

    Args:
        making: What and where.
        train: Trains a run, or goes on with it.
        tell: Shown what is done now.

    Raises:
        ConfigError: The recipe is none, a run of its name has other settings, or the weights cannot be written as it says, or
            are too large then.
        RunError: A run was stopped or cannot be trained, or the folder cannot be written.
    """
    recipe, text = read_recipe(making.recipe_path), making.recipe_path.read_text(encoding="utf-8")
    configs = recipe.build_configs(data=making.data, prefix=making.prefix)
    runs = [_open_run(making.runs_dir, name, config) for name, config in configs.items()]
    for run in runs:
        tell(f"Run {run.name}: {_train_to_end(run, train)}")
    tell("Measuring on the held-out validation texts")
    seconds = sum(compute_seconds(take_snapshot(run)) or 0.0 for run in runs)
    with tempfile.TemporaryDirectory(prefix="agnews-make-") as temporary:
        adapter_dir = Path(temporary) / "adapter"
        copy_adapter(runs[-1].adapter_dir, adapter_dir, dtype=recipe.weights)
        _check_size(adapter_dir, recipe)
        measured, figures = _measure(runs[-1], adapter_dir, Path(temporary))
        extras = Extras(adapter_dir / ADAPTER_WEIGHTS, measured, figures, text, seconds)
        export_model(runs[-1], making.folder, extras=extras)
    tell(f"The model is in {making.folder}.")


def _open_run(runs_dir: Path, name: str, config: TrainConfig) -> Run:
    """Return the run of this name, new or from an earlier call, before any is trained."""
    run = Run(runs_dir / name)
    if not run.exists():
        return create_run(runs_dir, config, name=name)
    if run.read_config() != config:
        raise ConfigError(f"The run {name} is there already, with other settings; delete it, or give another name.")
    return run


def _train_to_end(run: Run, train: Callable[[Run], RunStatus]) -> str:
    """Train a run to its end, unless it is there already, and return what became of it."""
    if run.read_status().state == "finished":
        return "finished before"
    if train(run).state != "finished":
        raise RunError(f"The run {run.name} was stopped; the same command goes on with it.")
    return "finished"


def _check_size(adapter_dir: Path, recipe: Recipe) -> None:
    size = (adapter_dir / ADAPTER_WEIGHTS).stat().st_size / 1e6
    if size > recipe.max_megabytes:
        raise ConfigError(
            f"The weights take {size:.2g} MB in {recipe.weights}, more than the recipe's `max_megabytes` of "
            f"{recipe.max_megabytes:g}; give `weights` with fewer bits, or lower ranks."
        )


def _measure(run: Run, adapter_dir: Path, folder: Path) -> tuple[Assessment, Figures]:
    """Measure the model as it is written, on the validation texts that its run has not seen."""
    config, model = run.read_resolved_config(), read_run_model(run)
    texts = load_holdout(config)
    classifier = Classifier.load(adapter_dir, backbone_name=model.backbone)
    evaluated = evaluate(classifier, texts)
    before = Classifier.load(run.adapter_dir, backbone_name=model.backbone).compute_logits(texts.texts).argmax(-1)
    n_other = int((before != evaluated.table["predicted"].to_numpy()).sum())
    if n_other > (1 - MIN_SAME) * len(before):
        raise ConfigError(
            f"Written with fewer bits, the weights give {n_other:,} of {len(before):,} texts another class, more than "
            f"{1 - MIN_SAME:.2%}; give `weights: fp32` in the recipe."
        )
    baseline = load_baseline(folder, evaluated, config)
    measured = Assessment(evaluated.report, baseline, compute_layer_effects(model, texts))
    return measured, measure_bundled_tests(classifier)
