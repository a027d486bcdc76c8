"""Whether speed costs accuracy: `python -m tests.benchmarks.accuracy_parity [--rows 20000] [--seeds 3] [--epochs 1]`.

This program, with the replay of frozen layers, weights in bf16 and fast dropout, against the plain script with none of them:
fp32, PyTorch's dropout in all layers (see `plain`; its batches are of like length too, to save time). Both train the same news
with the same LoRA and learning rate, and their last step is evaluated on the same validation texts. Each seed has a split of its
own, the same for both.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks import ours, plain
from tests.benchmarks.material import BUNDLED, find_backbone, write_news
from tests.benchmarks.measuring import Result, build_parser, run_fresh, show, tell

MOST_POINTS = 0.2
# All that is compared is on, though it may not pay in so few epochs. Only the last step is evaluated: a choice among many would
# flatter the side that makes it.
OURS = {"replay": "on", "eval_steps": 0.999, "early_stopping_patience": 0}


def train_ours(settings: dict[str, Any], folder: Path) -> float:
    ran = ours.train(settings | OURS, folder, name=f"seed-{settings['seed']}")
    return float(ran.printed["eval_accuracy"])


def train_plain(settings: dict[str, Any]) -> float:
    return run_fresh(plain.train_to_the_end, plain.Script(settings, is_padded=False))


def measure(backbone: str, *, rows: int, epochs: float, seeds: int) -> Result:
    accuracies: dict[str, list[float]] = {"ours": [], "plain": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        news = run_fresh(write_news, folder / "news", rows)
        settings = {"backbone": run_fresh(find_backbone, backbone), "data": str(news), "num_train_epochs": epochs}
        for seed in range(1, seeds + 1):
            own = settings | {"seed": seed}
            for side, train in (("ours", partial(train_ours, own, folder)), ("plain", partial(train_plain, own))):
                tell(f"seed {seed} of {seeds}: {side}")
                accuracies[side].append(train())
    return summarize(backbone, accuracies, rows=rows, epochs=epochs)


def summarize(backbone: str, accuracies: dict[str, list[float]], *, rows: int, epochs: float) -> Result:
    """Compare the means; the differences by seed tell how much of that is chance."""
    points = [100 * (one - other) for one, other in zip(accuracies["ours"], accuracies["plain"], strict=True)]
    mean = sum(points) / len(points)
    figures = {
        "mean_points_apart": abs(mean),
        "mean_points_better": mean,
        "points_better": points,
        "ours_mean_accuracy": sum(accuracies["ours"]) / len(points),
        "plain_mean_accuracy": sum(accuracies["plain"]) / len(points),
        "ours_accuracy": accuracies["ours"],
        "plain_accuracy": accuracies["plain"],
        "rows": rows,
        "epochs": epochs,
        "seeds": len(points),
    }
    return Result("accuracy_parity", Path(backbone).name, figures, at_most={"mean_points_apart": MOST_POINTS})


def main(arguments: list[str] | None = None) -> None:
    parser = build_parser(__doc__, rounds=None)
    parser.add_argument("--backbone", default=BUNDLED, help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=20_000, help="of news (default %(default)s)")
    parser.add_argument("--epochs", type=float, default=1.0, help="passes over them (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default %(default)s)")
    asked = parser.parse_args(arguments)
    show(measure(asked.backbone, rows=asked.rows, epochs=asked.epochs, seeds=asked.seeds), asked)


if __name__ == "__main__":
    main()
