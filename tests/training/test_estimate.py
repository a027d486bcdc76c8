import json
import math
import re
import shutil
import threading
import time

import pytest

from agnews_core.config import TrainConfig, build_config
from agnews_core.errors import ConfigError
from agnews_core.news.splits import load_news
from agnews_core.runs import create_run
from agnews_core.training import estimate, probe
from agnews_core.training.assessment import Assessment
from agnews_core.training.estimate import CPU_GROWTH_BYTES, FASTER, START_SECONDS, assess
from agnews_core.training.probe import LayerCost
from agnews_core.training.recipe import train
from agnews_core.training.replay_folder import get_replay_dir
from agnews_core.training.trainer import NewsTrainer
from tests.news.files import make_rows, write_split


@pytest.fixture
def settings(tiny_backbone, tiny_news) -> dict:
    return {"backbone": str(tiny_backbone), "data": str(tiny_news), "layer_ranks": "10:4,11:4", "max_length": 64}


def look(settings, **more) -> Assessment:
    return assess(build_config({**settings, **more}))


def test_the_steps_are_those_of_the_texts_that_are_trained_on(settings):
    found = look(settings).inputs
    assert (found.n_train, found.n_validation, found.missing) == (144, 16, "")
    assert look(settings, num_train_epochs=2).estimate.n_steps == 2 * 5  # batches of 32, the last one smaller
    assert look(settings, max_steps=7).estimate.n_steps == 7


def test_texts_of_more_files_are_counted_as_trained_on(settings, tiny_news, tmp_path):
    shutil.copytree(tiny_news, tmp_path, dirs_exist_ok=True)
    write_split(tmp_path, "more", make_rows(56, prefix="more"))
    found = look(settings, data=str(tmp_path), more_train_files="more.jsonl", num_train_epochs=2)
    assert (found.inputs.n_train, found.inputs.n_validation) == (200, 16)
    assert found.estimate.n_steps == 2 * 7


def test_ranges_have_a_width_and_grow_with_what_is_trained(settings):
    few, many = (look(settings, num_train_epochs=n, replay="off").estimate for n in (1, 100))
    assert 0 < few.seconds_low < few.seconds_high
    assert many.seconds_low - START_SECONDS[0] > 20 * (few.seconds_low - START_SECONDS[0])
    assert 0 < few.bytes_low < few.bytes_high < many.bytes_high
    assert look(settings, num_train_epochs=1000).estimate.bytes_high - few.bytes_high < CPU_GROWTH_BYTES


def test_an_evaluation_at_each_step_takes_longer_than_one_at_each_second(settings):
    each, second = (look(settings, max_steps=50, eval_steps=n).estimate for n in (1, 2))
    assert each.seconds_high > second.seconds_high


def test_frozen_layers_that_are_computed_once_are_said_with_what_they_take_and_save(settings):
    once, each = (look(settings, num_train_epochs=20, replay=replay) for replay in ("on", "off"))
    assert once.replay.n_layers == 10
    said = r"10, computed once by PyTorch: \S+ s, 1 MB; saves \S+ (s|min)"
    assert re.fullmatch(said, dict(once.facts)["Frozen layers"])
    assert once.estimate.saved_seconds > once.estimate.fill_seconds > 0
    assert once.estimate.seconds_low < each.estimate.seconds_low
    assert (each.estimate.saved_seconds, dict(each.facts)["Frozen layers"]) == (0, "10, computed in each pass")
    lowest = look(settings, layer_ranks="0:4")
    assert dict(lowest.facts)["Frozen layers"] == "none below the lowest trained one"
    assert json.loads(json.dumps(once.as_json()))["replay"]["used"]


def test_openvino_computes_frozen_layers_and_answers_in_less_time(settings, monkeypatch):
    by_pytorch = look(settings, replay="on", precision="bf16")
    monkeypatch.setenv("AGNEWS_ENGINE", "openvino")
    found = look(settings, replay="on", precision="bf16")
    assert dict(found.facts)["Frozen layers"].startswith("10, computed once by OpenVINO: ")
    assert found.estimate.fill_seconds == pytest.approx(0.63 * by_pytorch.estimate.fill_seconds)
    assert found.estimate.seconds_high < by_pytorch.estimate.seconds_high


def test_where_the_top_layer_is_computed_for_the_first_token_alone_it_takes_less(settings, monkeypatch):
    costs = {True: LayerCost(1.0, 2.0, 3.0), False: LayerCost(10.0, 20.0, 30.0)}
    monkeypatch.setattr(estimate, "probe_layer", lambda *key, first_token_alone=False: costs[first_token_alone])
    first, mean = (look(settings, pooling=pooling, replay="off") for pooling in ("cls", "mean"))
    n_steps, n_validation = first.estimate.n_steps, 16 * 55  # tokens
    evaluated = math.ceil(n_steps / first.evaluations.every_steps) * n_validation
    difference = 18 * n_steps * 32 * 55 + 9 * (evaluated + n_validation)
    assert (mean.estimate.seconds_low - first.estimate.seconds_low) / FASTER == pytest.approx(difference)
    assert mean.estimate.bytes_low > first.estimate.bytes_low


def test_a_plan_says_that_frozen_layers_are_computed_already_as_long_as_they_are(
    tiny_settings, tiny_news, tmp_path, monkeypatch
):
    monkeypatch.setenv("AGNEWS_CACHE_DIR", str(tmp_path / "cache"))
    own = {
        **tiny_settings,
        "data": str(shutil.copytree(tiny_news, tmp_path / "news")),
        "replay": "on",
        "precision": "bf16",
    }
    own |= {"max_steps": 2}
    before = look(own)
    assert (before.replay.found, before.replay.engine) == (False, "torch")
    trained = train(create_run(tmp_path / "runs", build_config(own))).resolved.replay
    assert (trained.found, trained.engine) == (False, "torch")
    assert trained.fill_seconds > 0
    after = look(own, learning_rate=1e-3, max_steps=4, lora_alpha=8)
    assert after.replay.found
    assert re.fullmatch(r"8, already computed: 1 MB; saves \S+ s", dict(after.facts)["Frozen layers"])
    assert after.estimate.fill_seconds == 0 < before.estimate.fill_seconds
    others = (
        {"seed": 7},
        {"max_length": 40},
        {"layer_ranks": "10:4"},
        {"max_train_samples": 100},
        {"precision": "fp32"},
    )
    assert not any(look({**own, **other}).replay.found for other in others)
    (kept,) = get_replay_dir().glob("*.safetensors")
    kept.unlink()
    assert not look(own).replay.found


def test_training_more_layers_takes_longer(settings):
    top, all_layers = look(settings), look(settings, layer_ranks=",".join(f"{layer}:4" for layer in range(12)))
    assert all_layers.estimate.seconds_low > top.estimate.seconds_low
    assert all_layers.estimate.bytes_low > top.estimate.bytes_low


def test_news_that_cannot_be_had_is_said_and_counted_as_the_hubs(tmp_path):
    found = assess(TrainConfig(backbone="all-MiniLM-L6-v2", data=str(tmp_path / "none"))).inputs
    assert (found.n_train, found.n_validation) == (108_000, 12_000)
    assert found.missing.startswith("There is no news folder")
    few = assess(TrainConfig(data=str(tmp_path / "none"), max_train_samples=500)).inputs
    assert (few.n_train, few.n_validation) == (500, 12_000)


def test_a_backbone_without_weights_here_is_planned_and_said_to_be_missing(monkeypatch, tmp_path):
    monkeypatch.setattr("agnews_core.models.backbones.find_in_hub_cache", lambda *given, **named: None)
    monkeypatch.setattr("agnews_core.models.backbones.hub_answers", lambda: False)
    found = assess(build_config({"backbone": "roberta-base", "data": "sample"}))
    assert found.plan.trainable_parameters == 1_472_260
    assert (
        "'roberta-base' is not a folder here, not in the hub's cache, and the hub does not answer"
        in found.inputs.missing
    )
    monkeypatch.setattr("agnews_core.models.backbones.hub_answers", lambda: True)
    assert assess(build_config({"backbone": "roberta-base", "data": "sample"})).inputs.missing == ""


def test_what_stands_in_for_something_else_is_said(monkeypatch):
    monkeypatch.setattr("agnews_core.models.backbones.find_in_hub_cache", lambda *given, **named: None)
    monkeypatch.setattr("agnews_core.models.backbones.hub_answers", lambda: False)
    notes = " ".join(assess(build_config({"data": "sample"})).inputs.notes)
    assert "bundled with this program, instead of roberta-base" in notes


def test_settings_that_cannot_be_carried_out_have_no_estimate(settings):
    with pytest.raises(ConfigError, match="names layer 12"):
        look(settings, layer_ranks="12:4")


def test_a_folder_of_news_that_grew_is_counted_anew(settings, tiny_news, tmp_path):
    folder = shutil.copytree(tiny_news, tmp_path / "news")
    own = {**settings, "data": str(folder)}
    assert look(own).inputs.n_train == 144
    with (folder / "train.jsonl").open("a") as file:
        file.writelines(json.dumps({"text": f"New text {n}", "label": n % 4}) + "\n" for n in range(40))
    assert look(own).inputs.n_train == 180


def test_another_seed_does_not_read_the_news_again(settings, tiny_news, tmp_path, monkeypatch):
    own = {**settings, "data": str(shutil.copytree(tiny_news, tmp_path / "news"))}
    first = look(own)

    def load_news(config):
        raise AssertionError("read again")

    monkeypatch.setattr(estimate, "load_news", load_news)
    assert look(own, seed=7).inputs == first.inputs


def test_many_who_ask_at_once_read_the_news_once(settings, tiny_news, tmp_path, monkeypatch):
    reads = []
    monkeypatch.setattr(estimate, "load_news", lambda config: (reads.append(config), load_news(config))[1])
    config = build_config({**settings, "data": str(shutil.copytree(tiny_news, tmp_path / "news"))})
    threads = [threading.Thread(target=assess, args=(config,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1


def test_a_real_run_takes_as_long_as_was_estimated(tiny_settings, tmp_path, monkeypatch):
    """By the processor's time, of one thread: what else the machine does meanwhile is no part of it."""
    go_on, spent = NewsTrainer.go_on, []

    def go_on_and_measure(trainer, checkpoint):
        began = time.process_time()
        metrics = go_on(trainer, checkpoint)
        spent.append(time.process_time() - began)
        return metrics

    monkeypatch.setattr(NewsTrainer, "go_on", go_on_and_measure)
    monkeypatch.setattr(probe.time, "perf_counter", time.process_time)
    monkeypatch.setattr(probe, "_PROBED", {})
    config = build_config({**tiny_settings, "num_train_epochs": 10, "max_steps": 20, "eval_steps": 10})
    status, found = train(create_run(tmp_path, config)), assess(config).estimate
    assert found.n_steps == status.max_steps == 20
    low, high = (
        seconds - start for seconds, start in zip((found.seconds_low, found.seconds_high), START_SECONDS, strict=True)
    )
    assert low <= spent[0] <= high < 2.5 * low
