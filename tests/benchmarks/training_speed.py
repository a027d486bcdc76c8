"""How fast a training is: `python -m tests.benchmarks.training_speed --backbone roberta-base-shape [--rows N] [--epochs 3]`.

The plain script (see `plain`) against this program's command line with the preset `seed`, both on the same news and with the same
LoRA. Of the plain script only the time of its steps is counted, and only a few steps are measured, since each takes as long as
the next. Of this program all is counted, from the start of the command to its end: loading, filling the store of frozen layers,
evaluations, saving. Each first run has an empty cache folder; the second run finds there what the first has left.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import ours, plain
from tests.benchmarks.material import BUNDLED, ROBERTA_SHAPE, find_backbone, write_news
from tests.benchmarks.measuring import Ran, Result, build_parser, find_median, run_fresh, show, take_turns

ROWS = {ROBERTA_SHAPE: 2_000, BUNDLED: 8_000}
PLAIN_STEPS = 10
GOALS = {
    ROBERTA_SHAPE: {"ratio": 10.0, "second_run_ratio": 12.0},
    BUNDLED: {"ratio": 8.0, "second_run_ratio": 9.0},
}
MOST_PADDING = 0.05
FILLING = "computing frozen layers"


@dataclass
class Sides:
    """Both sides, on the same news; the runs are kept in `folder` until the end."""

    folder: Path
    settings: dict[str, Any]
    plain_steps: int
    n_runs: int = 0

    def train_plain(self) -> float:
        """Return samples a second."""
        return run_fresh(plain.measure_samples_per_second, plain.Script(self.settings, max_steps=self.plain_steps))

    def train_first(self) -> Ran:
        self.n_runs += 1
        return self._train("first")

    def train_again(self) -> Ran:
        return self._train("second")

    def _train(self, name: str) -> Ran:
        settings = self.settings | {"early_stopping_patience": 0}  # it would leave out samples that are counted here
        return ours.train(settings, self.folder, name=f"{name}-{self.n_runs}", cache=f"cache-{self.n_runs}")


def measure(backbone: str, *, rows: int, epochs: float, rounds: int, plain_steps: int) -> Result:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        news = run_fresh(write_news, folder / "news", rows)
        settings = {"backbone": run_fresh(find_backbone, backbone), "data": str(news), "num_train_epochs": epochs}
        sides = Sides(folder, settings, plain_steps)
        turns = {"plain": sides.train_plain, "first run": sides.train_first, "second run": sides.train_again}
        return summarize(backbone, take_turns(turns, rounds=rounds), epochs)


def summarize(backbone: str, found: dict[str, list[Any]], epochs: float) -> Result:
    first_runs: list[Ran] = found["first run"]
    first, second = ([_count_speed(ran, epochs) for ran in found[side]] for side in ("first run", "second run"))
    plain_speed = find_median(found["plain"])
    figures = {
        "ratio": find_median(first) / plain_speed,
        "second_run_ratio": find_median(second) / plain_speed,
        "plain_samples_per_second": found["plain"],
        "ours_samples_per_second": first,
        "second_run_samples_per_second": second,
        "store_seconds": [ours.read_phase_seconds(ran.printed["run_dir"], FILLING) for ran in first_runs],
        "padding_share": first_runs[0].printed["padding_share"],
        "eval_accuracy": [ran.printed["eval_accuracy"] for ran in first_runs],
        "train_rows": first_runs[0].printed["n_train"],
        "epochs": epochs,
    }
    goals = {"at_least": GOALS.get(backbone, {}), "at_most": {"padding_share": MOST_PADDING}}
    return Result("training_speed", Path(backbone).name, figures, **goals)


def _count_speed(ran: Ran, epochs: float) -> float:
    """Return samples a second of the whole command."""
    return ran.printed["n_train"] * epochs / ran.seconds


def main(arguments: list[str] | None = None) -> None:
    parser = build_parser(__doc__, rounds=2)
    parser.add_argument("--backbone", default=BUNDLED, help=f"{BUNDLED} (default), {ROBERTA_SHAPE}, or a folder")
    parser.add_argument("--rows", type=int, help="rows of news (default 2,000 for roberta-base-shape, else 8,000)")
    parser.add_argument("--epochs", type=float, default=3.0, help="passes over them (default %(default)s)")
    parser.add_argument(
        "--plain-steps", type=int, default=PLAIN_STEPS, help="of the plain script (default %(default)s)"
    )
    asked = parser.parse_args(arguments)
    rows = asked.rows or ROWS.get(asked.backbone, ROWS[BUNDLED])
    steps = asked.plain_steps
    show(measure(asked.backbone, rows=rows, epochs=asked.epochs, rounds=asked.rounds, plain_steps=steps), asked)


if __name__ == "__main__":
    main()
