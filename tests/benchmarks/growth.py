"""How time and memory grow with the rows: `python -m tests.benchmarks.growth [--predict ROWS...] [--train ROWS...]`.

The commands `predict`, on a CSV file, and `train`, for one epoch, each whole. Time is linear where a further text costs as much
among many as among few; memory is that of all the command's processes, each at its highest. A million rows are asked for with
`--predict 1000 10000 100000 1000000`.
"""

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.benchmarks import ours
from tests.benchmarks.estimate_error import estimate
from tests.benchmarks.material import BUNDLED, find_backbone, write_news, write_texts
from tests.benchmarks.measuring import Ran, Result, build_parser, run_command, run_fresh, show, tell

PREDICT_ROWS = (1_000, 10_000, 100_000)
TRAIN_ROWS = (1_000, 3_000, 9_000)
WARM_ROWS = 10
MOST_PREDICT_GB = 1.5
MOST_GROWTH = 1.25  # of what a further text costs; below that it is the noise of a machine


def predict(folder: Path, n_rows: int, model: Sequence[str]) -> Ran:
    tell(f"predict {n_rows:,} rows")
    file = run_fresh(write_texts, folder / "texts.csv", n_rows)
    return run_command("predict", file, "--output", folder / "predictions.csv", *model)


def train(folder: Path, n_rows: int, backbone: str) -> tuple[Ran, float]:
    """Train, and return also the bytes that the plan says it takes at most."""
    tell(f"train on {n_rows:,} rows")
    news = run_fresh(write_news, folder / f"news-{n_rows}", n_rows)
    settings = {"backbone": backbone, "data": str(news), "num_train_epochs": 1}
    planned = run_fresh(estimate, settings)
    return ours.train(settings, folder, name=f"rows-{n_rows}", cache=f"cache-{n_rows}"), planned.bytes_high


def count_growth(rows: Sequence[int], seconds: Sequence[float]) -> float | None:
    """Return what a further text costs in the largest file over what it costs in the smaller ones, start-up aside."""
    costs = [
        (later - earlier) / (many - few)
        for (few, many), (earlier, later) in zip(pairwise(rows), pairwise(seconds), strict=True)
    ]
    return costs[-1] / costs[0] if len(costs) > 1 else None


def measure(predict_rows: Sequence[int], train_rows: Sequence[int], *, backbone: str, model: Sequence[str]) -> Result:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = run_fresh(find_backbone, backbone)
        predict(folder, WARM_ROWS, model)  # it compiles the model, which is then kept
        predicted = [predict(folder, n, model) for n in predict_rows]
        trained = [train(folder, n, base) for n in train_rows]
    figures: dict[str, Any] = {
        "predict_growth": count_growth(predict_rows, [ran.seconds for ran in predicted]),
        "predict_peak_gb": predicted[-1].peak_bytes / 1e9,
        "train_growth": count_growth(train_rows, [ran.seconds for ran, _ in trained]),
        "train_peak_of_planned": max((ran.peak_bytes / planned for ran, planned in trained), default=None),
    }
    for n, ran in zip(predict_rows, predicted, strict=True):
        figures |= {f"predict_{n}_seconds": ran.seconds, f"predict_{n}_gb": ran.peak_bytes / 1e9}
    for n, (ran, planned) in zip(train_rows, trained, strict=True):
        figures |= {
            f"train_{n}_seconds": ran.seconds,
            f"train_{n}_gb": ran.peak_bytes / 1e9,
            f"train_{n}_planned_gb": planned / 1e9,
        }
    goals = {
        "predict_growth": MOST_GROWTH,
        "predict_peak_gb": MOST_PREDICT_GB,
        "train_growth": MOST_GROWTH,
        "train_peak_of_planned": 1.0,
    }
    known = {name: most for name, most in goals.items() if figures[name] is not None}
    return Result("growth", "", {name: it for name, it in figures.items() if it is not None}, at_most=known)


def main(arguments: list[str] | None = None) -> None:
    parser = build_parser(__doc__, rounds=None)
    parser.add_argument("--predict", type=int, nargs="*", default=PREDICT_ROWS, help="rows of the files")
    parser.add_argument("--train", type=int, nargs="*", default=TRAIN_ROWS, help="rows of the news")
    parser.add_argument("--backbone", default=BUNDLED, help="of the trainings (default %(default)s)")
    parser.add_argument("--adapter", default="", help="of the predictions; default: the bundled one")
    asked = parser.parse_args(arguments)
    model = ["--adapter", asked.adapter, "--backbone", asked.backbone] if asked.adapter else []
    show(measure(asked.predict, asked.train, backbone=asked.backbone, model=model), asked)


if __name__ == "__main__":
    main()
