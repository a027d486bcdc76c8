"""How much of the processor is used: `python -m tests.benchmarks.share_of_peak [--backbone roberta-base-shape] [--rows 2000]`.

What a training's steps compute in a second, and then a prediction with the model that was trained, over what a product of two
bf16 matrices reaches in the same run, just before and just after. Operations are counted from the shapes of the layers and from
the tokens of the texts. What is no product of matrices counts nothing, nor do padding, layers that are read from a store, and
the tokens that the head does not read in a training's top layer.
"""

import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.benchmarks import ours
from tests.benchmarks.material import BUNDLED, ROBERTA_SHAPE, find_backbone, read_news, write_news
from tests.benchmarks.measuring import Result, build_parser, run_fresh, show, tell

PEAK_SIZE = 2_048
"""Rows and columns of the matrices whose product is the peak."""
PEAK_SECONDS = 1.0
WARM_TEXTS, WARM_STEPS = 200, 3
GOALS = {"prediction_share": 0.75, "training_share": 0.6}


@dataclass(frozen=True)
class Layer:
    """The products of matrices in a layer of a BERT-family model, as floating-point operations for one text."""

    n_hidden: int
    n_intermediate: int

    def count_forward(self, n_tokens: int) -> int:
        """Count query, key, value and output, the two dense ones, and attention's two."""
        weights = 4 * self.n_hidden**2 + 2 * self.n_hidden * self.n_intermediate
        return 2 * n_tokens * weights + 4 * n_tokens**2 * self.n_hidden

    def count_backward(self, n_tokens: int, *, is_lowest: bool) -> int:
        """Count the gradients of what goes in, and of no frozen weight; what enters the lowest trained layer has none."""
        without = 6 * n_tokens * self.n_hidden**2 + 2 * n_tokens**2 * self.n_hidden if is_lowest else 0
        return self.count_forward(n_tokens) + 4 * n_tokens**2 * self.n_hidden - without

    def count_top(self, n_tokens: int, *, is_lowest: bool) -> int:
        """Count, forwards and backwards, a top layer of which the first token alone is read: keys and values of all tokens."""
        keys_and_values = 4 * n_tokens * self.n_hidden**2
        return keys_and_values * (1 if is_lowest else 2) + 2 * self.count_forward(1)

    def count_lora(self, n_tokens: int, rank: int) -> int:
        """Count LoRA of query, value and both outputs: forwards once, backwards twice."""
        return 3 * 2 * n_tokens * rank * (7 * self.n_hidden + self.n_intermediate)


def measure_peak() -> float:
    """Return the operations a second of the best of many products of two bf16 matrices."""
    import torch

    one, other = torch.randn(2, PEAK_SIZE, PEAK_SIZE).bfloat16()
    best, ends = float("inf"), time.perf_counter() + PEAK_SECONDS
    while (began := time.perf_counter()) < ends:
        one @ other
        best = min(best, time.perf_counter() - began)
    return 2 * PEAK_SIZE**3 / best


def measure_training(run_dir: str) -> float:
    """Return the operations a second of a run's steps."""
    from agnews_core.news.splits import load_news
    from agnews_core.runs import Run

    run = Run(Path(run_dir))
    config, status = run.read_resolved_config(), run.read_status()
    layer, lengths = _read_layer(config.backbone), _count_tokens(config, list(load_news(config).train["text"]))
    ranks = status.plan.layer_ranks
    lowest = min(ranks)
    trained = range(lowest, status.plan.n_layers)
    n_forward = len(trained) if status.resolved.replay.used else status.plan.n_layers
    top = trained[-1]
    operations = sum(
        (n_forward - 1) * layer.count_forward(n)
        + sum(layer.count_backward(n, is_lowest=index == lowest) for index in trained if index != top)
        + layer.count_top(n, is_lowest=top == lowest)
        + sum(layer.count_lora(n, rank) for index, rank in ranks.items() if index != top)
        for n in lengths
    )
    return operations * config.num_train_epochs / status.max_steps / _read_step_seconds(run)


def _read_step_seconds(run: Any) -> float:
    """Return the mean time of a step, but for the first and for those after an evaluation."""
    from tests.rows import read_rows

    pairs = list(pairwise(read_rows(run)))
    return statistics.mean(
        after["time"] - before["time"] for before, after in pairs[WARM_STEPS:] if "loss" in before and "loss" in after
    )


def measure_prediction(run_dir: str, n_texts: int) -> float:
    """Return the operations a second of a prediction with a run's model."""
    from agnews_core.inference.classifier import Classifier
    from agnews_core.runs import Run

    run, texts = Run(Path(run_dir)), list(read_news(n_texts)["text"])
    config, plan = run.read_resolved_config(), run.read_status().plan
    classifier = Classifier.load(run.adapter_dir, backbone_name=config.backbone)
    classifier.compute_logits(texts[:WARM_TEXTS])
    began = time.perf_counter()
    classifier.compute_logits(texts)
    seconds = time.perf_counter() - began
    layer = _read_layer(config.backbone)
    return plan.n_layers * sum(map(layer.count_forward, _count_tokens(config, texts))) / seconds


def _read_layer(backbone: str) -> Layer:
    from agnews_core.models.backbones import load_backbone_config

    config = load_backbone_config(backbone)
    return Layer(config.hidden_size, config.intermediate_size)


def _count_tokens(config: Any, texts: list[str]) -> list[int]:
    from agnews_core.models.backbones import load_backbone, load_tokenizer
    from agnews_core.news.tokens import encode

    tokenizer = load_tokenizer(load_backbone(config.backbone))
    return [len(ids) for ids in encode(texts, tokenizer, max_length=config.max_length)["input_ids"]]


def measure(backbone: str, *, rows: int, rounds: int) -> Result:
    peaks, training, prediction = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        news = run_fresh(write_news, folder / "news", rows)
        settings = {"backbone": run_fresh(find_backbone, backbone), "data": str(news)}
        settings |= {"num_train_epochs": 1, "eval_steps": 0.5, "replay": "on"}
        for number in range(rounds):
            tell(f"round {number + 1} of {rounds}")
            before = run_fresh(measure_peak)
            run_dir = ours.train(settings, folder, name=f"run-{number}").printed["run_dir"]
            training.append(run_fresh(measure_training, run_dir))
            prediction.append(run_fresh(measure_prediction, run_dir, rows))
            peaks.append(max(before, run_fresh(measure_peak)))
    return summarize(backbone, peaks, training, prediction)


def summarize(backbone: str, peaks: list[float], training: list[float], prediction: list[float]) -> Result:
    figures = {
        "prediction_share": [achieved / peak for achieved, peak in zip(prediction, peaks, strict=True)],
        "training_share": [achieved / peak for achieved, peak in zip(training, peaks, strict=True)],
        "prediction_gflops": [achieved / 1e9 for achieved in prediction],
        "training_gflops": [achieved / 1e9 for achieved in training],
        "peak_gflops": [peak / 1e9 for peak in peaks],
    }
    return Result("share_of_peak", Path(backbone).name, figures, at_least=GOALS)


def main(arguments: list[str] | None = None) -> None:
    parser = build_parser(__doc__, rounds=2)
    parser.add_argument("--backbone", default=ROBERTA_SHAPE, help=f"%(default)s, {BUNDLED}, or a folder")
    parser.add_argument(
        "--rows", type=int, default=2_000, help="texts to train on and to predict (default %(default)s)"
    )
    asked = parser.parse_args(arguments)
    show(measure(asked.backbone, rows=asked.rows, rounds=asked.rounds), asked)


if __name__ == "__main__":
    main()
