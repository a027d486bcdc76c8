"""Runs that learn from trained models, and from labels that count less where they are contradicted."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from agnews_core.config import build_config
from agnews_core.errors import ConfigError
from agnews_core.evaluation.calibration import apply_temperature
from agnews_core.evaluation.contradictions import find_contradicted
from agnews_core.inference.classifier import Classifier
from agnews_core.models.adapters import ADAPTER_INFO, ADAPTER_WEIGHTS
from agnews_core.news.splits import load_news
from agnews_core.news.variations import vary
from agnews_core.runs import Run, create_run
from agnews_core.training import targets
from agnews_core.training.parts import load_parts
from agnews_core.training.recipe import train
from agnews_core.training.resolve import check_ready
from agnews_core.training.targets import TARGETS
from tests.processes import Moment, kill_training, start_pair, start_training
from tests.rows import read_rows


def _losses(run: Run) -> list[float]:
    return [row[name] for row in read_rows(run) for name in ("loss", "eval_loss") if name in row]


@pytest.fixture(scope="module")
def teachers(trained_run, tmp_path_factory):
    """A folder of two runs that can teach, with other weights each; tests copy it."""
    runs = tmp_path_factory.mktemp("teachers")
    for name in ("one", "two"):
        shutil.copytree(trained_run.path, runs / name)
    weights = load_file(runs / "two" / "adapter" / ADAPTER_WEIGHTS)
    head = next(name for name in weights if name.endswith("out_proj.bias"))
    weights[head] += torch.tensor([0.5, 0.0, -0.5, 0.0])
    save_file(weights, runs / "two" / "adapter" / ADAPTER_WEIGHTS)
    return runs


@pytest.fixture
def start(tiny_settings, teachers, tmp_path):
    """Make a run beside its teachers."""
    runs = shutil.copytree(teachers, tmp_path / "runs")

    def start(**settings) -> Run:
        steps = {"max_steps": 3, "num_train_epochs": 40, "eval_steps": 2}
        return create_run(runs, build_config({**tiny_settings, **steps, **settings}))

    return start


def _read_targets(run: Run) -> torch.Tensor:
    return load_file(run.checkpoints_dir / TARGETS)["targets"]


@pytest.fixture
def keep_targets(monkeypatch):
    """Leave what is kept beside the checkpoints where it is when a run finishes."""
    monkeypatch.setattr("agnews_core.training.endings.shutil.rmtree", lambda *args, **kwargs: None)


def test_what_is_learned_is_the_labels_and_the_mean_of_what_calibrated_teachers_say(start, keep_targets):
    settings = {"teacher_weight": 0.25, "teacher_temperature": 2, "label_smoothing_factor": 0.1}
    run = start(teachers="one, two", **settings)
    train(run)
    news = load_news(run.read_resolved_config())
    said = []
    for name in ("one", "two"):
        classifier = Classifier.load(run.path.parent / name / "adapter")
        assert classifier.temperature != 1
        logits = classifier.compute_logits(list(news.train["text"]))
        said.append(apply_temperature(logits, 2 * classifier.temperature))
    labels = np.eye(4)[np.asarray(news.train["label"])] * 0.9 + 0.025
    wanted = 0.75 * labels + 0.25 * np.mean(said, axis=0)
    assert np.allclose(_read_targets(run).numpy(), wanted, atol=1e-6)
    agreement = np.mean(np.mean(said, axis=0).argmax(1) == np.asarray(news.train["label"]))
    assert (
        "The mean of what one, two said of the training texts is 25% of what is learned; "
        f"it chose the label in {agreement:.1%} of them."
    ) in run.read_status().notes
    assert "asking teachers" in (run.path / "log.txt").read_text()


@pytest.mark.parametrize("smoothing", [0, 0.1])
def test_targets_that_are_the_labels_give_the_losses_of_plain_training(start, monkeypatch, smoothing):
    plain, taught = (start(label_smoothing_factor=smoothing, **more) for more in ({}, {"contradicted_weight": 0.5}))
    train(plain)
    monkeypatch.setattr(targets, "find_contradicted", lambda texts, labels, seed: np.zeros(len(texts), dtype=bool))
    train(taught)
    assert _losses(taught) == pytest.approx(_losses(plain), rel=1e-5)


def test_teachers_that_count_nothing_change_nothing_and_are_not_asked(start):
    plain, taught = start(), start(teachers=["one"], teacher_weight=0)
    for run in (plain, taught):
        train(run)
    assert _losses(taught) == _losses(plain)
    assert "asking teachers" not in (taught.path / "log.txt").read_text()


def test_the_same_seed_learns_the_same_and_something_else_than_from_labels_alone(start):
    runs = start(teachers="one"), start(teachers="one"), start()
    for run in runs:
        train(run)
    first, second, plain = map(_losses, runs)
    assert first == second
    assert first != plain


@pytest.mark.parametrize("replay", ["on", "off"])
def test_a_killed_run_goes_on_with_what_was_kept_though_its_teacher_is_gone(start, tmp_path, replay):
    settings = {"teachers": "one", "max_steps": 5, "replay": replay}
    whole, killed = start(**settings), start(**settings)
    train(whole)
    assert whole.read_status().resolved.replay.used is (replay == "on")
    kill_training(killed, Moment(tmp_path, "step 3"))
    shutil.rmtree(killed.path.parent / "one")
    assert train(killed, resume=True).state == "finished"
    assert _losses(killed) == _losses(whole)


def test_what_is_kept_and_damaged_is_computed_again_and_what_is_torn_is_not_kept(start, tmp_path):
    run = start(teachers="one")
    kill_training(run, Moment(tmp_path, "training"))
    kept = run.checkpoints_dir / TARGETS
    whole = kept.read_bytes()
    kept.write_bytes(whole[:100])
    kill_training(run, Moment(tmp_path, "training"), resume=True)
    assert kept.read_bytes() == whole
    assert [path.name for path in run.checkpoints_dir.iterdir()] == [TARGETS]


def test_a_stop_is_obeyed_while_teachers_are_asked(start, tmp_path):
    run = start(teachers="one,two")
    moment = Moment(tmp_path, "filling 150")
    training = start_training(run, moment=moment)
    moment.wait()
    status = run.read_status()
    assert (status.phase, status.phase_progress.n_total) == ("asking teachers", 288)
    assert status.phase_progress.n_done >= 150
    run.request_stop()
    moment.let_go()
    training.join()
    status = run.read_status()
    assert (status.state, status.reason) == ("stopped", "Stopped while teachers were asked, before training began.")


def test_two_processes_learn_from_what_the_first_one_was_told(start):
    alone, pair = start(teachers="one"), start(teachers="one", per_device_train_batch_size=16)
    train(alone)
    for process in start_pair(pair):
        process.join()
    assert pair.read_status().state == "finished", pair.read_status().reason
    assert (pair.path / "log.txt").read_text().count("asking teachers") == 1
    assert _losses(pair) == pytest.approx(_losses(alone), abs=0.02)


def test_a_teacher_that_knows_validation_texts_is_told_of(start):
    same, other = start(teachers="one"), start(teachers="one", seed=7)
    for run in (same, other):
        train(run)
    told = [
        note for note in other.read_status().notes if "validation texts, since its news was split otherwise" in note
    ]
    assert len(told) == 1
    assert told[0].startswith("The teacher one was trained on 1")
    assert not any("split otherwise" in note for note in same.read_status().notes)


def _edit_info(folder, **changes):
    path = folder / ADAPTER_INFO
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_teachers_that_cannot_be_asked_are_refused_before_there_is_a_run(start, tmp_path):
    run = start(teachers="one")
    runs = run.path.parent
    for name in ("torn", "mixed", "moved", "empty"):
        shutil.copytree(runs / "one" / "adapter", tmp_path / name)
    whole = (tmp_path / "torn" / ADAPTER_WEIGHTS).read_bytes()
    (tmp_path / "torn" / ADAPTER_WEIGHTS).write_bytes(whole[: len(whole) // 2])
    _edit_info(tmp_path / "mixed", labels=["Sports", "World", "Business", "Sci/Tech"])
    _edit_info(tmp_path / "moved", backbone=str(tmp_path / "nowhere"))
    (tmp_path / "empty" / ADAPTER_INFO).unlink()
    refused = {
        str(tmp_path / "torn"): "are missing or damaged.",
        str(tmp_path / "mixed"): "has other classes, or in another order, than World, Sports, Business, Sci/Tech.",
        str(tmp_path / "moved"): "is not a folder here",
        str(tmp_path / "empty"): "holds no adapter of this program",
        str(tmp_path / "none"): "holds no adapter of this program",
        "none": "There is no run none in ",
        run.name: f"The run {run.name} (queued) has no model to use",
    }
    for name, why in refused.items():
        with pytest.raises(ConfigError) as refusal:
            check_ready(build_config({**run.read_config().model_dump(), "teachers": ["one", name]}), runs_dir=runs)
        assert str(refusal.value).startswith(f"The teacher '{name}'"[:40])
        assert why in str(refusal.value)
    check_ready(run.read_config(), runs_dir=runs)


def test_a_run_whose_teacher_is_gone_when_its_turn_comes_or_is_the_run_itself_ends_with_a_sentence(start):
    gone, own = start(teachers="one"), start()
    own.path.joinpath("config.json").write_text(
        own.read_config().model_copy(update={"teachers": (own.name,)}).model_dump_json()
    )
    shutil.rmtree(gone.path.parent / "one")
    with pytest.raises(ConfigError, match=r"The teacher 'one' cannot be asked\. There is no run one in "):
        train(gone)
    with pytest.raises(ConfigError, match=f"The run {own.name} cannot be its own teacher"):
        train(own)
    assert gone.read_status().state == own.read_status().state == "failed"


def test_labels_that_the_other_texts_contradict_are_found():
    texts = [f"{word} {number}" for word in ("football goal", "shares profit") for number in range(60)]
    labels = np.array([1] * 60 + [2] * 60)
    labels[[3, 70]] = 2, 1
    assert np.flatnonzero(find_contradicted(texts, labels, seed=0)).tolist() == [3, 70]
    assert not find_contradicted(texts[:3], labels[[0, 1, 3]], seed=0).any()  # a class that has one text


def test_a_text_that_is_there_several_times_is_not_judged_by_its_own_label():
    texts = [f"{word} {number}" for word in ("football goal", "shares profit") for number in range(60)]
    labels = np.array([1] * 60 + [2] * 60)
    labels[3] = 2
    found = find_contradicted([*texts, texts[3], texts[3]], np.array([*labels, 2, 2]), seed=0)
    assert np.flatnonzero(found).tolist() == [3, 120, 121]


def test_copies_of_a_plain_text_do_not_confirm_its_label(start, tmp_path, monkeypatch):
    monkeypatch.setattr("agnews_core.news.plain.PLAIN_DIR", tmp_path)
    texts = [f"{word} {number}" for word in ("football goal", "shares profit") for number in range(60)]
    rows = [{"text": text, "label": 1 + place // 60, "kind": "sentence"} for place, text in enumerate(texts)]
    (tmp_path / "plain_train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = start(plain_repeats=4, contradicted_weight=0.25)
    wrong = str(np.asarray(load_news(run.read_config()).train["text"])[-1])  # none that validates
    rows = [{**row, "label": 3 - row["label"]} if row["text"] == wrong else row for row in rows]
    (tmp_path / "plain_train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parts = targets.set_targets(run, load_parts(run))
    weights = np.asarray(parts.train_tokens["labels"]).sum(1)
    copies = np.flatnonzero([text == wrong for text in parts.train["text"]])
    assert weights[copies].tolist() == [0.25] * 4
    right = [place for place in range(144, len(weights)) if place not in copies]
    assert (weights[right] == 1).all()


@pytest.mark.parametrize("vary_texts", [False, True])
def test_contradicted_texts_count_less_in_all_their_forms_and_their_rows_are_noted(
    vary_texts, start, keep_targets, tiny_news, tmp_path
):
    rows = [json.loads(line) for line in (tiny_news / "train.jsonl").read_text().splitlines()]
    (tmp_path / "news").mkdir()
    run = start(contradicted_weight=0.25, vary_texts=vary_texts, data=str(tmp_path / "news"))
    plain = [{"text": f"{word} {number}", "label": label} for label, word in ((1, "football goal"), (2, "shares profit"))
             for number in range(60)]  # fmt: skip
    wrong = {"text": "Football goal goal goal football 1234", "label": 2}
    (tmp_path / "news" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, *plain, wrong]))
    train(run)
    news = load_news(run.read_resolved_config())
    place = list(news.train["text"]).index(wrong["text"])
    weights = _read_targets(run).sum(1)
    assert weights[place] == 0.25
    n = int((weights[: len(news.train)] < 1).sum())
    if vary_texts:
        varied, other = vary(news.train, n_texts=len(news.train), seed=42)
        assert len(weights) == len(varied) > len(news.train)
        assert torch.equal(weights[other], weights[: len(news.train)])
    note = next(note for note in run.read_status().notes if note.startswith("A plain model, trained on the others"))
    assert f"contradicts the labels of {n} of {len(news.train)} training texts with more than 95%" in note
    assert "rows " in note
    assert note.endswith("; they count 0.25 times.")
    assert wrong["text"] not in note
