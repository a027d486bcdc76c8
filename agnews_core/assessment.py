"""How good a model is, as a person looks at it: its evaluation on a split and the baseline beside it, found or made."""

from dataclasses import dataclass

from agnews_core.baseline import Baseline, load_baseline, read_baseline
from agnews_core.catalogue import ClassifierCache, TrainedModel
from agnews_core.errors import RunError
from agnews_core.evaluation_files import Evaluated, read_evaluated, write_evaluated
from agnews_core.predictions import Progress


@dataclass(frozen=True)
class Assessment:
    """An evaluation and the baseline on the same rows; None where that was not computed."""

    evaluated: Evaluated
    baseline: Baseline | None


def read_assessment(model: TrainedModel, split: str) -> Assessment | None:
    """Return what is kept of a model on a split, or None where it has not been evaluated there."""
    evaluated = read_evaluated(model.folder, split)
    return None if evaluated is None else Assessment(evaluated, read_baseline(model.folder, split))


def make_assessment(
    model: TrainedModel, split: str, classifiers: ClassifierCache, on_progress: Progress | None = None
) -> Assessment:
    """Evaluate a run's model on a split of the run's own news, compute the baseline, and keep both in the run's directory.

    Raises:
        RunError: The model belongs to no run.
        DataError: The run's news is no longer there, or has no test file.
        CheckpointError: The model cannot be loaded.
    """
    if model.run is None:
        raise RunError(
            "A shipped model is not evaluated here: which texts it learned from is not known; see its report."
        )
    from agnews_core.inference import evaluate_split

    config = model.run.read_resolved_config()
    evaluated = evaluate_split(classifiers.load(model), config, split=split, on_progress=on_progress)
    write_evaluated(model.folder, evaluated)
    assert evaluated.table is not None  # evaluate_split always makes it
    return Assessment(evaluated, load_baseline(model.folder, split, evaluated.table, config))


def add_baseline(model: TrainedModel, assessment: Assessment) -> Assessment:
    """Compute the baseline of an evaluation that was kept without one (at the end of a training)."""
    report, table = assessment.evaluated.report, assessment.evaluated.table
    if assessment.baseline is not None or table is None or model.run is None:
        return assessment
    baseline = load_baseline(model.folder, report.split, table, model.run.read_resolved_config())
    return Assessment(assessment.evaluated, baseline)
