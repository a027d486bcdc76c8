"""A run's model as a folder to pass on: it stands alone, names nothing of this machine, and holds none of the news.

    adapter_model.safetensors, adapter_config.json, agnews.json    the adapter, as `load_model` and PEFT read it
    config.json                                                    the settings, to train it again
    report.json, baseline-validation.json                          how good it is, without the texts it gets wrong
    layers-validation.json, figures.json                           what each layer does for it; other texts; where measured
    recipe.yaml                                                    what it was made from, where that was a recipe
    README.md                                                      the model card

What it writes is what is bundled with the program under assets/adapters, and what the page gives out as a zip.
"""

import contextlib
import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agnews_core.errors import RunError
from agnews_core.evaluation.figures import FIGURES, Figures, write_figures
from agnews_core.evaluation.files import Assessment, read_assessment, write_assessment
from agnews_core.evaluation.report import REPORT, EvaluationReport
from agnews_core.jobs.visitors import Visitor, check_owner
from agnews_core.models.adapters import (
    ADAPTER_CONFIG,
    ADAPTER_INFO,
    ADAPTER_WEIGHTS,
    read_adapter_info,
    write_adapter_info,
)
from agnews_core.news.sets import shorten
from agnews_core.publishing.card import ModelFacts, describe_model
from agnews_core.publishing.downloads import choose_download_path
from agnews_core.publishing.recipes import RECIPE
from agnews_core.runs import Run, RunStatus
from agnews_core.runs.snapshot import compute_seconds, take_snapshot
from agnews_core.whole_files import write_whole

SPLIT = "validation"
CARD = "README.md"
_WRITTEN = {
    ADAPTER_CONFIG, ADAPTER_INFO, ADAPTER_WEIGHTS, "config.json", REPORT, f"baseline-{SPLIT}.json", f"layers-{SPLIT}.json",
    FIGURES, CARD,
}  # fmt: skip


@dataclass(frozen=True)
class Extras:
    """What takes the place of a run's own, or comes to it, where its model was made from a recipe.

    Attributes:
        weights: The file of the weights as they are to be passed on.
        measured: How good the model is with them.
        figures: How good it is on other texts.
        recipe: The recipe's text.
        seconds: What the training of all its runs took.
    """

    weights: Path
    measured: Assessment
    figures: Figures
    recipe: str
    seconds: float


@dataclass(frozen=True)
class _Model:
    """What is written, already rid of what is not to be passed on."""

    weights: Path
    peft_config: dict[str, Any]
    facts: ModelFacts
    recipe: str


def export_model(run: Run, folder: Path, *, extras: Extras | None = None) -> None:
    """Write a run's model into a new folder, or in place of an earlier one.

    Raises:
        RunError: The run is not at its end or kept no model, its files are damaged, or the folder holds something else or
            cannot be written.
    """
    model = _read_model(run, extras)
    try:
        if folder.exists():
            _check_replaceable(folder, {*_WRITTEN, RECIPE} if extras else _WRITTEN)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as temporary:
            made = Path(temporary) / "made"
            made.mkdir()
            _write_model(model, made)
            _put_in_place(made, folder, before=Path(temporary) / "before")
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror}; choose another place.") from error


def write_model_zip(run: Run, *, by: Visitor) -> Path:
    """Pack a run's model, as `export_model` writes it, into a zip to download.

    Raises:
        RunError: It is another's run, or as `export_model`.
    """
    check_owner(run, by, action="download")
    path = choose_download_path(f"{run.name}.zip")
    folder = path.parent / run.name
    export_model(run, folder)
    try:
        shutil.make_archive(str(path.with_suffix("")), "zip", path.parent, run.name)
    except OSError as error:
        raise RunError(f"The model of run {run.name} cannot be packed: {error.strerror}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return path


def _check_replaceable(folder: Path, known: set[str]) -> None:
    """Refuse to replace what is not a model, or a model's folder that holds somebody's own files."""
    others = sorted(path.name for path in folder.iterdir() if path.name not in known)
    is_model = (folder / ADAPTER_INFO).is_file() or [path.name for path in folder.iterdir()] == [RECIPE]
    if others or not is_model:
        what = f"also holds {others[0]}" if is_model else "holds something else than a model"
        raise RunError(f"{folder} {what}; name a folder that is not there yet.")


def _put_in_place(made: Path, folder: Path, *, before: Path) -> None:
    """Move the new folder where the old one is, which comes back if that fails."""
    if folder.exists():
        folder.rename(before)
    try:
        made.rename(folder)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            before.rename(folder)
        raise


def _read_model(run: Run, extras: Extras | None) -> _Model:
    if not run.has_model():
        raise RunError(f"The run {run.name} has no model to export; one is kept when a run finishes or is stopped.")
    try:
        peft_config = json.loads((run.adapter_dir / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        base_model = peft_config["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"The model of run {run.name} is damaged: {ADAPTER_CONFIG} cannot be read.") from error
    if not (run.adapter_dir / ADAPTER_WEIGHTS).is_file():
        raise RunError(f"The model of run {run.name} is damaged: {ADAPTER_WEIGHTS} is missing.")
    status, config, info = run.read_status(), run.read_config(), read_adapter_info(run.adapter_dir)
    backbone, news = info.backbone, config.data
    if status.resolved and status.resolved.backbone_source == "folder":
        backbone = base_model = Path(status.resolved.backbone).name or backbone
    if status.resolved and status.resolved.is_news_folder:
        news = "auto"
    measured = extras.measured if extras else read_assessment(run.path, SPLIT)
    if measured:
        measured = replace(measured, report=_make_shareable(measured.report, status, backbone))
    teachers = tuple(Path(name).name for name in config.teachers)
    more = tuple(map(shorten, config.more_train_files))
    facts = ModelFacts(
        info=info.model_copy(update={"backbone": backbone}),
        config=config.model_copy(
            update={"backbone": backbone, "data": news, "teachers": teachers, "more_train_files": more}
        ),
        versions=status.versions,
        machine=status.machine,
        seconds=extras.seconds if extras else compute_seconds(take_snapshot(run)),
        measured=measured,
        figures=extras.figures if extras else None,
        is_of_recipe=extras is not None,
    )
    weights = extras.weights if extras else run.adapter_dir / ADAPTER_WEIGHTS
    return _Model(
        weights, {**peft_config, "base_model_name_or_path": base_model}, facts, extras.recipe if extras else ""
    )


def _make_shareable(report: EvaluationReport, status: RunStatus, backbone: str) -> EvaluationReport:
    """Return a report without the texts, which are not ours to pass on, and without names of this machine's folders."""
    source = report.data_source
    if status.resolved and status.resolved.is_news_folder:
        source = f"a folder of {report.data_counts['n_read']:,} texts"
    counts = {**report.data_counts, "source": source}
    changes = {"mistakes": [], "data_source": source, "data_counts": counts, "backbone": backbone}
    return report.model_copy(update=changes)


def _write_model(model: _Model, folder: Path) -> None:
    facts = model.facts
    shutil.copyfile(model.weights, folder / ADAPTER_WEIGHTS)
    write_whole(folder / ADAPTER_CONFIG, json.dumps(model.peft_config, indent=2) + "\n")
    write_adapter_info(facts.info, folder)
    write_whole(folder / "config.json", facts.config.model_dump_json(indent=2) + "\n")
    if facts.measured:
        write_assessment(folder, facts.measured)
    if facts.figures:
        write_figures(folder, facts.figures)
    if model.recipe:
        write_whole(folder / RECIPE, model.recipe)
    write_whole(folder / CARD, describe_model(facts))
