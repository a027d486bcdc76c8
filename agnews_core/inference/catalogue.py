"""Which trained models there are (the bundled one, those of runs), and a few of them kept in memory.

It imports no torch until a model is loaded.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from agnews_core.errors import AgNewsError, CheckpointError, RunError
from agnews_core.evaluation.report import read_lone_report
from agnews_core.libraries import import_for_answers
from agnews_core.models.adapters import ADAPTER_INFO, read_adapter_info
from agnews_core.models.backbones import BUNDLED_BACKBONE
from agnews_core.runs import Run, list_runs

if TYPE_CHECKING:
    from agnews_core.inference.classifier import Classifier

Source = TypeVar("Source", Run, Path)
logger = logging.getLogger(__name__)

BUNDLED_DIR = Path(__file__).parents[2] / "assets" / "adapters"
NO_MODEL = (
    "There is no trained model yet; start a training (the preset quick takes a few minutes on two cores), and the model is "
    "here when it has finished."
)


@dataclass(frozen=True)
class TrainedModel:
    """A model that can be loaded.

    Attributes:
        key: "run/NAME" or "bundled/NAME"; what a page or an address keeps.
        folder: Where its report is: the run's directory, or the bundled adapter's own.
        adapter_dir: The adapter.
        backbone: The backbone's name, as it can be found on this machine.
        accuracy: On the validation split, where it is known, 0-1.
        n_validation: How many texts that accuracy is of; a share of few texts is worth less than it looks.
        run: The run that made it; None for a bundled one.
        is_whole: False for a run that was stopped before its end.
    """

    key: str
    folder: Path
    adapter_dir: Path
    backbone: str
    accuracy: float | None = None
    n_validation: int | None = None
    run: Run | None = None
    is_whole: bool = True

    @property
    def is_bundled(self) -> bool:
        """Whether it came with the program, so that its texts are not known here."""
        return self.run is None

    @property
    def title(self) -> str:
        """The model in one line, with its validation accuracy and of how many texts that is."""
        name = f"Run {self.run.name}" if self.run else "Bundled model"
        accuracy = "" if self.accuracy is None else f", {self.accuracy:.1%}"
        accuracy += f" of {self.n_validation:,}" if accuracy and self.n_validation else ""
        return f"{name} ({Path(self.backbone).name}{accuracy}{'' if self.is_whole else ', stopped early'})"


def list_models(runs_dir: Path, *, bundled_dir: Path = BUNDLED_DIR) -> list[TrainedModel]:
    """Return all trained models, the one to use by default first.

    That is a bundled one, until a person chooses: a run is not better for being newer. Then come the models of finished runs,
    newest first, then what was kept of the others.
    """
    of_runs = [model for run in list_runs(runs_dir) if (model := _leave_out_damaged(read_run_model, run))]
    of_runs.sort(key=lambda model: not model.is_whole)
    return [*_list_bundled(bundled_dir), *of_runs]


def find_model(runs_dir: Path, key: str | None = None, *, bundled_dir: Path = BUNDLED_DIR) -> TrainedModel:
    """Return a model by its key, or the one to use by default.

    Raises:
        RunError: There is no such model, or none at all.
    """
    models = list_models(runs_dir, bundled_dir=bundled_dir)
    if not models:
        raise RunError(NO_MODEL)
    if not key:
        return models[0]
    for model in models:
        if model.key == key:
            return model
    raise RunError(f"The model {key} is no longer there; choose another one.")


def find_bundled(bundled_dir: Path = BUNDLED_DIR) -> TrainedModel | None:
    """Return the bundled model that answers unless a person chooses another, if there is one."""
    return next(iter(_list_bundled(bundled_dir)), None)


def read_run_model(run: Run) -> TrainedModel:
    """Return a run's model.

    Raises:
        RunError: It has none that can be used, or the run is gone.
    """
    status = run.read_status()
    result, data = status.result, status.data
    if not run.has_model():
        raise RunError(f"The run {run.name} ({status.state}) has no model to use; choose another model.")
    return TrainedModel(
        key=f"run/{run.name}",
        folder=run.path,
        adapter_dir=run.adapter_dir,
        backbone=status.resolved.backbone if status.resolved else read_adapter_info(run.adapter_dir).backbone,
        accuracy=result.eval_accuracy if result else None,
        n_validation=(result.n_evaluated if result else None) or (data.n_validation if data else None),
        run=run,
        is_whole=status.state == "finished",
    )


def _list_bundled(bundled_dir: Path) -> list[TrainedModel]:
    """Return the bundled models, first the one whose backbone is bundled too, so that it needs no network."""
    folders = (path.parent for path in bundled_dir.glob(f"*/{ADAPTER_INFO}"))
    models = [model for folder in folders if (model := _leave_out_damaged(_read_bundled, folder))]
    return sorted(models, key=lambda model: (Path(model.backbone).name != BUNDLED_BACKBONE, model.key))


def _read_bundled(folder: Path) -> TrainedModel:
    report = read_lone_report(folder, "validation")
    known = (report.accuracy, report.n) if report else (None, None)
    return TrainedModel(f"bundled/{folder.name}", folder, folder, read_adapter_info(folder).backbone, *known)


def _leave_out_damaged(read: Callable[[Source], TrainedModel], source: Source) -> TrainedModel | None:
    """Read a model, or return None: one that is damaged, or deleted at this moment, must not hide the others."""
    try:
        return read(source)
    except CheckpointError as error:
        logger.warning("A model is left out: %s", error)
    except RunError:  # a run without a model is nothing odd
        pass
    return None


class ClassifierCache:
    """Classifiers in memory, at most `size` of them, the least lately used let go first. Safe to use from many threads.

    Two threads that ask for one model at the same time wait for one load of it.
    """

    def __init__(self, size: int = 2) -> None:
        self._size = size
        self._lock = threading.Lock()  # held for a look at the two tables, never while a model loads
        self._loaded: OrderedDict[tuple[str, int], Classifier] = OrderedDict()
        self._loading: dict[tuple[str, int], threading.Lock] = {}

    def load(self, model: TrainedModel) -> "Classifier":
        """Return a model's classifier, from memory where it is there.

        Raises:
            CheckpointError: The adapter cannot be read, or its backbone cannot be had.
        """
        key = identify(model)
        with self._lock:
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:
            return self._find(key) or self._add(key, model)

    def has(self, model: TrainedModel) -> bool:
        """Return whether a model is in memory."""
        with self._lock:
            return identify(model) in self._loaded

    def _find(self, key: tuple[str, int]) -> "Classifier | None":
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
            return self._loaded.get(key)

    def _add(self, key: tuple[str, int], model: TrainedModel) -> "Classifier":
        import_for_answers()
        from agnews_core.inference.classifier import Classifier

        classifier = Classifier.load(model.adapter_dir, backbone_name=model.backbone)
        classifier.compute_logits(["A first text, which is slower than all others."])
        with self._lock:
            self._loaded[key] = classifier
            while len(self._loaded) > self._size:
                self._loaded.popitem(last=False)
        return classifier


def identify(model: TrainedModel) -> tuple[str, int]:
    """Return what tells a model from another that later took its folder's name.

    Raises:
        RunError: The model is gone.
    """
    try:
        return str(model.adapter_dir.resolve()), (model.adapter_dir / ADAPTER_INFO).stat().st_mtime_ns
    except OSError as error:
        raise RunError(f"The model {model.title} is no longer there; choose another one.") from error


CLASSIFIERS = ClassifierCache()
"""The one cache of this process."""


def load_ahead(runs_dir: Path) -> threading.Thread:
    """Load the model to use by default in a thread, which is returned, so that whoever asks first need not wait for it."""

    def load() -> None:
        try:
            CLASSIFIERS.load(find_model(runs_dir))
        except AgNewsError as error:  # who asks is told it too
            logger.warning("The model could not be loaded ahead: %s", error)

    thread = threading.Thread(target=load, name="load-ahead", daemon=True)
    thread.start()
    return thread
