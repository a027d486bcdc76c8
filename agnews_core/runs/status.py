"""What a run says of itself in status.json: the states it can be in, and what is known of it."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

State = Literal["queued", "running", "finished", "stopped", "failed", "interrupted"]
ACTIVE: tuple[State, ...] = ("queued", "running")
RESUMABLE: tuple[State, ...] = ("interrupted", "stopped", "failed")
Phase = Literal["preparing data", "loading the backbone", "training", "evaluating", "saving", "done"]


class RunStatus(BaseModel):
    """What status.json holds.

    Attributes:
        earlier_seconds: What the run took before it was resumed, up to its last recorded step.
        owner: The `key` of the visitor who started it (see `jobs.visitors`); "" is this machine's own.
        queue: Which queue it was last put into; each program has its own.
        reason: Why a run failed or stopped, fit to show a person.
        notes: Every choice that was made for the user, and every fallback, in sentences.
        plan: `model.Plan`, as JSON.
        data: `data.DataCounts`, as JSON.
        resolved: The settings that stood for something else ("auto"), as they were when the run first started.
        result: What `train` reports when it ends.
    """

    model_config = ConfigDict(frozen=True)

    state: State = "queued"
    phase: Phase = "preparing data"
    owner: str = ""
    reason: str = ""
    step: int = 0
    max_steps: int = 0
    created_at: str = ""
    queued_at: str = ""
    queue: str = ""
    started_at: str = ""
    earlier_seconds: float = 0.0
    ended_at: str = ""
    device: str = ""
    precision: str = ""
    backbone_source: str = ""
    notes: tuple[str, ...] = ()
    plan: dict[str, Any] = {}
    data: dict[str, Any] = {}
    versions: dict[str, str] = {}
    resolved: dict[str, str] = {}
    result: dict[str, Any] = {}


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
