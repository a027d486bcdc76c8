"""What a run's settings left open, and what was decided when it began. A schema; `training.resolve` decides."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from agnews_core.config import TrainConfig
from agnews_core.setting_values import LayerRanks


def count_of(n: int, n_available: int) -> str:
    """Format how many of how many.

    >>> count_of(2000, 7864), count_of(7864, 7864)
    ('2,000 of 7,864', '7,864')
    """
    return f"{n:,}" if n == n_available else f"{n:,} of {n_available:,}"


def format_bytes(n_bytes: float) -> str:
    """Format a size.

    >>> format_bytes(4e4), format_bytes(40e6), format_bytes(1.23e9)
    ('1 MB', '40 MB', '1.2 GB')
    """
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{max(n_bytes / 1e6, 1):,.0f} MB"


class Evaluations(BaseModel):
    """When a training evaluates, and on what.

    Attributes:
        every_steps: Steps between two evaluations; the last step is evaluated in any case.
        n_texts: Validation texts that each of them is on, a sample that keeps the classes' shares.
        n_available: How many there are; the end is evaluated on all of them.
        n_plain: Plain validation texts that each of them is on too, where these count (`plain_weight`).
        share: What they are counted to take of the training time, 0-1.
    """

    model_config = ConfigDict(frozen=True)

    every_steps: int
    n_texts: int
    n_available: int
    n_plain: int = 0
    share: float

    @property
    def counts(self) -> str:
        """On how many texts they are, of how many."""
        return count_of(self.n_texts, self.n_available)

    @property
    def texts(self) -> str:
        """What they are on, in words."""
        plain = f" and {self.n_plain:,} plain ones" if self.n_plain else ""
        return f"{self.counts} validation texts{plain}"

    def describe(self, n_steps: int) -> str:
        """Format when they come and on what."""
        often = "once, at the end," if self.every_steps >= n_steps else f"every {self.every_steps:,} steps"
        return f"{often} on {self.texts}"


class Replay(BaseModel):
    """Whether a training reads what enters its lowest trained layer from a file, instead of computing it in each pass.

    Attributes:
        used: Whether it does.
        reason: Why, or why not, in a sentence.
        n_layers: Frozen layers below the lowest trained one; with the embeddings, what is computed once.
        n_texts: Texts in the file, those of training and of evaluations.
        n_bytes: The file's length.
        found: Whether an earlier run had computed all of it.
        engine: What computes it; see `inference.engines`.
        fill_seconds: What computing it took the run, resumed or not; 0.0 until then, and in older runs.
    """

    model_config = ConfigDict(frozen=True)

    used: bool
    reason: str
    n_layers: int = 0
    n_texts: int = 0
    n_bytes: int = 0
    found: bool = False
    engine: str = ""
    fill_seconds: float = 0.0


class Resolved(BaseModel):
    """What "auto" and layers counted from the top stood for: decided once, recorded in the run, and passed on.

    Attributes:
        backbone: A value of the setting that finds the same base model again from anywhere.
        backbone_name: What it is called; adapters keep this.
        backbone_source: "folder", "hub cache", "hub" or "bundled".
        backbone_fingerprint: Tells its weights from others; "" until they are loaded, and in runs of the first version.
        data: A value of the setting that finds the same news again from anywhere.
        data_source: Where that was found, in words.
        data_digest: Tells the news, as it was split, from other news; "" until it is read, and in runs of the first version.
        device: "cpu" or "cuda".
        precision: "fp32", "bf16" or "fp16".
        layer_ranks: {layer: rank}, counted from 0, without the frozen ones.
        engine: What is to compute all that is not trained; what did in the end stands beside the figures. "" in older runs.
        evaluations: When it evaluates and on what; None until the news is read. Runs made before this was decided evaluate
            as often as their settings say, on all validation texts.
        replay: Whether frozen layers are computed once; None until the news is read, and in runs made before that was possible.
        n_processes: How many processes train it together, each on a batch of its own in every step.
        teachers: Values of the setting that find the same models again from anywhere.
        more_train_files: Values of the setting that find the same files again; None in older runs, whose settings do.
        notes: Why these, and what they stand in for, in sentences; recorded among the notes of the run, not here.
    """

    model_config = ConfigDict(frozen=True)

    backbone: str
    backbone_name: str
    backbone_source: str
    backbone_fingerprint: str = ""
    data: str
    data_source: str
    data_digest: str = ""
    device: str
    precision: str
    layer_ranks: LayerRanks
    engine: str = ""
    evaluations: Evaluations | None = None
    replay: Replay | None = None
    n_processes: int = 1
    teachers: tuple[str, ...] = ()
    more_train_files: tuple[str, ...] | None = None
    notes: tuple[str, ...] = Field(default=(), exclude=True)

    @property
    def is_news_folder(self) -> bool:
        """Whether the news is a folder of this machine; other news has a word for a name."""
        return Path(self.data).is_absolute()

    def apply_to(self, config: TrainConfig) -> TrainConfig:
        """Return a config that finds the same backbone and news from anywhere, with its layers counted from 0."""
        # A copy, checked already: a folder's whole path may be longer than what a person may send.
        own = {"backbone": self.backbone, "data": self.data, "layer_ranks": self.layer_ranks, "teachers": self.teachers}
        more = {} if self.more_train_files is None else {"more_train_files": self.more_train_files}
        return config.model_copy(update={**own, **more})

    def count_as_one(self, config: TrainConfig) -> TrainConfig:
        """Return a config with which one process would take as many texts a step as all do together, for counting steps."""
        n_batches = config.gradient_accumulation_steps * self.n_processes
        return config.model_copy(update={"gradient_accumulation_steps": n_batches})
