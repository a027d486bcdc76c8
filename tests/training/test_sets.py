"""Trainings on a set of one's own, whose classes have unlike numbers of texts, and models measured on it."""

import shutil

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from agnews_core.config import build_config
from agnews_core.errors import AgNewsError, DataError
from agnews_core.news.sets import find_set
from agnews_core.news.splits import load_news
from agnews_core.runs import Run, create_run
from agnews_core.training.recipe import train
from agnews_core.training.targets import TARGETS
from tests.cli.commands import list_flags, run_command
from tests.conftest import read_sample
from tests.news.files import make_set, write_card
from tests.processes import Moment, kill_training
from tests.rows import read_rows

N_WORLD = 6


@pytest.fixture(scope="module")
def settings(tiny_settings):
    steps = {"max_steps": 5, "num_train_epochs": 40, "eval_steps": 2}
    return {**tiny_settings, **steps, "data": "set:mine", "class_weight": "balanced", "label_smoothing_factor": 0.1}


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory) -> Run:
    """A finished run on the set `mine` beside it, in which the texts of World are few."""
    runs_dir = tmp_path_factory.mktemp("runs")
    rows = [(row["text"], row["label"]) for row in read_sample("train")[:160]]
    few = [row for row in rows if row[1] == 0][:N_WORLD]
    make_set(runs_dir, "mine", few + [row for row in rows if row[1] != 0])
    run = create_run(runs_dir, build_config(settings), name="whole")
    train(run)
    return run


@pytest.fixture
def again(run, tmp_path) -> Run:
    """That run as if it had been interrupted, with a folder of runs and a set of its own."""
    runs_dir = shutil.copytree(run.path.parent, tmp_path / "runs")
    status = runs_dir / "whole" / "status.json"
    status.write_text(status.read_text().replace(str(run.path.parent), str(runs_dir)))
    copied = Run(runs_dir / "whole")
    copied.update_status(state="interrupted")
    return copied


def _losses(run: Run) -> list[float]:
    return [row[name] for row in read_rows(run) for name in ("loss", "eval_loss") if name in row]


def test_where_the_news_of_a_run_is_a_set_that_is_recorded(run):
    status = run.read_status()
    assert (status.state, status.resolved.data) == ("finished", str(find_set("mine", run.path.parent).path))
    assert (status.resolved.data_source, status.data.source) == ("set mine (mine.csv)", "set mine (mine.csv)")
    assert sum(status.data.n_by_class) == status.data.n_train
    assert run.read_config().data == "set:mine"


def test_a_killed_run_with_class_weights_ends_as_if_it_had_not_been_and_all_its_classes_count_alike(
    run, settings, tmp_path
):
    killed = create_run(run.path.parent, build_config(settings), name="killed")
    kill_training(killed, Moment(tmp_path, "step 3"))
    kept = load_file(killed.checkpoints_dir / TARGETS)["targets"].numpy()
    labels = np.asarray(load_news(killed.read_resolved_config()).train["label"])
    counts, weights = np.bincount(labels, minlength=4), kept.sum(1)
    assert [weights[labels == label].sum() for label in range(4)] == pytest.approx([len(labels) / 4] * 4, rel=1e-5)
    assert kept[labels == 0][0] == pytest.approx(
        len(labels) / 4 / counts[0] * np.array([0.925, 0.025, 0.025, 0.025]), rel=1e-5
    )
    assert train(killed, resume=True).state == "finished"
    assert _losses(killed) == _losses(run)
    note = next(note for note in run.read_status().notes if note.startswith("Texts count by their class"))
    assert f"World {len(labels) / 4 / counts[0]:.2g}, Sports" in note


def test_without_class_weights_the_same_run_learns_something_else(run, settings):
    plain = create_run(run.path.parent, build_config({**settings, "class_weight": "none"}), name="plain")
    train(plain)
    assert not [note for note in plain.read_status().notes if note.startswith("Texts count by their class")]
    assert _losses(plain) != _losses(run)


def _replace_texts(again: Run) -> None:
    found = find_set("mine", again.path.parent)
    rows = pd.read_parquet(found.texts_path)[:-1]
    rows.to_parquet(found.texts_path)
    write_card(found, rows["label"].tolist())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_replace_texts, r"^The news of run whole has changed since it began; start a new run instead\.$"),
        (
            lambda run: find_set("mine", run.path.parent).texts_path.write_bytes(b"PAR1"),
            r"^The texts of the set mine are damaged",
        ),
        (
            lambda run: shutil.rmtree(run.path.parent / "_sets"),
            r"^The set 'mine' is no longer in .*_sets; add it again",
        ),
    ],
    ids=["changed", "damaged", "gone"],
)
def test_a_run_goes_on_only_on_the_very_set_that_it_began_with(again, change, message):
    change(again)
    with pytest.raises(AgNewsError, match=message):
        train(again, resume=True)
    assert again.read_status().state == "interrupted"


def test_a_run_whose_set_was_deleted_while_it_waited_fails_with_that_reason(again, settings):
    waiting = create_run(again.path.parent, build_config(settings), name="waiting")
    shutil.rmtree(again.path.parent / "_sets" / "mine")
    with pytest.raises(DataError, match=r"^There is no set mine in .*; there are: none\. Add one with `news add`\.$"):
        train(waiting)
    status = waiting.read_status()
    assert (status.state, status.reason.partition(" in ")[0]) == ("failed", "There is no set mine")


def test_a_model_is_evaluated_on_all_of_a_set_and_told_where_it_was_trained_on_it(run, tmp_path, capsys):
    n = find_set("mine", run.path.parent).read_card().n
    where = ("--runs-dir", run.path.parent, "--output", tmp_path / "report.json")
    status, out, err = run_command(capsys, "evaluate", "--run", "whole", "--data", "set:mine", *where)
    assert status == 0
    assert f"{n} test texts from set mine (mine.csv)" in out
    assert "The model was trained on texts of the set mine, and looks better on it than it is." in err


def test_the_baseline_of_a_run_on_a_set_is_trained_on_its_texts(run, capsys):
    status, out, _ = run_command(capsys, "evaluate", "--run", "whole", "--baseline", "--runs-dir", run.path.parent)
    assert status == 0
    assert "validation texts from set mine (mine.csv)" in out
    assert "TF-IDF" in out


def test_a_plan_on_a_set_counts_its_texts_and_offers_class_weights(run, settings, monkeypatch, capsys):
    monkeypatch.setenv("AGNEWS_RUNS_DIR", str(run.path.parent))
    data = run.read_status().data
    flags = list_flags({**settings, "class_weight": "none"})
    status, out, err = run_command(capsys, "plan", *flags)
    assert status == 0
    assert f"Texts: {data.n_train}, and {data.n_validation} to validate" in out
    assert "News: set mine (mine.csv)." in err
    assert f"and World {data.n_by_class[0]}: with `class_weight` balanced, each class counts alike in training." in err
    assert "with `class_weight`" not in run_command(capsys, "plan", *list_flags(settings))[2]
