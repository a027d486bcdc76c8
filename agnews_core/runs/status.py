"""What a run says of itself in status.json: the states it can be in, and what is known of it."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import from_json

from agnews_core.models.adapters import UpdateScale
from agnews_core.models.plan import Plan
from agnews_core.news.counts import DataCounts
from agnews_core.runs.resolved import Resolved

State = Literal["queued", "running", "finished", "stopped", "failed", "interrupted"]
ACTIVE: tuple[State, ...] = ("queued", "running")
RESUMABLE: tuple[State, ...] = ("interrupted", "stopped", "failed")
Phase = Literal[
    "preparing data",
    "loading the backbone",
    "asking teachers",
    "checking labels",
    "computing frozen layers",
    "training",
    "scaling the update",
    "saving",
    "evaluating",
    "done",
]


def _check_time(stamp: str) -> str:
    if stamp and datetime.fromisoformat(stamp).tzinfo is None:
        raise ValueError("must name its time zone")
    return stamp


Stamp = Annotated[str, AfterValidator(_check_time)]
"""A time in ISO 8601 with its zone, or "" for "not yet"."""
Count = Annotated[int, Field(ge=0, le=10**12)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PhaseProgress(BaseModel):
    """How far a phase is whose work is counted in texts; the seconds that are left are None until that can be told."""

    model_config = ConfigDict(frozen=True)

    n_done: Count
    n_total: Count
    eta_seconds: Seconds | None = None


class RunResult(BaseModel):
    """The figures of a training that ended; accuracy and F1 (macro) are of the best model on `n_evaluated` validation texts.

    `engine` evaluated it and fitted its temperature; "" in runs that ended before there was a choice. The plain accuracy is of
    plain validation texts, where the run had some. `lora_update_scale` is how much of LoRA's update it has.
    """

    model_config = ConfigDict(frozen=True)

    eval_accuracy: float | None
    eval_f1: float | None
    n_evaluated: int | None = None  # not recorded by the first versions; then all of them
    eval_plain_accuracy: float | None = None
    train_runtime_seconds: float
    train_samples_per_second: float
    padding_share: float | None = None  # of an epoch's tokens; not recorded by the first versions
    stopped_early: bool
    engine: str = ""
    lora_update_scale: UpdateScale = UpdateScale()


class RunStatus(BaseModel):
    """What status.json holds; None is "not known yet".

    Attributes:
        schema_version: 2; what the first version wrote, without a number, is read by `parse_status`.
        phase_progress: How far the phase is, where it is one that says so ("asking teachers", "computing frozen layers").
        earlier_seconds: What the run took before it was resumed, up to its last recorded step.
        owner: The `key` of the visitor who started it (see `jobs.visitors`); "" is this machine's own.
        study: The study whose trial it is; "" of a run of its own.
        queue: Which queue it was last put into; each program has its own.
        resumed_from: The state in which it was when it was last resumed; "" of a run that never was.
        reason: Why a run failed or stopped, or could not be resumed.
        notes: What became of the run, and every choice made for the user, in sentences.
        machine: What trained it; not recorded by the first versions.
        resolved: What the settings left open, as it was decided when the run last began.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[2] = 2
    state: State = "queued"
    phase: Phase = "preparing data"
    phase_progress: PhaseProgress | None = None
    owner: str = ""
    study: str = ""
    reason: str = ""
    step: Count = 0
    max_steps: Count = 0
    created_at: str = ""
    queued_at: str = ""
    queue: str = ""
    resumed_from: State | Literal[""] = ""
    started_at: Stamp = ""
    earlier_seconds: Seconds = 0.0
    ended_at: Stamp = ""
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    machine: str = ""
    resolved: Resolved | None = None
    plan: Plan | None = None
    data: DataCounts | None = None
    result: RunResult | None = None


def parse_status(text: str) -> RunStatus:
    """Parse status.json, as this version or the first one wrote it.

    Raises:
        ValueError: It is not JSON, or not what it should be.
    """
    values = from_json(text)
    is_first = isinstance(values, dict) and "schema_version" not in values
    return RunStatus.model_validate(_upgrade(values) if is_first else values)


def _upgrade(values: dict[str, Any]) -> dict[str, Any]:
    """Return what the first version wrote, {} for what was not known yet, as this version would have written it."""
    known = {name: values.get(name) or None for name in ("plan", "data", "result", "resolved")}
    match known:
        case {"plan": {"backbone": name, "layer_ranks": ranks}, "data": {"source": source}, "resolved": {**found}}:
            own = {key: values.get(key) for key in ("device", "precision", "backbone_source")}
            known["resolved"] = {**found, **own, "backbone_name": name, "layer_ranks": ranks, "data_source": source}
    return {**values, **known}


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
