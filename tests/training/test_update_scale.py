"""How much of LoRA's update is kept: set, or fitted after training, and written into the weights once."""

import numpy as np
import pytest
import torch
from peft import PeftModel
from peft.helpers import rescale_adapter_scale
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from agnews_core.config import build_config
from agnews_core.errors import ConfigError
from agnews_core.evaluation.files import read_report
from agnews_core.evaluation.sentences import describe_accuracy
from agnews_core.models.adapters import ADAPTER_WEIGHTS, UpdateScale, read_adapter_info
from agnews_core.models.lora import multiply_update
from agnews_core.models.weights import save_adapter
from agnews_core.runs import Run, create_run
from agnews_core.training.estimate import assess
from agnews_core.training.parts import load_parts
from agnews_core.training.recipe import train
from agnews_core.training.trainer import build_trainer
from agnews_core.training.update_scale import SCALES, choose_update_scale
from tests.processes import Moment, kill_training, start_pair, start_training


def _read_weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.adapter_dir / ADAPTER_WEIGHTS)


@pytest.fixture(scope="module")
def halved(tiny_settings, tmp_path_factory):
    run = create_run(tmp_path_factory.mktemp("runs"), build_config({**tiny_settings, "lora_update_scale": "0.5"}))
    train(run)
    return run


def test_half_the_update_is_written_into_the_weights_and_said_wherever_the_model_is_described(halved, trained_run):
    half, whole = _read_weights(halved), _read_weights(trained_run)
    for name, tensor in whole.items():
        torch.testing.assert_close(half[name], tensor * (0.5 if "lora_B" in name else 1), rtol=0, atol=0)
    wanted = UpdateScale(value=0.5)
    assert read_adapter_info(halved.adapter_dir).lora_update_scale == wanted
    assert halved.read_status().result.lora_update_scale == wanted
    assert read_report(halved.path, "validation").lora_update_scale == wanted
    card = (halved.adapter_dir / "README.md").read_text()
    assert "LoRA's update counts 0.5 times what was trained; the weights are multiplied already." in card
    assert "LoRA's update" not in (trained_run.adapter_dir / "README.md").read_text()


def test_plain_peft_loads_as_much_of_the_update_as_was_kept(halved, trained_run, tiny_backbone):
    ids = torch.tensor([[0, 30, 40, 50, 2], [0, 31, 41, 51, 2]])
    logits = []
    for run, scale in ((halved, 1.0), (trained_run, 0.5)):
        bare = AutoModelForSequenceClassification.from_pretrained(tiny_backbone, num_labels=4)
        model = PeftModel.from_pretrained(bare, run.adapter_dir).eval()
        with torch.no_grad(), rescale_adapter_scale(model, scale):
            logits.append(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits)
    assert torch.allclose(*logits, atol=1e-5)


@pytest.fixture
def overdone(tiny_settings, tmp_path):
    """A model whose update is drawn at random, so that less of it may be better."""
    settings = {**tiny_settings, "lora_update_scale": "fit", "max_steps": 1, "eval_steps": 1, "precision": "fp32"}
    run = create_run(tmp_path, build_config(settings))
    parts = load_parts(run)
    trainer = build_trainer(run, parts)
    trainer.go_on(None)
    torch.manual_seed(3)
    for parameter in parts.model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter.data)
    multiply_update(parts.model, 0.1)
    return run, parts, trainer


def test_the_fitted_scale_is_the_largest_of_the_best_on_validation_texts(overdone):
    run, parts, trainer = overdone
    rows = [parts.validation_tokens[row] for row in range(len(parts.validation_tokens))]
    labels = np.array([row["labels"] for row in rows])
    batch = parts.collate(rows)
    accuracies = []
    for scale in SCALES:
        with torch.no_grad(), rescale_adapter_scale(parts.model.eval(), scale):
            accuracies.append(float((parts.model(**batch).logits.argmax(-1).numpy() == labels).mean()))
    wanted = SCALES[int(np.argmax(accuracies))]
    assert wanted < 1
    before = {name: parameter.clone() for name, parameter in parts.model.named_parameters()}
    n_rows = len(run.metrics_path.read_text().splitlines())
    assert choose_update_scale(run, parts, trainer) == UpdateScale(value=wanted, is_fitted=True)
    assert all(torch.equal(before[name], parameter) for name, parameter in parts.model.named_parameters())
    assert len(run.metrics_path.read_text().splitlines()) == n_rows
    note = run.read_status().notes[-1]
    assert note.startswith(
        f"LoRA's update counts {wanted:g} times: of 16 validation texts, {max(accuracies):.2%} are classified correctly instead "
        f"of {accuracies[0]:.2%} (found among 11 scales in "
    )
    done = run.read_status().phase_progress
    assert (done.n_done, done.n_total, done.eta_seconds) == (176, 176, 0)


def test_what_was_fitted_is_said_to_be_chosen_on_these_texts(overdone, trained_run):
    run, parts, _ = overdone
    info = save_adapter(
        parts.model, run.path / "saved", parts.config, parts.backbone, scale=UpdateScale(value=0.6, is_fitted=True)
    )
    report = read_report(trained_run.path, "validation")
    of_fitted = report.model_copy(update={"lora_update_scale": info.lora_update_scale})
    chosen = "chosen on these texts; on others it may be a little less accurate."
    assert f" The model's checkpoint was {chosen}" in describe_accuracy(report)
    assert f" The model's checkpoint and the scale of its update (0.6) were {chosen}" in describe_accuracy(of_fitted)
    card = (run.path / "saved" / "README.md").read_text()
    assert "counts 0.6 times what was trained, chosen on validation texts; the weights are multiplied already." in card


def test_where_no_smaller_scale_is_better_the_update_is_kept_whole(tiny_settings, trained_run, tmp_path):
    settings = {**tiny_settings, "lora_update_scale": "fit", "learning_rate": 1e-7, "max_steps": 1, "eval_steps": 1}
    run = create_run(tmp_path, build_config(settings))
    train(run)
    assert run.read_status().result.lora_update_scale == UpdateScale(value=1, is_fitted=True)
    accuracy = run.read_status().result.eval_accuracy
    assert any(
        note.startswith(
            "LoRA's update is kept whole: with no smaller scale are more of 16 validation texts classified correctly than "
            f"{accuracy:.2%} (found among 11 scales in "
        )
        for note in run.read_status().notes
    )


@pytest.mark.parametrize("moment", ["scaling the update", "saving", "evaluating"])
def test_a_run_killed_before_its_model_is_kept_scales_it_once(halved, overdone, tmp_path, moment):
    fits = moment == "scaling the update"
    settings = halved.read_config().model_copy(update={"lora_update_scale": "fit"} if fits else {})
    run = create_run(tmp_path, settings, name="killed")
    kill_training(run, Moment(tmp_path, moment))
    assert run.read_status().state == "interrupted"
    assert train(run, resume=True).state == "finished"
    scale = run.read_status().result.lora_update_scale
    assert scale.is_fitted == fits
    ours, known = _read_weights(run), _read_weights(halved)
    for name, tensor in known.items():
        torch.testing.assert_close(ours[name], tensor * (scale.value / 0.5 if "lora_B" in name else 1))


def test_who_stops_a_run_does_not_wait_for_a_scale(tiny_settings, tmp_path):
    run = create_run(tmp_path, build_config({**tiny_settings, "lora_update_scale": "fit"}))
    held = Moment(tmp_path, "scaling the update")
    training = start_training(run, moment=held)
    held.wait()
    run.request_stop()
    held.let_go()
    training.join()
    assert run.read_status().state == "stopped"
    assert read_adapter_info(run.adapter_dir).lora_update_scale == UpdateScale()
    assert "LoRA's update is kept whole: the run was stopped before a scale was fitted." in run.read_status().notes


def test_two_processes_fit_one_scale(tiny_settings, tmp_path):
    settings = {**tiny_settings, "lora_update_scale": "fit", "per_device_train_batch_size": 16, "max_steps": 3}
    run = create_run(tmp_path, build_config(settings))
    for process in start_pair(run):
        process.join()
    assert run.read_status().state == "finished"
    assert run.read_status().result.lora_update_scale.is_fitted


@pytest.mark.parametrize("value", ["1.5", "-0.1", "nan", "all", None, [1]])
def test_what_is_no_scale_is_refused(value):
    with pytest.raises(ConfigError, match=r"^`lora_update_scale` must be fit, or a number from 0 to 1, got "):
        build_config({"lora_update_scale": value})


def test_a_plan_counts_what_fitting_takes(tiny_settings):
    plain, fitted = (
        assess(build_config({**tiny_settings, "lora_update_scale": scale})).estimate for scale in (1, "fit")
    )
    assert fitted.seconds_low > plain.seconds_low
