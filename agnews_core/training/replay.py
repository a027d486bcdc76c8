"""Frozen layers once: what enters the lowest trained layer is computed for each text, kept in a file and read ever after.

The file serves every pass of a training and its evaluations, and the next run on the same news and base model. The processes of
a machine each fill a share of it. It is a cache:
where it cannot be had, the run computes all layers in each pass and says so.
"""

import errno
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from numpy.typing import NDArray

from agnews_core.inference.batches import batch_by_length, pad
from agnews_core.inference.engines import Engine, EngineName, build_engine
from agnews_core.models.trunk import Trunk, cut
from agnews_core.processes import attempt_together, count_processes_here, gather, get_rank_here, share
from agnews_core.runs import Replay, Run
from agnews_core.training.parts import Parts
from agnews_core.training.records import enter, note
from agnews_core.training.replay_choice import choose_engine_to_fill
from agnews_core.training.replay_file import HiddenStates, Layout, fill, find_unfilled, lay_out
from agnews_core.training.replay_folder import SUFFIX, get_replay_dir, locking, make_room, mark_use
from agnews_core.training.replay_known import remember
from agnews_core.training.replay_texts import ReplayedTexts, pad_states
from agnews_core.training.watch import Watch


def replay_frozen_layers(run: Run, parts: Parts) -> Parts:
    """Return parts that train on what enters the lowest trained layer, where that was decided and can be had.

    Raises:
        StoppedEarlyError: A stop was asked for meanwhile; what is computed by then is kept for another time.
    """
    choice = parts.resolved.replay
    if choice is None or not choice.used:
        return parts
    share(lambda: enter(run, "computing frozen layers"))
    try:
        states, choice = _open_states(run, parts, choice)
    except OSError as error:
        reason = f"Frozen layers are computed in each pass: {get_replay_dir()} cannot keep them ({error.strerror})."
        return _record(run, parts, Replay(used=False, reason=reason, n_layers=choice.n_layers))
    cut(parts.model, choice.n_layers)
    return replace(
        _record(run, parts, choice),
        train_tokens=ReplayedTexts(states, parts.train_tokens, first=0),
        validation_tokens=ReplayedTexts(states, parts.validation_tokens, first=len(parts.train_tokens)),
        collate=pad_states,
    )


def _record(run: Run, parts: Parts, choice: Replay) -> Parts:
    note(run, choice.reason)
    resolved = parts.resolved.model_copy(update={"replay": choice})
    run.update_status(resolved=resolved)
    return replace(parts, resolved=resolved)


def _open_states(run: Run, parts: Parts, choice: Replay) -> tuple[HiddenStates, Replay]:
    """Return the hidden states of all texts, computed now as far as they are not there, and what became of the choice."""
    both = [texts.select_columns("input_ids") for texts in (parts.train_tokens, parts.validation_tokens)]
    tokens = read_tokens(concatenate_datasets(both))
    source = _Source(parts, tokens, choice.n_layers)
    layout = share(source.find_layout)
    path, watch = _get_path(layout), _Watch(run, layout.n_texts)
    with ExitStack() as held:
        attempt_together(lambda: held.enter_context(_holding(path, layout, watch)) if get_rank_here() == 0 else None)
        began = time.monotonic()
        missing = _fill(path, layout, watch, source)
        seconds = time.monotonic() - began if missing else 0.0
        states = attempt_together(lambda: HiddenStates(path, layout))
    for reason in gather(source.reason):
        note(run, reason)
    if get_rank_here() == 0 and parts.resolved.evaluations:
        remember(path, parts.config, parts.resolved, parts.resolved.evaluations)
    found = {
        "n_texts": layout.n_texts,
        "n_bytes": layout.n_bytes,
        "found": not missing and not choice.fill_seconds,
        "engine": source.engine_name or layout.key["engine"],
        "fill_seconds": round(choice.fill_seconds + seconds, 3),
    }
    return states, choice.model_copy(update=found)


@contextmanager
def _holding(path: Path, layout: Layout, watch: "_Watch") -> Iterator[None]:
    """Hold the right to fill a file and the room for it, for all processes of this machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locking(path, watch.wait):
        if not make_room(path, layout.n_bytes):
            raise OSError(errno.ENOSPC, "other runs are using all the room there is")
        yield


def _get_path(layout: Layout) -> Path:
    return get_replay_dir() / f"{hashlib.sha256(layout.prefix).hexdigest()[:24]}{SUFFIX}"


def _fill(path: Path, layout: Layout, watch: "_Watch", source: "_Source") -> list[int]:
    """Fill what is missing of a file, and return which blocks that was; of one that cannot be written, nothing is left.

    Each process of this machine fills its share.
    """

    def fill_own() -> None:
        own = missing[get_rank_here() :: count_processes_here()]
        if own:
            fill(path, layout, own, source.build_compute(layout, watch.add))
        mark_use(path)

    try:
        attempt_together(lambda: lay_out(path, layout) if get_rank_here() == 0 else None)
        missing = attempt_together(lambda: find_unfilled(path, layout, watch.find))
        attempt_together(fill_own)
        return missing
    except OSError:
        path.unlink(missing_ok=True)
        raise


class _Source:
    """Where hidden states come from: the trunk of a model, its engine and the tokens."""

    def __init__(self, parts: Parts, tokens: "Tokens", n_layers: int) -> None:
        self._parts, self._tokens, self._n_layers = parts, tokens, n_layers
        self._engine: Engine | None = None

    def find_layout(self) -> Layout:
        """Return the layout of a file that is there; otherwise one for the engine that can be had for it."""
        layout = self._lay_out(choose_engine_to_fill(self._parts.resolved.precision))
        if _get_path(layout).exists():
            return layout
        return self._lay_out(self._build_engine(layout).name)  # another one may have stood in

    def build_compute(self, layout: Layout, count: Callable[[int], None]) -> "Compute":
        """Build what computes a file of this layout."""
        return Compute(self._build_engine(layout), self._tokens, self._parts.tokenizer.pad_token_id, count)

    @property
    def engine_name(self) -> str:
        """Which engine computed in the end, "" where nothing had to be."""
        return self._engine.name if self._engine else ""

    @property
    def reason(self) -> str:
        """Why another engine stood in for the one that was to compute, or ""."""
        return self._engine.reason if self._engine else ""

    def _lay_out(self, engine: str) -> Layout:
        key = {
            "backbone_fingerprint": self._parts.resolved.backbone_fingerprint,
            "tokens": self._tokens.compute_digest(),
            "max_length": str(self._parts.config.max_length),
            "n_layers": str(self._n_layers),
            "engine": engine,
        }
        dtype = "fp32" if self._parts.resolved.precision == "fp32" else "bf16"
        return Layout(key, self._tokens.lengths, self._parts.model.config.hidden_size, dtype)

    def _build_engine(self, layout: Layout) -> Engine:
        if self._engine is None:
            trunk = Trunk(self._parts.model, self._n_layers)
            self._engine = build_engine(trunk, name=cast(EngineName, layout.key["engine"]))
        return self._engine


class _Watch(Watch):
    """Records how far the frozen layers are, in all processes of this machine."""

    def __init__(self, run: Run, n_texts: int) -> None:
        super().__init__(run, n_texts, "frozen layers were computed", n_together=count_processes_here())
        self._waits = False

    def wait(self) -> None:
        """Record that another run is at it."""
        if not self._waits:
            note(self.run, "Another run computes frozen layers that this one needs too; it waits for them.")
        self._waits = True
        self.obey_stop()


@dataclass(frozen=True)
class Tokens:
    """The token ids of n texts, one after the other, and how many each text has."""

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def compute_digest(self) -> str:
        """Return what tells these texts, in this order, from others."""
        digest = hashlib.sha256(self.lengths.tobytes())
        digest.update(self.ids.tobytes())
        return digest.hexdigest()


def read_tokens(tokens: Dataset) -> Tokens:
    """Read the tokens of a dataset."""
    column = tokens.with_format("arrow")[:]["input_ids"].combine_chunks()
    ids, lengths = column.flatten().to_numpy(), column.value_lengths().to_numpy()
    return Tokens(ids.astype(np.int64), lengths.astype(np.int64))


class Compute:
    """Computes what enters the lowest trained layer, for a range of texts at a time."""

    def __init__(self, engine: Engine, tokens: Tokens, pad_token_id: int, count: Callable[[int], None]) -> None:
        self._engine, self._pad, self._count = engine, pad_token_id, count
        self._texts = np.split(tokens.ids, np.cumsum(tokens.lengths)[:-1])

    def __call__(self, rows: range) -> torch.Tensor:
        """Return the hidden states of texts, one after the other: (n_tokens, hidden_size)."""
        texts = self._texts[rows.start : rows.stop]
        batches = list(batch_by_length([len(text) for text in texts], self._engine))
        states = self._engine.map(pad([texts[place] for place in batch], self._pad) for batch in batches)
        found: dict[int, torch.Tensor] = {}
        for batch, of_batch in zip(batches, states, strict=True):  # (n_batch, n_tokens, hidden_size)
            found |= {place: torch.from_numpy(of_batch[row, : len(texts[place])]) for row, place in enumerate(batch)}
            self._count(len(batch))
        return torch.cat([found[place] for place in range(len(texts))])
