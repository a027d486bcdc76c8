"""Whether the plan tells the truth: `python -m tests.benchmarks.estimate_error [--rows 500 2000 6000] [--epochs 2]`.

The time and the memory that the plan names before a training, against the training itself, in three sizes. What counts is that
both lie in the ranges that were given.
"""

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.benchmarks import ours
from tests.benchmarks.material import BUNDLED, find_backbone, write_news
from tests.benchmarks.measuring import Ran, Result, build_parser, run_fresh, show, tell

ROWS = (500, 2_000, 6_000)


def estimate(settings: dict[str, Any]) -> Any:
    """Return the plan's `Estimate`."""
    from agnews_core.config import build_config
    from agnews_core.devices import expect_own_cores

    expect_own_cores()  # as the command line does, on which the trainings are started
    from agnews_core.training.estimate import assess

    return assess(build_config(settings)).estimate


def read_seconds(ran: Ran) -> float:
    """Return how long a run took by its own record, from when it began to its end."""
    from agnews_core.runs import Run

    status = Run(Path(ran.printed["run_dir"])).read_status()
    return (datetime.fromisoformat(status.ended_at) - datetime.fromisoformat(status.started_at)).total_seconds()


def measure_size(folder: Path, backbone: str, n_rows: int, epochs: float) -> dict[str, Any]:
    tell(f"{n_rows:,} rows")
    news = run_fresh(write_news, folder / f"news-{n_rows}", n_rows)
    settings = {"backbone": backbone, "data": str(news), "num_train_epochs": epochs}
    planned = run_fresh(estimate, settings)
    ran = ours.train(settings, folder, name=f"rows-{n_rows}", cache=f"cache-{n_rows}")
    return {
        "seconds": (planned.seconds_low, read_seconds(ran), planned.seconds_high),
        "gb": (planned.bytes_low / 1e9, ran.peak_bytes / 1e9, planned.bytes_high / 1e9),
    }


def measure(backbone: str, *, rows: Sequence[int], epochs: float) -> Result:
    with tempfile.TemporaryDirectory() as name:
        base = run_fresh(find_backbone, backbone)
        found = {n: measure_size(Path(name), base, n, epochs) for n in rows}
    figures: dict[str, Any] = {}
    for unit in ("seconds", "gb"):
        inside = [low <= real <= high for low, real, high in (sizes[unit] for sizes in found.values())]
        figures[f"{unit}_inside"] = sum(inside) / len(inside)
    goals = dict.fromkeys(figures, 1.0)
    for n, sizes in found.items():
        for unit, values in sizes.items():
            names = (f"{n}_{unit}_planned_low", f"{n}_{unit}", f"{n}_{unit}_planned_high")
            figures |= dict(zip(names, values, strict=True))
    return Result("estimate_error", Path(backbone).name, figures, at_least=goals)


def main(arguments: list[str] | None = None) -> None:
    parser = build_parser(__doc__, rounds=None)
    parser.add_argument("--backbone", default=BUNDLED, help="default: %(default)s")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="rows of the news of each training")
    parser.add_argument("--epochs", type=float, default=2.0, help="passes over them (default %(default)s)")
    asked = parser.parse_args(arguments)
    show(measure(asked.backbone, rows=asked.rows, epochs=asked.epochs), asked)


if __name__ == "__main__":
    main()
