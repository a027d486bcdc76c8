import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import TrainingArguments

from agnews_core.config import build_config
from agnews_core.errors import ConfigError, DataError, RunError
from agnews_core.evaluation.calibration import fit_temperature
from agnews_core.evaluation.files import read_evaluated, write_evaluated
from agnews_core.inference.assess import evaluate, load_texts
from agnews_core.inference.classifier import Classifier
from agnews_core.labels import LABELS
from agnews_core.models.adapters import ADAPTER_WEIGHTS, read_adapter_info
from agnews_core.news.splits import load_news
from agnews_core.runs import Run, create_run
from agnews_core.training import callbacks, parts
from agnews_core.training.checkpoints import find_checkpoint
from agnews_core.training.recipe import train
from tests.processes import Moment, kill_training
from tests.rows import read_rows

PROJECT = Path(__file__).parents[2]


def _start(run_dir: Path, settings: dict, *more: str) -> subprocess.Popen:
    flags = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "agnews_core", "train", *flags, "--runs-dir", str(run_dir.parent), *more]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait_for_step(run: Run, step: int, process: subprocess.Popen) -> None:
    for _ in range(3600):
        if any(row["step"] >= step for row in read_rows(run)):
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    raise AssertionError(f"{run.name} never reached step {step}")


def _losses(run: Run) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in read_rows(run) if "loss" in row}


def test_every_step_and_every_evaluation_is_recorded(trained_run):
    rows = read_rows(trained_run)
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 10))
    assert [row["step"] for row in rows if "eval_loss" in row] == [3, 6, 9]
    wanted = {"eval_accuracy", "eval_f1", "eval_precision", "eval_recall"}
    assert all(wanted <= row.keys() for row in rows if "eval_loss" in row)


def test_a_finished_run_says_what_it_was_made_of(trained_run, tiny_backbone, tiny_news):
    status = trained_run.read_status()
    assert (status.state, status.step, status.max_steps) == ("finished", 9, 9)
    assert status.plan.layer_ranks == status.resolved.layer_ranks == {8: 16, 9: 24, 10: 32, 11: 32}
    assert status.data.n_train + status.data.n_validation == 160
    assert (status.resolved.backbone, status.resolved.backbone_source) == (str(tiny_backbone), "folder")
    assert (status.resolved.data, status.resolved.data_source) == (str(tiny_news), f"folder {tiny_news}")
    assert status.resolved.backbone_fingerprint == read_adapter_info(trained_run.adapter_dir).backbone_fingerprint
    assert status.resolved.data_digest == load_news(trained_run.read_resolved_config()).digest
    assert any("a folder on this machine" in note for note in status.notes)
    assert any(note.startswith("Precision") for note in status.notes)
    assert (trained_run.path / "status.json").read_text().count("a folder on this machine") == 1
    assert {"torch", "peft", "transformers"} <= status.versions.keys()
    report = json.loads((trained_run.path / "report.json").read_text())
    assert status.result.eval_accuracy == report["accuracy"]
    assert (report["n"], report["seed"], report["split"]) == (16, 42, "validation")
    assert status.resolved.engine == "torch"
    assert status.result.engine == report["engine"] == "PyTorch in fp32"
    assert not trained_run.checkpoints_dir.exists()
    log = (trained_run.path / "log.txt").read_text()
    assert "validation accuracy" in log
    assert 0 <= status.result.padding_share < 0.2
    assert f"padding: {100 * status.result.padding_share:.1f} % of the tokens of an epoch" in log


def test_the_saved_model_is_the_first_of_the_best_ones_seen_and_not_the_last(tiny_settings, tmp_path):
    # Steps so small that they change the weights and no prediction: all evaluations are equally good, and the first one counts.
    still = {
        **tiny_settings,
        "learning_rate": 1e-7,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "eval_steps": 2,
    }
    first, long, last = (
        create_run(tmp_path, build_config({**still, "max_steps": steps, "eval_steps": eval_steps}))
        for steps, eval_steps in ((2, 2), (4, 2), (4, 4))
    )
    for run in (first, long, last):
        train(run)
    assert len({row["eval_accuracy"] for row in read_rows(long) if "eval_accuracy" in row}) == 1
    of_first, of_long, of_last = (load_file(run.adapter_dir / ADAPTER_WEIGHTS) for run in (first, long, last))
    assert all(torch.equal(of_first[name], of_long[name]) for name in of_first)
    assert not all(torch.equal(of_last[name], of_long[name]) for name in of_long)


def test_the_report_is_of_the_model_that_answers_and_not_of_the_one_in_training(tiny_settings, tmp_path):
    run = create_run(tmp_path, build_config({**tiny_settings, "precision": "bf16", "max_steps": 3}))
    train(run)
    table = read_evaluated(run.path, "validation").table
    answers = Classifier.load(run.adapter_dir).compute_probabilities(list(table["text"]))
    assert np.allclose(table[list(LABELS)], answers, rtol=0, atol=1e-7)


def test_training_learns(tiny_news, tmp_path):
    """With the real bundled backbone: a random one has little to teach its top layers."""
    settings = {
        "backbone": "all-MiniLM-L6-v2",
        "data": str(tiny_news),
        "max_length": 32,
        "max_steps": 40,
        "eval_steps": 20,
    }
    run = create_run(tmp_path, build_config({**settings, "num_train_epochs": 10, "per_device_train_batch_size": 16}))
    result = train(run).result
    assert result is not None
    assert result.eval_accuracy >= 0.6  # chance is 0.25


def test_the_same_seed_gives_the_same_numbers(tiny_settings, trained_run, tmp_path):
    again = create_run(tmp_path, build_config(tiny_settings))
    train(again)
    assert _losses(again) == _losses(trained_run)
    first, second = (load_file(run.adapter_dir / "adapter_model.safetensors") for run in (trained_run, again))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_gives_other_numbers(tiny_settings, trained_run, tmp_path):
    other = create_run(tmp_path, build_config({**tiny_settings, "seed": 7, "max_steps": 2}))
    train(other)
    assert _losses(other)[1] != _losses(trained_run)[1]


def test_a_run_killed_half_way_resumes_and_ends_as_if_it_had_not_been(tiny_settings, tmp_path):
    settings = {**tiny_settings, "num_train_epochs": 40, "max_steps": 12, "eval_steps": 4}
    whole, killed = (create_run(tmp_path, build_config(settings), name=name) for name in ("whole", "killed"))
    train(whole)
    kill_training(killed, Moment(tmp_path, "step 7"))
    assert killed.read_status().state == "interrupted"
    assert train(killed, resume=True).state == "finished"
    assert killed.read_status().step == whole.read_status().step == 12
    assert "Resumed from step 4." in killed.read_status().notes
    # Not only as many steps: the same batches in the same order, hence the same losses and the same model.
    assert _losses(killed) == _losses(whole)
    assert [row["step"] for row in read_rows(killed)] == [row["step"] for row in read_rows(whole)]
    first, second = (load_file(run.adapter_dir / ADAPTER_WEIGHTS) for run in (whole, killed))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_ctrl_c_saves_the_model_and_marks_the_run_stopped(tiny_settings, tmp_path):
    run = Run(tmp_path / "stopped")
    process = _start(
        run.path,
        {**tiny_settings, "max_steps": 2000, "eval_steps": 10, "early_stopping_patience": 0},
        "--name",
        "stopped",
    )
    _wait_for_step(run, 12, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    status = run.read_status()
    assert status.state == "stopped"
    assert re.fullmatch(
        r"Stopped at step \d+; the best model so far, of step \d+, was kept\. It was evaluated on 16 validation texts\.",
        status.reason,
    )
    assert status.result.stopped_early
    assert "Traceback" not in err
    assert len(list(Classifier.load(run.adapter_dir).predict(["A text"]))) == 1


def test_a_stopped_run_can_be_resumed(tiny_settings, tmp_path, monkeypatch):
    run = create_run(tmp_path, build_config(tiny_settings))
    _stop_at_step(run, 4, monkeypatch, keep=True)
    assert train(run).state == "stopped"
    assert run.read_status().step == 5  # asked for while step 4 was recorded, and seen after the next one
    monkeypatch.undo()
    run.clear_stop()
    assert train(run, resume=True).state == "finished"
    assert list(_losses(run)) == list(range(1, 10))


def test_a_stopped_runs_model_is_calibrated_on_validation_texts_too(tiny_settings, tmp_path, monkeypatch):
    run = create_run(tmp_path, build_config(tiny_settings))
    _stop_at_step(run, 4, monkeypatch, keep=True)
    train(run)
    config = run.read_resolved_config()
    classifier = Classifier.load(run.adapter_dir)
    assert classifier.info.temperature != 1.0
    validation = load_news(config).validation
    logits = classifier.compute_logits(validation["text"])
    assert fit_temperature(logits, np.asarray(validation["label"])) == pytest.approx(
        classifier.info.temperature, rel=0.05
    )


def test_a_run_that_goes_on_forgets_its_evaluations_and_a_discarded_one_its_earlier_model(
    tiny_settings, tmp_path, monkeypatch
):
    run = create_run(tmp_path, build_config(tiny_settings))
    _stop_at_step(run, 4, monkeypatch, keep=True)
    train(run)
    monkeypatch.undo()
    evaluated = evaluate(Classifier.load(run.adapter_dir), load_texts(run.read_resolved_config(), split="test"))
    write_evaluated(run.path, evaluated)
    run.clear_stop()
    _stop_at_step(run, 7, monkeypatch, keep=False)
    train(run, resume=True)
    assert read_evaluated(run.path, "test") is None
    assert not run.adapter_dir.exists()


def _stop_at_step(run: Run, step: int, monkeypatch, *, keep: bool) -> None:
    """Ask for a stop as another process would, just when a step is being recorded."""
    append = Run.append_metrics

    def append_and_ask(self, *rows):
        append(self, *rows)
        if any(row["step"] == step for row in rows):
            run.request_stop(keep=keep)

    monkeypatch.setattr(callbacks, "TELL_SECONDS", 0)
    monkeypatch.setattr(Run, "append_metrics", append_and_ask)


def test_a_loss_that_is_no_number_ends_the_run_with_its_reason(tiny_settings, tiny_backbone, tmp_path):
    folder = shutil.copytree(tiny_backbone, tmp_path / "poisoned")
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    run = create_run(tmp_path / "runs", build_config({**tiny_settings, "backbone": str(folder)}))
    with pytest.raises(RunError, match="The loss is no longer a number at step 1; use a lower learning rate"):
        train(run)
    assert run.read_status().state == "failed"
    assert run.read_status().reason.startswith("The loss is no longer a number at step 1")


def test_a_mistake_in_the_data_fails_the_run_in_words(tiny_settings, tmp_path):
    (tmp_path / "train.csv").write_text("text,label\nA text,5\n")
    run = create_run(tmp_path / "runs", build_config({**tiny_settings, "data": str(tmp_path)}))
    with pytest.raises(DataError, match="row 1: the label '5' is not one of 0-3"):
        train(run)
    assert run.read_status().state == "failed"
    assert "label '5'" in run.read_status().reason


def test_what_nobody_foresaw_is_kept_with_its_traceback(tiny_settings, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "load_tokenizer", lambda backbone: {}["missing"])
    run = create_run(tmp_path, build_config(tiny_settings))
    with pytest.raises(RunError, match="Training failed: KeyError: 'missing'"):
        train(run)
    assert run.read_status().state == "failed"
    assert "KeyError" in (run.path / "traceback.txt").read_text()
    monkeypatch.undo()
    assert train(run, resume=True).state == "finished"
    assert not (run.path / "traceback.txt").exists()


def test_a_disk_too_small_for_the_run_is_refused_before_training(tiny_settings, tmp_path, monkeypatch):
    real = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(parts.shutil, "disk_usage", lambda path: real._replace(free=3_000_000))
    run = create_run(tmp_path, build_config(tiny_settings))
    with pytest.raises(RunError, match=r"has 3 MB free and this run needs about 1. MB; make room"):
        train(run)


def test_two_processes_cannot_train_one_run(tiny_settings, tmp_path, monkeypatch):
    monkeypatch.setattr("agnews_core.runs.held.LOCK_SECONDS", 0.1)
    run = create_run(tmp_path, build_config(tiny_settings))
    with run.own(), pytest.raises(RunError, match="is being trained by another process"):
        train(run)


def test_a_torn_checkpoint_is_passed_over(tiny_settings, tmp_path, monkeypatch):
    run = create_run(tmp_path, build_config(tiny_settings))
    _stop_at_step(run, 6, monkeypatch, keep=True)
    train(run)
    monkeypatch.undo()
    newest = run.checkpoints_dir / "checkpoint-7"
    assert find_checkpoint(run) == newest
    (newest / "trainer_state.json").write_text("{")  # as a kill leaves it
    (other,) = (path for path in run.checkpoints_dir.iterdir() if path != newest)
    assert find_checkpoint(run) == other


@pytest.fixture(scope="module")
def stopped_run(tiny_settings, tiny_news, tiny_backbone, tmp_path_factory) -> Run:
    """A run on news and a backbone of its own, stopped at its fifth step; tests work on copies."""
    home = tmp_path_factory.mktemp("stopped")
    news, backbone = shutil.copytree(tiny_news, home / "news"), shutil.copytree(tiny_backbone, home / "backbone")
    run = create_run(home / "runs", build_config({**tiny_settings, "data": str(news), "backbone": str(backbone)}))
    with pytest.MonkeyPatch.context() as patch:
        _stop_at_step(run, 4, patch, keep=True)
        train(run)
    run.clear_stop()
    return run


@pytest.fixture
def stopped_copy(stopped_run, tmp_path) -> Run:
    """A copy of that run, of its news and of its backbone."""
    home = shutil.copytree(stopped_run.path.parents[1], tmp_path / "home")
    for file in ("config.json", "status.json"):
        path = home / "runs" / stopped_run.name / file
        path.write_text(path.read_text().replace(str(stopped_run.path.parents[1]), str(home)))
    return Run(home / "runs" / stopped_run.name)


def test_a_checkpoint_holds_weights_and_moments_in_fp32(stopped_run):
    checkpoint = find_checkpoint(stopped_run)
    assert {tensor.dtype for tensor in load_file(checkpoint / ADAPTER_WEIGHTS).values()} == {torch.float32}
    optimizer = torch.load(checkpoint / "optimizer.pt", weights_only=True)
    assert all(group["fused"] for group in optimizer["param_groups"])
    moments = [state[name] for state in optimizer["state"].values() for name in ("exp_avg", "exp_avg_sq")]
    assert {moment.dtype for moment in moments} == {torch.float32}


def _write_as_the_first_version_did(run: Run) -> None:
    status = json.loads((run.path / "status.json").read_text())
    del status["schema_version"]
    resolved = status["resolved"]
    status |= {name: resolved[name] for name in ("device", "precision", "backbone_source")}
    status["resolved"] = {name: resolved[name] for name in ("backbone", "data")}
    own = {"run_dir": str(run.path), "state": "stopped", "data_source": status["data"]["source"]}
    counts = {name: status["data"][name] for name in ("n_train", "n_validation")}
    status["result"] = {**status["plan"], **own, **counts, **status["result"]}
    (run.path / "status.json").write_text(json.dumps(status))


def test_news_with_more_texts_than_a_run_began_with_is_not_resumed_on(stopped_copy):
    with (stopped_copy.path.parents[1] / "news" / "train.jsonl").open("a") as file:
        file.write(json.dumps({"text": "One more text", "label": 0}) + "\n")
    with pytest.raises(RunError, match=r"The news of run .* has changed since it began; start a new run instead\."):
        train(stopped_copy, resume=True)
    status = stopped_copy.read_status()
    assert (status.state, status.step) == ("stopped", 5)
    assert status.reason.startswith("It could not be resumed. The news of run")
    assert stopped_copy.has_model()


def test_a_resume_that_is_refused_leaves_an_interrupted_run_one_that_can_go_on_later(stopped_copy):
    stopped_copy.update_status(state="running")
    assert stopped_copy.read_status().state == "interrupted"
    news = stopped_copy.path.parents[1] / "news"
    news.rename(news.with_name("moved"))
    with pytest.raises(DataError, match="There is no news folder"):
        train(stopped_copy, resume=True)
    status = stopped_copy.read_status()
    assert (status.state, status.reason[:41]) == ("interrupted", "It could not be resumed. There is no news")
    news.with_name("moved").rename(news)
    assert train(stopped_copy, resume=True).state == "finished"


@pytest.mark.parametrize("split", ["train", "test"])
def test_news_with_one_other_text_is_not_resumed_on(stopped_copy, split):
    file = stopped_copy.path.parents[1] / "news" / f"{split}.jsonl"
    first, *others = file.read_text().splitlines()
    file.write_text("\n".join([json.dumps({**json.loads(first), "text": "Another text"}), *others]) + "\n")
    with pytest.raises(RunError, match=r"The news of run .* has changed since it began"):
        train(stopped_copy, resume=True)


def test_another_base_model_in_the_same_folder_is_not_resumed_on(stopped_copy):
    weights = stopped_copy.path.parents[1] / "backbone" / "model.safetensors"
    state = load_file(weights)
    state["embeddings.LayerNorm.bias"] += 1
    save_file(state, weights, metadata={"format": "pt"})
    with pytest.raises(RunError, match=r"The base model of run .* has changed since it began"):
        train(stopped_copy, resume=True)


def test_a_run_of_the_first_version_is_resumed_on_news_of_the_same_counts(stopped_copy):
    _write_as_the_first_version_did(stopped_copy)
    assert train(stopped_copy, resume=True).state == "finished"
    assert stopped_copy.read_status().resolved.data_digest


def test_a_run_of_the_first_version_is_not_resumed_on_news_of_other_counts(stopped_copy):
    _write_as_the_first_version_did(stopped_copy)
    with (stopped_copy.path.parents[1] / "news" / "train.jsonl").open("a") as file:
        file.write(json.dumps({"text": "One more text", "label": 0}) + "\n")
    with pytest.raises(RunError, match=r"The news of run .* has changed since it began"):
        train(stopped_copy, resume=True)


def test_two_gpus_train_as_one_does(tiny_settings, trained_run, tmp_path, monkeypatch):
    """With the count that transformers takes from CUDA; it would copy the model to both and double the batch."""
    set_up = TrainingArguments.__dict__["_setup_devices"].func

    def find_two(arguments):
        device = set_up(arguments)
        arguments._n_gpu = 2
        return device

    found = cached_property(find_two)
    found.__set_name__(TrainingArguments, "_setup_devices")
    monkeypatch.setattr(TrainingArguments, "_setup_devices", found)
    again = create_run(tmp_path, build_config(tiny_settings))
    train(again)
    assert _losses(again) == _losses(trained_run)


def test_tensorboard_gets_its_log(tiny_settings, tmp_path):
    run = create_run(tmp_path, build_config({**tiny_settings, "max_steps": 2, "report_to": "tensorboard"}))
    train(run)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert "train/loss" in log.Tags()["scalars"]
    assert "eval/accuracy" in log.Tags()["scalars"]


def test_trackio_without_its_package_is_a_sentence(tiny_settings, tmp_path):
    with pytest.raises(ConfigError, match="needs the trackio package: `pip install trackio`"):
        train(create_run(tmp_path, build_config({**tiny_settings, "report_to": "trackio"})))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this is about machines without CUDA")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optim": "adamw_bnb_8bit"}, "needs CUDA, and this machine has none"),
        ({"precision": "fp16"}, "fp16 needs CUDA"),
    ],
)
def test_what_needs_cuda_says_so(tiny_settings, tmp_path, settings, message):
    with pytest.raises(ConfigError, match=message):
        train(create_run(tmp_path, build_config({**tiny_settings, **settings})))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_is_used_and_watched(tiny_settings, tmp_path):
    run = create_run(tmp_path, build_config(tiny_settings))
    train(run)
    assert run.read_status().device == "cuda"
    assert "gpu_memory_mib" in read_rows(run)[0]


def test_a_folder_without_write_permission_is_a_sentence(tiny_settings, tmp_path):
    tmp_path.chmod(0o555)
    config = build_config(tiny_settings)
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)  # root may write anywhere; nobody may not
    try:
        with pytest.raises(RunError, match=r"cannot be written: Permission denied; choose another folder"):
            create_run(tmp_path, config)
    finally:
        os.seteuid(user)
