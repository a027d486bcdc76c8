"""Every model on four tests: `python -m tests.benchmarks.four_tests [--runs NAME ...] [--adapters FOLDER ...]`.

AG News validation (AGNEWS_DATA_DIR; the texts that a run on it was validated on, else those of the seed 42), the wire sample's
test texts, the plain test texts by class and kind, and sentences that a bundled model once got wrong. No model is trained on the
last three. Each share has its 95 % Wilson interval; beside it is how often the model says that it is not sure, and how often
it is wrong there, which should be more often than not.
"""

import json
import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.measuring import Result, build_parser, run_fresh, save, tell

SENTENCES = (
    ("The striker scored twice in extra time as the visitors won the cup on penalties.", 1),
    ("Basketball: Spurs beat Pistons in game seven to win the NBA title.", 1),
    ("India beat Pakistan by four wickets in a one-day cricket match in Lahore.", 1),
    ("Ferrari driver wins the Monaco Grand Prix from pole position.", 1),
    ("Michael Phelps won his sixth gold medal at the Athens Olympics.", 1),
    ("Boxer knocks out rival in third round to keep heavyweight title.", 1),
)
"""What the model that was bundled first called World. They are for testing alone, and nothing like them is trained on."""
GOALS = {"ag_news": 0.942, "plain": 0.97, "sentences": 1.0}  # of the bundled model


@dataclass(frozen=True)
class Model:
    """Which model: a run's directory, or an adapter's folder, and where the adapter's backbone is ("" for where it says)."""

    name: str
    folder: str
    backbone: str = ""
    is_run: bool = False
    is_bundled: bool = False


@dataclass(frozen=True)
class Texts:
    """The texts of a test, or of a part of it."""

    texts: list[str]
    labels: list[int]


def find_models(asked: Namespace) -> list[Model]:
    """Return the bundled models and those that were asked for."""
    from agnews_core.inference.catalogue import BUNDLED_DIR
    from agnews_core.models.adapters import ADAPTER_INFO
    from agnews_core.runs import find_run, find_runs_dir

    folder = find_runs_dir(asked.runs_dir)
    bundled = sorted(path.parent for path in BUNDLED_DIR.glob(f"*/{ADAPTER_INFO}"))
    return [
        *(Model(path.name, str(path), is_bundled=True) for path in bundled if not asked.without_bundled),
        *(Model(f"run {name}", str(find_run(folder, name).path), is_run=True) for name in asked.runs),
        *(Model(f"adapter {path.name}", str(path), asked.backbone) for path in asked.adapters),
    ]


def list_tests(seed: int, data: str, at_most: int | None) -> dict[str, Texts]:
    """Return the texts by the name of the test or of its part; AG News only where AGNEWS_DATA_DIR says where it is."""
    from agnews_core.config import TrainConfig
    from agnews_core.inference.assess import load_texts
    from agnews_core.labels import LABELS
    from agnews_core.news.plain import KINDS, read_plain
    from agnews_core.news.sources import SAMPLE_DIR
    from agnews_core.news.tables import read_split

    def take(rows: Any) -> Texts:
        return Texts(rows["text"].tolist(), rows["label"].tolist())

    plain = read_plain("test")
    tests = {"wire_sample": take(read_split(SAMPLE_DIR, "test")), "plain": take(plain)}
    tests |= {f"plain_{kind}": take(plain[plain["kind"] == kind]) for kind in KINDS}
    tests |= {
        f"plain_{name.lower().replace('/', '_')}": take(plain[plain["label"] == label])
        for label, name in enumerate(LABELS)
    }
    tests["sentences"] = Texts(*map(list, zip(*SENTENCES, strict=True)))
    if data:
        found = load_texts(TrainConfig(data=data, seed=seed), split="validation", at_most=at_most)
        tests = {"ag_news": Texts(found.texts, found.labels.tolist()), **tests}
    return tests


def measure_model(model: Model, at_most: int | None) -> dict[str, Any]:
    """Return the figures of a model on all tests; for a process of its own."""
    from agnews_core.inference.catalogue import read_run_model
    from agnews_core.inference.classifier import Classifier
    from agnews_core.runs import Run

    adapter, backbone, data = Path(model.folder), model.backbone or None, os.environ.get("AGNEWS_DATA_DIR", "")
    seed = 42
    if model.is_run:
        found = read_run_model(Run(adapter))
        adapter, backbone = found.adapter_dir, found.backbone
        config = Run(Path(model.folder)).read_resolved_config()
        # Of the news that it was trained on, those texts alone that it was not trained on.
        seed = config.seed if data and Path(config.data) == Path(data).resolve() else seed
    classifier = Classifier.load(adapter, backbone_name=backbone)
    figures: dict[str, Any] = {}
    for name, texts in list_tests(seed, data, at_most).items():
        figures |= measure_texts(classifier, name, texts)
    return figures


def measure_texts(classifier: Any, name: str, texts: Texts) -> dict[str, Any]:
    """Return the share that is classified correctly, its interval, and how often the model is not sure and rightly so."""
    import numpy as np

    from agnews_core.evaluation.calibration import apply_temperature
    from agnews_core.evaluation.compute import compute_share
    from agnews_core.inference.predictions import UNSURE_BELOW

    probabilities = apply_temperature(classifier.compute_logits(texts.texts), classifier.temperature)
    right = probabilities.argmax(-1) == np.asarray(texts.labels)
    unsure = probabilities.max(-1) < UNSURE_BELOW
    share = compute_share(right)
    return {
        name: share.accuracy,
        f"{name}_low": share.accuracy_low,
        f"{name}_high": share.accuracy_high,
        f"{name}_texts": share.n,
        f"{name}_unsure": float(unsure.mean()),
        f"{name}_wrong_where_unsure": float((~right)[unsure].mean()) if unsure.any() else 0.0,
    }


def measure(models: Sequence[Model], at_most: int | None) -> list[Result]:
    results = []
    for model in models:
        tell(model.name)
        figures = run_fresh(measure_model, model, at_most)
        goals = {name: goal for name, goal in GOALS.items() if name in figures} if model.is_bundled else {}
        results.append(Result("four_tests", model.name, figures, at_least=goals))
    return results


def format_result(result: Result) -> str:
    """Return a line for each test and each of its parts."""
    lines = [
        f"{result.name}",
        "",
        f"{'':20}{'texts':>7}{'correct':>9}{'95 % interval':>18}   not sure, and wrong there",
    ]
    for name in (name for name in result.figures if f"{name}_texts" in result.figures):
        n, low, high, unsure, wrong = (
            result.figures[f"{name}_{part}"] for part in ("texts", "low", "high", "unsure", "wrong_where_unsure")
        )
        interval = f"{low:.1%} to {high:.1%}"
        lines.append(f"{name:20}{n:7,}{result.figures[name]:9.1%}{interval:>18}   {unsure:8.1%}, {wrong:4.0%}")
    if "ag_news" not in result.figures:
        lines.append("AG News is not measured; set AGNEWS_DATA_DIR to a folder that has it.")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = build_parser(__doc__, rounds=None)
    parser.add_argument("--runs", nargs="*", default=[], metavar="NAME", help="runs whose models are measured too")
    parser.add_argument("--runs-dir", type=Path, help="where they are (default as for the command `runs`)")
    parser.add_argument("--adapters", nargs="*", type=Path, default=[], metavar="FOLDER", help="adapters that are too")
    parser.add_argument("--backbone", default="", help="where the adapters' backbone is now")
    parser.add_argument("--without-bundled", action="store_true", help="measure only what is named")
    parser.add_argument("--texts", type=int, help="of AG News validation, at most (default all)")
    asked = parser.parse_args(arguments)
    results = measure(find_models(asked), asked.texts)
    if asked.json:
        print(json.dumps({result.case: result.to_json() for result in results}, indent=2))
    for result in results:
        if not asked.json:
            print(format_result(result))
        if asked.save:
            save(result)


if __name__ == "__main__":
    main()
