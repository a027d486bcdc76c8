"""What a training recorded in metrics.jsonl, read on from where the last look ended, and no more of it kept than a plot can show.

All values are immutable: a thread that draws a curve keeps it while another reads on.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, BinaryIO

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from agnews_core.whole_files import Stamp, find_stamp, write_whole

MAX_POINTS = 4096  # of a curve; beyond it every second one is let go
N_RECENT = 31  # rows, which the speed shown is of
BLOCK_BYTES = 2**20
END_BYTES = 256  # a file that goes on still has these before the place where the last look ended

Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


@validated(frozen=True, slots=True, config=ConfigDict(strict=True))
class Row:
    """One line of metrics.jsonl: a recorded step or an evaluation, in seconds (`time` since 1970) and MiB."""

    step: Annotated[int, Field(ge=0, le=10**12)]
    time: Annotated[float, Field(ge=0, le=2e11)]  # until the year 8307
    epoch: Finite | None = None
    loss: float | None = None
    eval_loss: float | None = None
    eval_accuracy: Share | None = None
    eval_f1: Share | None = None
    eval_plain_accuracy: Share | None = None
    eval_score: Share | None = None
    eval_runtime: Annotated[Finite, Field(ge=0)] | None = None
    memory_mib: int | None = None
    gpu_memory_mib: int | None = None
    gpu_percent: int | None = None

    @property
    def score(self) -> float:
        """What the best checkpoint is chosen by: the score where there is one, else the accuracy; below 0 for no evaluation."""
        known = self.eval_accuracy if self.eval_score is None else self.eval_score
        return -1.0 if known is None else known


NO_ROW = Row(step=0, time=0.0)


@dataclass(frozen=True, eq=False)
class Curve:
    """A value over steps: every `stride`-th of `n` points, and the newest one."""

    n: int = 0
    stride: int = 1
    kept: tuple["array[float]", "array[float]"] = field(default_factory=lambda: (array("d"), array("d")))
    newest: tuple[float, float] | None = None

    @property
    def stamp(self) -> str:
        """What differs once there is a new point."""
        return f"{self.n}:{self.newest}"

    @property
    def points(self) -> tuple[list[float], list[float]]:
        """Steps and values."""
        steps, values = (list(kept) for kept in self.kept)
        if self.newest and (self.n - 1) % self.stride:
            return [*steps, self.newest[0]], [*values, self.newest[1]]
        return steps, values

    def extend(self, points: Iterable[tuple[float, float]]) -> "Curve":
        """Return the curve with more points, thinned where there are too many."""
        n, stride, newest = self.n, self.stride, self.newest
        steps, values = (kept[:] for kept in self.kept)
        for newest in points:
            if n % stride == 0:
                steps.append(newest[0])
                values.append(newest[1])
            n += 1
            if len(steps) > MAX_POINTS:
                steps, values, stride = steps[::2], values[::2], stride * 2
        return self if n == self.n else Curve(n, stride, (steps, values), newest)


@dataclass(frozen=True, eq=False)
class Metrics:
    """All that is shown of a run's rows. Told apart by identity: one object, one set of points."""

    loss: Curve = Curve()
    eval_loss: Curve = Curve()
    eval_accuracy: Curve = Curve()
    eval_f1: Curve = Curve()
    eval_score: Curve = Curve()
    best: Row = NO_ROW
    eval_seconds: float = 0.0
    newest_loss: Row = NO_ROW
    recent: tuple[Row, ...] = ()

    @property
    def best_accuracy(self) -> float | None:
        """The accuracy of the evaluation that was best."""
        return self.best.eval_accuracy

    def extend(self, rows: Sequence[Row]) -> "Metrics":
        """Return the metrics with more rows."""
        if not rows:
            return self
        curves = {
            name: getattr(self, name).extend(
                (row.step, value) for row in rows if (value := getattr(row, name)) is not None
            )
            for name in ("loss", "eval_loss", "eval_accuracy", "eval_f1", "eval_score")
        }
        return Metrics(
            **curves,
            best=max(self.best, *rows, key=lambda row: row.score),
            eval_seconds=_known([self.eval_seconds, *(row.eval_runtime for row in rows)])[-1],
            newest_loss=next((row for row in reversed(rows) if row.loss is not None), self.newest_loss),
            recent=(*self.recent, *rows)[-N_RECENT:],
        )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


@dataclass(frozen=True)
class Reading:
    """What was read of a file, and where to go on: `end` are the last bytes before `offset`."""

    metrics: Metrics = Metrics()
    stamp: Stamp = None
    offset: int = 0
    end: bytes = b""


def read_on(path: Path, before: Reading) -> Reading:
    """Read the lines that came since; a line without its end waits, one that is no row is skipped.

    A file that was cut or replaced since, as a resumed run's is, is read anew.
    """
    stamp = find_stamp(path)
    if stamp == before.stamp:
        return before
    try:
        with path.open("rb") as file:
            file.seek(before.offset - len(before.end))
            if file.read(len(before.end)) != before.end:
                before = Reading()
                file.seek(0)
            return _read_lines(file, replace(before, stamp=stamp))
    except OSError:  # not there, not a file, not ours
        return Reading()


def _read_lines(file: BinaryIO, reading: Reading) -> Reading:
    is_torn = False
    while not is_torn and (lines := file.readlines(BLOCK_BYTES)):
        is_torn = not lines[-1].endswith(b"\n")
        whole = lines[:-1] if is_torn else lines
        if whole:
            reading = Reading(
                metrics=reading.metrics.extend([row for line in whole if (row := _parse(line))]),
                stamp=reading.stamp,
                offset=reading.offset + sum(map(len, whole)),
                end=whole[-1][-END_BYTES:],
            )
    return reading


def drop_rows_after(path: Path, step: int) -> None:
    """Forget the rows of steps that will be trained again, and lines that are no row."""
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    kept = [line.decode() + "\n" for line in lines if (row := _parse(line)) and row.step <= step]
    write_whole(path, "".join(kept))


def _parse(line: bytes) -> Row | None:
    try:
        return _ROW.validate_json(line)
    except ValidationError:
        return None


_ROW = TypeAdapter(Row)
