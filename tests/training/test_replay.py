"""Frozen layers computed once: runs of a tiny model that read them from a file, in every state that a file can be in."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification

from agnews_core.config import build_config
from agnews_core.errors import StoppedEarlyError
from agnews_core.labels import LABELS
from agnews_core.models.weights import save_adapter
from agnews_core.runs import Run, create_run
from agnews_core.training import replay, replay_choice
from agnews_core.training.parts import load_parts
from agnews_core.training.recipe import train
from agnews_core.training.replay import replay_frozen_layers
from agnews_core.training.replay_file import HiddenStates
from agnews_core.training.replay_folder import get_replay_dir
from agnews_core.training.replay_texts import ReadAhead, pad_states
from agnews_core.training.trainer import build_trainer
from tests.backbones import build_backbone
from tests.processes import Moment, kill_training, start_pair, start_training
from tests.rows import read_rows


def _losses(run: Run) -> list[float]:
    return [row[name] for row in read_rows(run) for name in ("loss", "eval_loss") if name in row]


def _find_files() -> list[Path]:
    return sorted(get_replay_dir().glob("*.safetensors"))


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """A folder for what can be made again, with nothing in it."""
    monkeypatch.setenv("AGNEWS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def start(tiny_settings, tmp_path, cache, monkeypatch):
    """Make a run of the tiny model; its frozen layers are computed by the engine that is ready soonest."""
    monkeypatch.setenv("AGNEWS_ENGINE", "torch-bf16")

    def start(**settings) -> Run:
        return create_run(
            tmp_path / "runs", build_config({**tiny_settings, "max_steps": 6, "replay": "on", **settings})
        )

    return start


def test_a_run_says_what_it_keeps_and_the_next_one_finds_it_and_has_the_same_losses(start):
    first, second = start(), start()
    replays = [train(run).resolved.replay for run in (first, second)]
    assert [(replay.used, replay.n_layers, replay.n_texts, replay.found) for replay in replays] == [
        (True, 8, 160, False),
        (True, 8, 160, True),
    ]
    (file,) = _find_files()
    assert replays[0].n_bytes == file.stat().st_size
    assert any("lowest 8 layers are frozen and computed once" in note for note in first.read_status().notes)
    assert "computing frozen layers" in (first.path / "log.txt").read_text()
    assert _losses(first) == _losses(second)


def test_without_dropout_and_in_fp32_the_losses_are_those_of_plain_training(start, tiny_backbone, tmp_path):
    shutil.copytree(tiny_backbone, tmp_path / "still")
    settings = json.loads((tmp_path / "still" / "config.json").read_text())
    settings |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (tmp_path / "still" / "config.json").write_text(json.dumps(settings))
    still = {"backbone": str(tmp_path / "still"), "lora_dropout": 0.0, "precision": "fp32"}
    replayed, plain = start(**still), start(**still, replay="off")
    for run in (replayed, plain):
        train(run)
    assert replayed.read_status().resolved.replay.used
    assert _losses(replayed) == pytest.approx(_losses(plain), abs=1e-4)


def test_the_fastest_engine_computes_them_and_where_it_fails_another_does_and_that_is_said(start, monkeypatch):
    monkeypatch.delenv("AGNEWS_ENGINE")
    fastest, other = start(max_steps=2, precision="bf16"), start(max_steps=2, precision="bf16")
    assert train(fastest).resolved.replay.engine == "openvino"
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "agnews_core.inference.openvino_engine")
    shutil.rmtree(get_replay_dir())
    status = train(other)
    assert status.resolved.replay.engine in ("torch-bf16", "torch")
    assert any(note.startswith("OpenVINO could not be used") for note in status.notes)
    assert _losses(fastest) == pytest.approx(_losses(other), abs=0.02)


def test_in_fp32_an_engine_computes_that_is_as_exact(start, monkeypatch):
    monkeypatch.delenv("AGNEWS_ENGINE")
    monkeypatch.setattr(replay_choice, "cpu_has_bf16", lambda: True)
    assert train(start(max_steps=1, precision="fp32")).resolved.replay.engine == "torch"


@pytest.mark.parametrize(
    ("kind", "precision", "tolerance"),
    [("roberta", "fp32", 1e-4), ("bert", "fp32", 1e-4), ("electra", "fp32", 1e-4), ("camembert", "fp32", 1e-4),
     ("xlm-roberta", "fp32", 1e-4), ("roberta", "bf16", 5e-2), ("bert", "bf16", 5e-2)],
)  # fmt: skip
def test_the_saved_adapter_gives_the_same_logits_on_the_whole_model_with_plain_peft(
    start, tiny_backbone, tmp_path, kind, precision, tolerance
):
    backbone = build_backbone(kind, tiny_backbone, tmp_path / "backbone")
    run = start(backbone=str(backbone), precision=precision, layer_ranks={1: 4, 2: 8}, max_steps=3)
    loaded = load_parts(run)
    parts = replay_frozen_layers(run, loaded)
    build_trainer(run, parts).go_on(None)
    save_adapter(parts.model, tmp_path / "adapter", parts.config, parts.backbone)
    rows = range(0, 16, 3)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        trained = parts.model.eval()(**pad_states([parts.validation_tokens[row] for row in rows])).logits
    bare = AutoModelForSequenceClassification.from_pretrained(backbone, num_labels=len(LABELS))
    whole = PeftModel.from_pretrained(bare, tmp_path / "adapter").eval()
    batch = loaded.collate([{"input_ids": loaded.validation_tokens[row]["input_ids"]} for row in rows])
    with torch.no_grad():
        logits = whole(**batch).logits
    difference = (trained.float() - logits).abs().max()
    assert difference < tolerance
    assert difference < (logits - logits.roll(1, dims=0)).abs().max() / 10  # as far as one text is from another


def test_a_cut_model_is_without_the_frozen_weights(start):
    run = start()
    whole = load_parts(run)
    n_whole = sum(weight.numel() for weight in whole.model.parameters())
    n_cut = sum(weight.numel() for weight in replay_frozen_layers(run, whole).model.parameters())
    assert n_cut < n_whole / 2


def test_damage_to_the_file_is_mended_and_changes_nothing(start):
    runs = [start() for _ in range(2)]
    train(runs[0])
    (file,) = _find_files()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    train(runs[1])
    assert not runs[1].read_status().resolved.replay.found
    assert file.read_bytes() == whole
    assert _losses(runs[0]) == _losses(runs[1])


def test_other_news_other_lengths_other_layers_and_another_precision_each_have_a_file_of_their_own(
    start, tiny_news, tmp_path
):
    shutil.copytree(tiny_news, tmp_path / "news")
    train(start(data=str(tmp_path / "news"), max_steps=1))
    lines = (tmp_path / "news" / "train.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "news" / "train.jsonl").write_text(
        "".join([lines[0].replace('"text": "', '"text": "Anew: '), *lines[1:]])
    )
    for settings in ({}, {"max_length": 40}, {"layer_ranks": {-3: 8}}, {"precision": "fp32"}):
        train(start(data=str(tmp_path / "news"), max_steps=1, **settings))
    assert len(_find_files()) == 5


def test_a_run_killed_while_frozen_layers_are_computed_goes_on_and_ends_as_if_it_had_not_been(
    start, tmp_path, monkeypatch
):
    settings = {"data": "sample", "layer_ranks": {-1: 8}, "max_eval_samples": 40}
    whole, killed = start(**settings), start(**settings)
    moment = Moment(tmp_path, "filling 600")  # in the second block of two
    training = start_training(killed, moment=moment)
    moment.wait()
    status = killed.read_status()
    assert (status.phase, status.phase_progress.n_total) == ("computing frozen layers", 767)
    assert 600 <= status.phase_progress.n_done < 767
    assert status.phase_progress.eta_seconds > 0
    training.kill()
    training.join()
    (file,) = _find_files()
    torn = file.read_bytes()
    train(killed, resume=True)
    assert not killed.read_status().resolved.replay.found
    shutil.rmtree(get_replay_dir())
    train(whole)
    assert _losses(whole) == _losses(killed)
    assert _find_files() == [file]
    assert file.read_bytes() != torn


def test_two_runs_that_want_the_same_wait_for_one_filling(start, tmp_path):
    first, second = start(), start()
    moment = Moment(tmp_path, "filling 1")
    trainings = [start_training(first, moment=moment)]
    moment.wait()
    note = "Another run computes frozen layers that this one needs too; it waits for them."
    trainings.append(start_training(second))
    while note not in second.read_status().notes:
        assert trainings[1].is_alive()
    moment.let_go()
    for training in trainings:
        training.join()
    assert [run.read_status().resolved.replay.found for run in (first, second)] == [False, True]
    assert _losses(first) == _losses(second)


def _record_shares():
    """Record which blocks each process fills."""
    fill = replay.fill

    def fill_and_record(path, layout, blocks, compute):
        path.with_name(f"share-{os.environ.get('RANK')}").write_text(json.dumps(blocks))
        fill(path, layout, blocks, compute)

    replay.fill = fill_and_record


def test_two_processes_of_one_run_fill_a_share_of_the_file_each(start):
    settings = {"data": "sample", "layer_ranks": {-1: 8}, "max_eval_samples": 40, "per_device_train_batch_size": 16}
    pair, alone = start(**settings), start(**settings, gradient_accumulation_steps=2)
    for process in start_pair(pair, prepare=_record_shares):
        process.join()
    assert pair.read_status().state == "finished", pair.read_status().reason
    shares = [json.loads((get_replay_dir() / f"share-{rank}").read_text()) for rank in (0, 1)]
    assert shares == [[0], [1]]
    (file,) = _find_files()
    of_two = file.read_bytes()
    file.unlink()
    train(alone)
    assert file.read_bytes() == of_two
    assert _losses(pair) == pytest.approx(_losses(alone), abs=0.01)


def test_a_folder_that_two_processes_cannot_write_is_said_and_done_without_by_both(start, cache):
    cache.write_text("no folder")
    run = start(per_device_train_batch_size=16)
    for process in start_pair(run):
        process.join()
    status = run.read_status()
    assert status.state == "finished", status.reason
    assert not status.resolved.replay.used
    assert f"{get_replay_dir()} cannot keep them (Not a directory)." in " ".join(status.notes)


def test_a_stop_is_obeyed_while_frozen_layers_are_computed(start, tmp_path):
    run = start()
    moment = Moment(tmp_path, "filling 1")
    training = start_training(run, moment=moment)
    moment.wait()
    run.request_stop()
    moment.let_go()
    training.join()
    status = run.read_status()
    assert (status.state, status.reason) == (
        "stopped",
        "Stopped while frozen layers were computed, before training began.",
    )


def test_who_waits_for_another_runs_filling_can_be_stopped(start, tmp_path):
    first, second = start(), start()
    moment = Moment(tmp_path, "filling 1")
    training = start_training(first, moment=moment)
    moment.wait()
    second.request_stop()
    with pytest.raises(StoppedEarlyError, match="Stopped"):
        train(second)
    training.kill()
    training.join()


def test_a_folder_that_cannot_be_written_is_said_and_done_without(start, cache):
    cache.write_text("no folder")
    run, plain = start(), start(replay="off")
    replay = train(run).resolved.replay
    train(plain)
    assert not replay.used
    assert replay.reason in run.read_status().notes
    assert replay.reason == (
        f"Frozen layers are computed in each pass: {get_replay_dir()} cannot keep them (Not a directory)."
    )
    assert _losses(run) == _losses(plain)


@pytest.fixture
def small_cache(cache):
    """A cache on a disk of its own, smaller than what is kept for it."""
    cache.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(cache)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield cache
    subprocess.run(["umount", "--lazy", str(cache)], check=True)


@pytest.mark.parametrize("is_reserved", [True, False])
def test_a_disk_that_is_too_full_is_said_and_left_as_it_was(start, small_cache, monkeypatch, is_reserved):
    monkeypatch.setenv("AGNEWS_REPLAY_GB", "1")
    if not is_reserved:  # as where a file's room cannot be reserved
        monkeypatch.delattr("os.posix_fallocate")
    run = start()
    replay = train(run).resolved.replay
    assert (replay.used, _find_files()) == (False, [])
    assert replay.reason.endswith("cannot keep them (No space left on device).")


def test_a_read_only_disk_is_said_and_done_without(start, small_cache, monkeypatch):
    monkeypatch.setenv("AGNEWS_REPLAY_GB", "1")
    subprocess.run(["mount", "-o", "remount,ro", str(small_cache)], check=True)
    replay = train(start()).resolved.replay
    assert not replay.used
    assert replay.reason.endswith("cannot keep them (Read-only file system).")


def test_a_file_that_is_removed_in_use_is_missed_by_the_next_run_alone(start, tmp_path):
    run = start()
    moment = Moment(tmp_path, "step 2")
    training = start_training(run, moment=moment)
    moment.wait()
    shutil.rmtree(get_replay_dir())
    moment.let_go()
    training.join()
    assert run.read_status().state == "finished"
    again = start()
    train(again)
    assert not again.read_status().resolved.replay.found
    assert _losses(again) == _losses(run)


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_run_killed_in_training_goes_on_with_or_without_the_file(start, tmp_path, is_gone):
    settings = {"eval_steps": 2, "num_train_epochs": 9}
    whole, killed = start(**settings), start(**settings)
    train(whole)
    kill_training(killed, Moment(tmp_path, "step 5"))
    if is_gone:
        shutil.rmtree(get_replay_dir())
    train(killed, resume=True)
    assert killed.read_status().resolved.replay.found is not is_gone
    assert _losses(whole) == _losses(killed)


def test_a_run_that_began_without_goes_on_without(start, cache, tmp_path):
    whole, killed = start(replay="off", eval_steps=2), start(eval_steps=2)
    cache.write_text("no folder")
    kill_training(killed, Moment(tmp_path, "step 3"))
    cache.unlink()
    train(killed, resume=True)
    train(whole)
    assert not killed.read_status().resolved.replay.used
    assert {row["step"]: row["loss"] for row in read_rows(killed) if "loss" in row} == {
        row["step"]: row["loss"] for row in read_rows(whole) if "loss" in row
    }
    assert not cache.exists()


def test_a_training_asks_for_its_texts_before_it_reads_them(start, monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr(HiddenStates, "expect", lambda states, row: asked.append(row))
    train(start(max_steps=5))
    assert sorted(asked) == list(range(144))


def test_rows_are_expected_before_they_come_and_come_in_order():
    expected: list[int] = []
    rows = ReadAhead(range(2000), expected.append)
    seen = []
    for row in rows:
        seen.append(row)
        assert row in expected
    assert seen == list(range(2000))
    assert len(expected) == len(rows) == 2000
