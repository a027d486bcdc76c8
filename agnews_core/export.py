"""A run's model as a folder to pass on: it stands alone, names nothing of this machine, and holds none of the news.

    adapter_model.safetensors, adapter_config.json, agnews.json    the adapter, as `load_model` and PEFT read it
    config.json                                                    the settings, to train it again
    report.json, baseline-validation.json                          how good it is, without the texts it gets wrong
    README.md                                                      the model card

What it writes is what the program ships under assets/adapters, and what the page gives out as a zip.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agnews_core.adapters import (
    ADAPTER_CONFIG,
    ADAPTER_INFO,
    ADAPTER_WEIGHTS,
    describe_adapter,
    read_adapter_info,
    write_adapter_info,
)
from agnews_core.baseline import read_baseline, write_baseline
from agnews_core.downloads import choose_download_path
from agnews_core.errors import RunError
from agnews_core.evaluation_files import REPORT, read_report
from agnews_core.runs import Run, RunStatus
from agnews_core.whole_files import write_whole

if TYPE_CHECKING:
    from agnews_core.evaluation import EvaluationReport

SPLIT = "validation"


def export_model(run: Run, folder: Path) -> None:
    """Write a run's model into a new folder, or in place of an earlier one, whole or not at all.

    Raises:
        RunError: The run is not at its end or kept no model, or the folder holds something else or cannot be written.
    """
    status = run.read_status()
    if status.state not in ("finished", "stopped") or not (run.adapter_dir / ADAPTER_INFO).is_file():
        raise RunError(f"The run {run.name} has no model to pass on; one is kept when a run finishes or is stopped.")
    if folder.exists() and not (folder / ADAPTER_INFO).is_file():
        raise RunError(f"{folder} holds something else than a model; name a folder that is not there yet.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as temporary:
            made = Path(temporary) / folder.name
            made.mkdir()
            _write_model(run, status, made)
            if folder.exists():
                folder.rename(Path(temporary) / "before")
            made.rename(folder)
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror}; choose another place.") from error


def write_model_zip(run: Run) -> Path:
    """Pack a run's model, as `export_model` writes it, into a zip to download.

    Raises:
        RunError: As `export_model`.
    """
    path = choose_download_path(f"{run.name}.zip")
    folder = path.parent / run.name
    export_model(run, folder)
    shutil.make_archive(str(path.with_suffix("")), "zip", path.parent, run.name)
    shutil.rmtree(folder)
    return path


def _write_model(run: Run, status: RunStatus, folder: Path) -> None:
    backbone = status.plan.get("backbone", "")
    if status.backbone_source == "folder":
        backbone = Path(backbone).name
    info = read_adapter_info(run.adapter_dir).model_copy(update={"backbone": backbone})
    shutil.copyfile(run.adapter_dir / ADAPTER_WEIGHTS, folder / ADAPTER_WEIGHTS)
    write_adapter_info(info, folder)
    _write_peft_config(run.adapter_dir / ADAPTER_CONFIG, folder / ADAPTER_CONFIG, status)
    news = "auto" if _is_folder(status.resolved.get("data", "")) else run.read_config().data
    config = run.read_config().model_copy(update={"backbone": backbone, "data": news})
    write_whole(folder / "config.json", config.model_dump_json(indent=2) + "\n")
    report = read_report(run.path, SPLIT)
    if report is not None:
        report = _make_shareable(report, backbone)
        write_whole(folder / REPORT, report.model_dump_json(indent=2) + "\n")
    baseline = read_baseline(run.path, SPLIT)
    if baseline is not None:
        write_baseline(folder, SPLIT, baseline)
    write_whole(folder / "README.md", describe_adapter(info) + _describe_making(report))


def _write_peft_config(source: Path, target: Path, status: RunStatus) -> None:
    values: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    if status.backbone_source == "folder":
        values["base_model_name_or_path"] = Path(values["base_model_name_or_path"]).name
    write_whole(target, json.dumps(values, indent=2) + "\n")


def _is_folder(data: str) -> bool:
    """Tell whether resolved news is a folder of this machine; the other ones have a word for a name."""
    return Path(data).is_absolute()


def _make_shareable(report: "EvaluationReport", backbone: str) -> "EvaluationReport":
    """Return a report without the texts, which are not ours to pass on, and without names of this machine's folders."""
    source = report.data_source
    if source.startswith("folder "):
        source = f"a folder of {report.data_counts['n_read']:,} texts"
    counts = {**report.data_counts, "source": source}
    return report.model_copy(
        update={"mistakes": [], "data_source": source, "data_counts": counts, "backbone": backbone}
    )


def _describe_making(report: "EvaluationReport | None") -> str:
    good = ""
    if report is not None:
        good = f"""
## How good it is

On {report.n:,} texts that were kept aside from training ({report.split} split), accuracy {report.accuracy:.4f} (95 % interval
{report.accuracy_low:.4f} to {report.accuracy_high:.4f}), macro F1 {report.f1_macro:.4f}, expected calibration error
{report.expected_calibration_error:.4f} with a temperature of {report.temperature:.3f} fitted there. `report.json` has the rest,
without the texts themselves.
"""
    trained = "" if report is None else f", on {report.data_counts['n_train']:,} texts (FOLDER: {report.data_source})"
    return f"""{good}
## How it was made

With seed, settings and versions as recorded here{trained}:

    python -m agnews_core train --config config.json --data FOLDER
"""
