"""A study: a search for settings, as its folder keeps it. It trains nothing and computes nothing.

    RUNS_DIR/_studies/NAME/
        study.json     all that is known of it, as `StudyStatus`; replaced whole
        winner.yaml    the winner's settings, for a training of one's own
        stop           there while somebody wants it to stop
        reserve, owner.lock    as in a run's folder

Its trials are runs like any other, RUNS_DIR/NAME-01 and on, each with the study's name in its status.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from agnews_core.config import TrainConfig
from agnews_core.errors import RunError
from agnews_core.evaluation.report import CHANCE
from agnews_core.runs import check_name, now
from agnews_core.runs.folder import find_runs
from agnews_core.runs.held import HeldFolder
from agnews_core.runs.status import Seconds, Stamp
from agnews_core.whole_files import write_whole

STUDIES = "_studies"  # no run can have this name
LONGEST_NAME = 58  # a trial's run adds its number

Value = bool | int | float | str
Accuracy = tuple[float, float, float]  # share, and the ends of its 95 % interval
Stage = Literal["preset", "search", "final"]
TrialState = Literal["waiting", "running", "finished", "pruned", "failed"]
StudyState = Literal["running", "finished", "stopped", "failed", "interrupted"]
RESUMABLE: tuple[StudyState, ...] = ("stopped", "interrupted", "failed")


class Trial(BaseModel):
    """One run of a study.

    Attributes:
        number: From 1, in the order in which they were begun.
        run: Its run's name.
        stage: "preset" has the settings that all are compared with, on all training texts; "search" those that were proposed,
            on all texts or a part; "final" those of a good one on a part again, on all texts.
        params: What was searched, by name; see `space`.
        max_train_samples: How many texts it trains on at most; None is all.
        repeats: Which trial a "final" one repeats.
        score: What it is judged by, on the texts to choose on, 0-1; None where it did not come to its end.
        curve: (percent of its steps, score) while it trained.
        n_scored: Texts that tell as much as those that the points of the curve are of.
        seconds: How long it took.
        reason: Why it was pruned or failed.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    run: str
    stage: Stage
    params: dict[str, Value]
    max_train_samples: int | None = None
    repeats: int | None = None
    state: TrialState = "waiting"
    score: float | None = None
    curve: tuple[tuple[int, float], ...] = ()
    n_scored: int = 0
    seconds: Seconds = 0.0
    reason: str = ""

    @property
    def has_ended(self) -> bool:
        """Return whether nothing more will come of it."""
        return self.state in ("finished", "pruned", "failed")


class Compared(BaseModel):
    """The winner beside the preset on the same texts.

    Attributes:
        n: How many texts they are compared on.
        winner_accuracy: Share of them that the winner classifies correctly; (share, low, high) with its 95 % interval.
        preset_accuracy: Likewise.
        n_only_winner: Texts that the winner alone classifies correctly.
        n_only_preset: Likewise.
    """

    model_config = ConfigDict(frozen=True)

    n: int
    winner_accuracy: Accuracy
    preset_accuracy: Accuracy
    n_only_winner: int
    n_only_preset: int

    @property
    def lead(self) -> float:
        """By how much the winner's accuracy is above the preset's."""
        return (self.n_only_winner - self.n_only_preset) / self.n


class Verdict(Compared):
    """The winner beside the preset on texts that no trial was chosen by.

    Attributes:
        winner: Its trial's number; the preset's own where nothing did better.
        preset: The number of the preset's trial.
        plain: The two on plain texts that no trial was chosen by, where these count.
        plain_weight: How much they count.
        p_value: How likely two equally good models would differ as much (McNemar's exact test, of both kinds of texts together).
        sentences: All that, in words.
    """

    winner: int
    preset: int
    plain: Compared | None = None
    plain_weight: float = 0.0
    p_value: float
    sentences: tuple[str, ...]

    @property
    def is_better(self) -> bool:
        """Return whether the winner is better than the preset by more than chance would have it."""
        return self.p_value < CHANCE and self._weighted_lead > 0

    @property
    def is_worse(self) -> bool:
        """Return whether it is worse by more than chance would have it."""
        return self.p_value < CHANCE and self._weighted_lead < 0

    @property
    def _weighted_lead(self) -> float:
        plain = self.plain_weight * self.plain.lead if self.plain else 0.0
        return (1 - self.plain_weight) * self.lead + plain


class StudyStatus(BaseModel):
    """What study.json holds.

    Attributes:
        config: What a trial has but for what is searched; the settings that the winner is compared with.
        preset: Which preset these are, or are made from.
        space: What is searched, by name: Optuna's distributions as JSON.
        minutes: The budget of time, the comparison at the end included.
        spent_seconds: What it has taken of that, waiting in the queue and pauses between its parts left out.
        max_trials: At most so many trials of the search; None is as many as there is time for.
        n_subset: How many texts a trial of the search trains on; None is all.
        findings: What mattered, in sentences.
        notes: What was decided, in sentences.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    state: StudyState = "running"
    reason: str = ""
    owner: str = ""
    created_at: Stamp = ""
    ended_at: Stamp = ""
    config: TrainConfig
    preset: str = "seed"
    space: dict[str, dict[str, Any]]
    minutes: float = Field(gt=0)
    spent_seconds: Seconds = 0.0
    max_trials: int | None = None
    n_subset: int | None = None
    trials: tuple[Trial, ...] = ()
    verdict: Verdict | None = None
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def judged_by(self) -> str:
        """What trials are judged by, in a word: accuracy, or a score where plain texts count."""
        return "score" if self.config.plain_weight else "accuracy"

    @property
    def searched(self) -> list[Trial]:
        """The trials that tell what to propose next: all of like size."""
        stages: tuple[Stage, ...] = ("search",) if self.n_subset else ("preset", "search")
        return [trial for trial in self.trials if trial.stage in stages]

    @property
    def candidates(self) -> list[Trial]:
        """The trials that came to their end on all training texts: the winner is one of them."""
        whole = (trial for trial in self.trials if trial.max_train_samples == self.config.max_train_samples)
        return [trial for trial in whole if trial.state == "finished"]

    @property
    def best(self) -> Trial | None:
        """The best so far: of the candidates once there is more than the preset among them, else of the search."""
        return find_best(self.candidates if len(self.candidates) > 1 else self.searched) or find_best(self.candidates)

    def find(self, number: int) -> Trial:
        """Return a trial by its number."""
        return self.trials[number - 1]

    def replace_trial(self, trial: Trial) -> "StudyStatus":
        """Return the status with a trial changed, or added at the end."""
        trials = (*self.trials[: trial.number - 1], trial, *self.trials[trial.number :])
        return self.model_copy(update={"trials": trials})


def find_best(trials: list[Trial]) -> Trial | None:
    """Return the trial with the highest score; of equal ones the earliest, which the preset is the first of."""
    scored = [trial for trial in trials if trial.state == "finished" and trial.score is not None]
    return max(scored, key=lambda trial: (trial.score or 0.0, -trial.number), default=None)


@dataclass(frozen=True)
class Study(HeldFolder):
    """A study's folder and what may be done with it."""

    kind: ClassVar[str] = "study"
    busy: ClassVar[str] = "carried out"

    @property
    def runs_dir(self) -> Path:
        """The folder of all runs."""
        return self.path.parent.parent

    @property
    def winner_path(self) -> Path:
        """Where the winner's settings are."""
        return self.path / "winner.yaml"

    def exists(self) -> bool:
        """Return whether the study is still there."""
        return (self.path / "study.json").is_file()

    def read(self) -> StudyStatus:
        """Read the study; one that runs and that no process holds reads as "interrupted".

        Raises:
            RunError: study.json is missing or damaged.
        """
        try:
            status = StudyStatus.model_validate_json((self.path / "study.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:  # not there, not text, or not what it should be
            raise RunError(f"The study {self.name} has no readable study.json.") from error
        if status.state == "running" and not self.is_owned():
            reason = self.find_full_disk() or "The program ended while this study was carried out."
            return status.model_copy(update={"state": "interrupted", "reason": reason})
        return status

    def write(self, status: StudyStatus) -> None:
        """Replace study.json whole.

        Raises:
            OSError: It cannot be written.
        """
        write_whole(self.path / "study.json", status.model_dump_json(indent=2))


def create_study(runs_dir: Path, status: StudyStatus, *, name: str | None = None) -> Study:
    """Make the folder of a new study.

    Raises:
        RunError: The name is not one, is taken by a study or by runs, or the folder cannot be written.
    """
    check_name(name, kind="study", longest=LONGEST_NAME)
    name = name or datetime.now().strftime("tune-%Y%m%d-%H%M%S")
    study = Study(runs_dir / STUDIES / name)
    if study.path.exists() or any(run.name.startswith(f"{name}-") for run in find_runs(runs_dir)):
        raise RunError(f"There is a study named {name}, or runs of one, already; choose another name, or resume it.")
    try:
        study.path.mkdir(parents=True)
        study.write(status.model_copy(update={"created_at": now()}))
    except OSError as error:
        raise RunError(
            f"The runs folder {runs_dir} cannot be written: {error.strerror}; choose another folder."
        ) from error
    return study


def list_studies(runs_dir: Path) -> list[Study]:
    """Return the studies of a runs folder, newest first; a folder that is missing has none."""
    found = [Study(path.parent) for path in (runs_dir / STUDIES).glob("*/study.json")]
    return sorted(found, key=lambda study: (study.path / "study.json").stat().st_mtime_ns, reverse=True)


def find_study(runs_dir: Path, name: str) -> Study:
    """Return a study by name.

    Raises:
        RunError: The name is not one, or there is no such study; the message names those there are.
    """
    check_name(name, kind="study", longest=LONGEST_NAME)
    study = Study(runs_dir / STUDIES / name)
    if not study.exists():
        names = ", ".join(other.name for other in list_studies(runs_dir)[:5]) or "none"
        raise RunError(f"There is no study {name} in {runs_dir}; there are: {names}.")
    return study
