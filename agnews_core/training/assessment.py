"""What a config would train, what that would take here, and how it is said. A schema; `estimate` computes it."""

from dataclasses import asdict, dataclass
from typing import Any

from agnews_core.inference.engines import ENGINE_TITLES
from agnews_core.models.plan import Plan
from agnews_core.news.counts import TextCounts
from agnews_core.runs.resolved import Evaluations, Replay, format_bytes


@dataclass(frozen=True)
class Estimate:
    """Ranges: seconds of training, evaluations included, and bytes of memory of the training process.

    Of frozen layers that are computed once: `fill_seconds` is what that takes, `saved_seconds` what it saves beyond that.
    """

    seconds_low: float
    seconds_high: float
    bytes_low: float
    bytes_high: float
    n_steps: int
    device: str
    precision: str
    fill_seconds: float = 0.0
    saved_seconds: float = 0.0

    @property
    def time(self) -> str:
        """The range of time in one unit, without digits that a guess does not have.

        >>> Estimate(250, 550, 0, 0, 1, "cpu", "fp32").time
        '4 to 9 min'
        """
        seconds, unit = _choose_unit(self.seconds_high)
        return f"{_round(self.seconds_low / seconds)} to {_round(self.seconds_high / seconds)} {unit}"

    @property
    def memory(self) -> str:
        """The range of memory."""
        return f"{self.bytes_low / 2**30:.1f} to {self.bytes_high / 2**30:.1f} GiB"


def _choose_unit(seconds: float) -> tuple[int, str]:
    return (1, "s") if seconds < 120 else (60, "min") if seconds < 7200 else (3600, "h")


def _format_seconds(seconds: float) -> str:
    in_unit, unit = _choose_unit(seconds)
    return f"{_round(seconds / in_unit)} {unit}"


def _round(number: float) -> str:
    """Return two digits at most: 0.3, 4, 35, 120."""
    if number < 10:
        return f"{max(number, 0.1):.1g}"
    return f"{round(number, -1) if number >= 100 else round(number):.0f}"


@dataclass(frozen=True, kw_only=True)
class Inputs(TextCounts):
    """What a run would begin with; texts are the hub's, where news cannot be had.

    Attributes:
        notes: Which base model, news and precision these are, and what they stand in for, in sentences.
        missing: Why the run cannot be started on this machine, or "".
    """

    notes: tuple[str, ...]
    missing: str


@dataclass(frozen=True)
class Assessment:
    """What a config would train, the time and memory that would take, and what it would begin with."""

    plan: Plan
    evaluations: Evaluations
    replay: Replay
    estimate: Estimate
    inputs: Inputs

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What it takes, as (name, value), to be shown one below the other."""
        plan, estimate, inputs = self.plan, self.estimate, self.inputs
        device = "GPU" if estimate.device == "cuda" else "CPU"
        return [
            ("Base model", f"{plan.backbone}, {plan.n_layers} layers"),
            ("LoRA and head", f"{plan.lora_parameters:,} + {plan.head_parameters:,}"),
            ("Texts", inputs.describe()),
            ("Steps", f"{estimate.n_steps:,}"),
            ("Frozen layers", self._describe_replay()),
            ("Evaluations", self.evaluations.describe(estimate.n_steps)),
            ("Time here", f"{estimate.time} on the {device} ({estimate.precision})"),
            ("Memory", estimate.memory),
        ]

    def _describe_replay(self) -> str:
        replay, estimate = self.replay, self.estimate
        if not replay.n_layers:
            return "none below the lowest trained one"
        if not replay.used:
            return f"{replay.n_layers}, computed in each pass"
        fill, saved = (_format_seconds(max(seconds, 0)) for seconds in (estimate.fill_seconds, estimate.saved_seconds))
        size = format_bytes(replay.n_bytes)
        if replay.found:
            return f"{replay.n_layers}, already computed: {size}; saves {saved}"
        return f"{replay.n_layers}, computed once by {ENGINE_TITLES[replay.engine]}: {fill}, {size}; saves {saved}"

    def as_json(self) -> dict[str, Any]:
        """Return all of it as one JSON object."""
        return {
            **self.plan.model_dump(mode="json"),
            "estimate": asdict(self.estimate),
            **asdict(self.inputs),
            "evaluations": self.evaluations.model_dump(mode="json"),
            "replay": self.replay.model_dump(mode="json"),
        }
