"""Studies in every state, as a search would leave them, for tests and pictures of what the page makes of them."""

import random
from pathlib import Path
from typing import Any

from agnews_core.config import build_config
from agnews_core.tuning.study import STUDIES, Study, StudyStatus, Trial, Verdict

SPACE = {
    "learning_rate": {"name": "FloatDistribution", "attributes": {"low": 1.75e-4, "high": 2.8e-3, "log": True, "step": None}},
    "num_train_epochs": {"name": "FloatDistribution", "attributes": {"low": 1.0, "high": 6.0, "log": False, "step": 0.5}},
    "layers": {"name": "IntDistribution", "attributes": {"low": 1, "high": 6, "log": False, "step": 1}},
    "rank": {"name": "IntDistribution", "attributes": {"low": 4, "high": 64, "log": True, "step": 1}},
    "lora_dropout": {"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 0.2, "log": False, "step": None}},
    "pooling": {"name": "CategoricalDistribution", "attributes": {"choices": ["cls", "mean"]}},
}  # fmt: skip
PRESET = {
    "learning_rate": 7e-4, "num_train_epochs": 3.0, "layers": 4, "rank": 32, "lora_dropout": 0.05, "pooling": "cls"
}  # fmt: skip
WHOLE = 3600


def build_study(
    state: str = "running", *, n_trials: int = 12, n_subset: int | None = None, **changes: Any
) -> StudyStatus:
    """Build a study that has so many trials at their end; every fifth was given up."""
    draw = random.Random(4)
    trials = [build_trial(1, "preset", PRESET, score=0.903)]
    for number in range(2, n_trials + 1):
        params = {
            "learning_rate": float(f"{7e-4 * 4 ** draw.uniform(-1, 1):.3g}"),
            "num_train_epochs": draw.choice((1.0, 2.5, 4.0, 6.0)), "layers": draw.randint(1, 6),
            "rank": draw.choice((4, 8, 16, 32, 64)), "lora_dropout": round(draw.uniform(0, 0.2), 3),
            "pooling": draw.choice(("cls", "mean")),
        }  # fmt: skip
        score = 0.872 + 0.006 * params["layers"] + draw.uniform(0, 0.012)
        trials.append(build_trial(number, "search", params, score=score, n_texts=n_subset, is_pruned=number % 5 == 0))
    spent = sum(trial.seconds for trial in trials)
    known: dict[str, Any] = {"config": build_config({"data": "sample"}), "space": SPACE, "minutes": 30.0}
    return StudyStatus(
        state=state, trials=tuple(trials[:n_trials]), spent_seconds=spent, n_subset=n_subset, **known | changes
    )


def build_trial(number: int, stage: str, params: dict[str, Any], *, score: float | None, **told: Any) -> Trial:
    curve = tuple((percent, (score or 0.8) * (0.9 + percent / 1000)) for percent in (20, 40, 60, 80, 100))
    known = {
        "number": number,
        "run": f"tune-{number:02}",
        "stage": stage,
        "params": params,
        "n_scored": 180,
        "seconds": 71.0 + number,
    }
    if told.pop("is_pruned", False):
        reason = "After 40 % of its steps it was among the worse half of the trials."
        return Trial(**known, state="pruned", curve=curve[:2], reason=reason, max_train_samples=told.get("n_texts"))
    return Trial(**known, state="finished", score=score, curve=curve, max_train_samples=told.get("n_texts"))


def build_verdict(*, is_better: bool) -> Verdict:
    first = (
        "Trial 2 is better than the preset seed."
        if is_better
        else "No better than the preset seed: of 11 trials none did better than it by more than chance on the texts to choose on."
    )
    second = (
        "On 180 validation texts that no trial was chosen by, it classifies 94.4% (95 % interval 90.1 to 97.0) correctly, the "
        "preset seed 90.0% (84.7 to 93.7); 9 texts it alone has right, 1 the preset seed alone (p = 0.021)."
        if is_better
        else "On 180 validation texts that no trial was chosen by, the preset seed classifies 90.0% (95 % interval 84.7 to 93.7) "
        "correctly."
    )
    return Verdict(
        winner=2 if is_better else 1, preset=1, n=180, winner_accuracy=(0.944, 0.901, 0.97), preset_accuracy=(0.9, 0.847, 0.937),
        n_only_winner=9 if is_better else 0, n_only_preset=1 if is_better else 0, p_value=0.021 if is_better else 1.0,
        sentences=(first, second),
    )  # fmt: skip


def write_study(runs_dir: Path, status: StudyStatus, *, name: str = "tune") -> Study:
    study = Study(runs_dir / STUDIES / name)
    study.path.mkdir(parents=True)
    study.write(status)
    return study
