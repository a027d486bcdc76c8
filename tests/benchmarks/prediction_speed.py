"""How fast texts are classified: `python -m tests.benchmarks.prediction_speed [--texts 4000] [--without-bf16]`.

`transformers.pipeline("text-classification")` around the merged model, one text at a time and 32 at a time, against this
program's classifier, with the same adapter. Each measurement has a process of its own; loading and a first hundred texts are not
counted. The agreement is the share of texts to which both give the same class.

Without bf16: the libraries are told to leave those instructions alone, and this program that there are none.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.material import read_news
from tests.benchmarks.measuring import Result, build_parser, find_median, run_fresh, show, take_turns

N_TEXTS = 4_000
N_WARM = 100
NO_BF16 = "AVX512_CORE_VNNI"
"""The newest instructions that a processor without bf16 has."""
NO_BF16_ENVIRONMENT = {"ONEDNN_MAX_CPU_ISA": NO_BF16, "DNNL_MAX_CPU_ISA": NO_BF16}


@dataclass(frozen=True)
class Model:
    """Which model is asked: an adapter's folder, and where its backbone is ("" for where it says)."""

    adapter_dir: str
    backbone: str = ""
    has_bf16: bool = True


@dataclass(frozen=True)
class Answered:
    """How fast, and with which classes."""

    texts_per_second: float
    labels: list[int]
    engine: str


def ask_pipeline(model: Model, n_texts: int, batch_size: int) -> Answered:
    from transformers import pipeline

    from agnews_core.models.backbones import load_tokenizer
    from agnews_core.models.weights import load_model

    loaded = load_model(Path(model.adapter_dir), backbone_name=model.backbone or None)
    classify = pipeline(
        "text-classification", model=loaded.model, tokenizer=load_tokenizer(loaded.backbone), batch_size=batch_size,
        truncation=True, max_length=loaded.info.max_length, device="cpu",
    )  # fmt: skip
    label2id = loaded.model.config.label2id
    return _time(n_texts, lambda texts: [label2id[it["label"]] for it in classify(texts)], "pipeline")


def ask_ours(model: Model, n_texts: int) -> Answered:
    if not model.has_bf16:
        _forget_bf16()
    from agnews_core.inference.classifier import Classifier

    classifier = Classifier.load(Path(model.adapter_dir), backbone_name=model.backbone or None)
    return _time(
        n_texts, lambda texts: classifier.compute_logits(texts).argmax(axis=1).tolist(), classifier.engine.title
    )


def _forget_bf16() -> None:
    """Make this process believe what is true of an older processor."""
    from agnews_core import devices

    devices.cpu_has_bf16 = lambda: False


def _time(n_texts: int, classify: Callable[[list[str]], list[int]], engine: str) -> Answered:
    texts = list(read_news(n_texts)["text"])
    classify(texts[:N_WARM])
    began = time.perf_counter()
    labels = classify(texts)
    return Answered(n_texts / (time.perf_counter() - began), labels, engine)


def measure(model: Model, *, n_texts: int, rounds: int) -> Result:
    environment = {} if model.has_bf16 else NO_BF16_ENVIRONMENT
    with tempfile.TemporaryDirectory() as cache:
        fresh = partial(run_fresh, **environment | {"AGNEWS_CACHE_DIR": cache})
        found = take_turns(
            {
                "pipeline": partial(fresh, ask_pipeline, model, n_texts, 1),
                "pipeline, batched": partial(fresh, ask_pipeline, model, n_texts, 32),
                "ours": partial(fresh, ask_ours, model, n_texts),
            },
            rounds=rounds,
        )
    return summarize(found, has_bf16=model.has_bf16)


def summarize(found: dict[str, list[Answered]], *, has_bf16: bool) -> Result:
    speeds: dict[str, Any] = {side: [it.texts_per_second for it in answers] for side, answers in found.items()}
    best = max(find_median(speeds["pipeline"]), find_median(speeds["pipeline, batched"]))
    same = np.equal(found["pipeline"][0].labels, found["ours"][0].labels)
    figures = {
        "ratio": find_median(speeds["ours"]) / best,
        "agreement": float(same.mean()),
        "engine": found["ours"][0].engine,
        "ours_texts_per_second": speeds["ours"],
        "pipeline_texts_per_second": speeds["pipeline"],
        "pipeline_batched_texts_per_second": speeds["pipeline, batched"],
        "texts": len(same),
    }
    goals = {"ratio": 4.5 if has_bf16 else 2.5, "agreement": 0.999}
    return Result("prediction_speed", "" if has_bf16 else "without bf16", figures, at_least=goals)


def main(arguments: list[str] | None = None) -> None:
    from agnews_core.inference.catalogue import BUNDLED_DIR

    parser = build_parser(__doc__)
    parser.add_argument("--texts", type=int, default=N_TEXTS, help="how many (default %(default)s)")
    parser.add_argument("--adapter", default=str(BUNDLED_DIR / "all-MiniLM-L6-v2"), help="default: the bundled one")
    parser.add_argument("--backbone", default="", help="where the adapter's backbone is now")
    parser.add_argument("--without-bf16", action="store_true", help="as on a processor that has no bf16")
    asked = parser.parse_args(arguments)
    model = Model(asked.adapter, asked.backbone, has_bf16=not asked.without_bf16)
    show(measure(model, n_texts=asked.texts, rounds=asked.rounds), asked)


if __name__ == "__main__":
    main()
