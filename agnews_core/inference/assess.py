"""How good a model is, as a person looks at it: its evaluation on a split and the baseline beside it, found or made."""

from dataclasses import dataclass

from agnews_core.errors import RunError
from agnews_core.evaluation.baseline import Baseline, load_baseline, read_baseline
from agnews_core.evaluation.files import Evaluated, read_evaluated, write_evaluated
from agnews_core.inference.catalogue import ClassifierCache, TrainedModel
from agnews_core.inference.predictions import Progress


@dataclass(frozen=True)
class Assessment:
    """An evaluation and the baseline on the same rows; None where that was not computed."""

    evaluated: Evaluated
    baseline: Baseline | None


def read_assessment(model: TrainedModel, split: str) -> Assessment | None:
    """Return what is kept of a model on a split, or None where it has not been evaluated there."""
    evaluated = read_evaluated(model.folder, split)
    return None if evaluated is None else Assessment(evaluated, read_baseline(model.folder, split))


def load_assessment(
    model: TrainedModel, split: str, classifiers: ClassifierCache, on_progress: Progress | None = None
) -> Assessment:
    """Return a model's assessment with all its parts, computing what is not kept, and keep that in the run's directory.

    What is kept is of the model as it is: a run that is resumed forgets its evaluations.

    Raises:
        RunError: The model belongs to no run.
        DataError: The run's news is no longer there, or has no such split.
        CheckpointError: The model cannot be loaded.
    """
    if model.run is None:
        raise RunError(
            "A shipped model is not evaluated here, since its training texts are not known; see its own report."
        )
    config = model.run.read_resolved_config()
    evaluated = read_evaluated(model.folder, split)
    if evaluated is None or evaluated.table is None:
        from agnews_core.inference.classifier import evaluate_split

        evaluated = evaluate_split(classifiers.load(model), config, split=split, is_own=True, on_progress=on_progress)
        write_evaluated(model.folder, evaluated)
    assert evaluated.table is not None  # evaluate_split always makes it
    return Assessment(evaluated, load_baseline(model.folder, split, evaluated.table, config))
