"""Runs that an earlier version wrote, before stored files had a schema version: read, shown, resumed and exported."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from agnews_core.evaluation.files import read_evaluated
from agnews_core.inference.catalogue import list_models
from agnews_core.inference.classifier import Classifier
from agnews_core.models.adapters import read_adapter_info
from agnews_core.publishing.bundle import export_model
from agnews_core.runs import Run, list_runs
from agnews_core.training.recipe import train

ARCHIVE = Path(__file__).parent / "fixtures" / "runs-before-schema-versions.tar.xz"
PLACEHOLDERS = "@BACKBONE@", "@NEWS@", "@RUNS@"


@pytest.fixture(scope="module")
def archived(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("older")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "runs"


@pytest.fixture
def older_runs(archived, tiny_backbone, tiny_news, tmp_path) -> Path:
    """The archive's runs as if this machine had written them: the folders that they name are the tests' own."""
    runs_dir = tmp_path / "runs"
    shutil.copytree(archived, runs_dir)
    for path in runs_dir.rglob("*"):
        if path.suffix in {".json", ".jsonl", ".txt", ".md"}:
            text = path.read_text(encoding="utf-8")
            for placeholder, folder in zip(PLACEHOLDERS, (tiny_backbone, tiny_news, runs_dir), strict=True):
                text = text.replace(placeholder, str(folder))
            path.write_text(text, encoding="utf-8")
    return runs_dir


def read_loss_steps(run: Run) -> list[int]:
    lines = (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [row["step"] for row in map(json.loads, lines) if "loss" in row]


def test_every_state_that_an_earlier_version_left_is_read(older_runs):
    (older_runs / "interrupted" / "owner.lock").touch()  # left by a process that is gone
    states = {run.name: run.read_status_or_damage().state for run in list_runs(older_runs)}
    assert states == {
        "finished": "finished",
        "stopped": "stopped",
        "discarded": "stopped",
        "failed": "failed",
        "interrupted": "interrupted",
        "queued": "queued",
    }


def test_a_status_of_an_earlier_version_tells_what_was_chosen(older_runs, tiny_backbone, tiny_news):
    status = Run(older_runs / "finished").read_status()
    assert status.plan.layer_ranks == {8: 16, 9: 24, 10: 32, 11: 32}
    assert status.plan.trainable_parameters == 31140
    assert (status.data.n_train, status.data.n_validation, status.data.n_test) == (144, 16, 40)
    assert (status.resolved.engine, status.result.engine) == ("", "")
    assert (status.resolved.backbone, status.resolved.data) == (str(tiny_backbone), str(tiny_news))
    assert status.result.eval_accuracy == read_evaluated(older_runs / "finished", "validation").report.accuracy


def test_an_interrupted_run_of_an_earlier_version_goes_on_from_its_checkpoint(older_runs):
    run = Run(older_runs / "interrupted")
    before = read_loss_steps(run)
    result = train(run, resume=True)
    assert result.state == "finished"
    assert before == [1, 2, 3, 4]
    assert read_loss_steps(run) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert "Resumed from step 2." in run.read_status().notes


def test_a_run_of_an_earlier_version_is_not_resumed_on_other_news(older_runs, tiny_news, tmp_path):
    news = tmp_path / "news"
    shutil.copytree(tiny_news, news)
    lines = (news / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (news / "train.jsonl").write_text("".join(lines[:-5]), encoding="utf-8")
    path = older_runs / "interrupted" / "status.json"
    path.write_text(path.read_text().replace(str(tiny_news), str(news)), encoding="utf-8")
    with pytest.raises(Exception, match="The news of run interrupted has changed since it began"):
        train(Run(path.parent), resume=True)


def test_models_of_an_earlier_version_are_listed_loaded_and_exported(older_runs, tmp_path):
    keys = {model.key for model in list_models(older_runs)}
    assert {"run/finished", "run/stopped"} <= keys
    assert not {"run/discarded", "run/failed", "run/queued"} & keys
    for name in ("finished", "stopped"):
        export_model(Run(older_runs / name), tmp_path / name)
        info = read_adapter_info(tmp_path / name)
        assert info.layer_ranks == {8: 16, 9: 24, 10: 32, 11: 32}
    answer = Classifier.load(older_runs / "finished" / "adapter").predict(["Stocks rose on Monday."])[0]
    assert sum(answer.probabilities) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluated_tables_of_an_earlier_version_are_read(older_runs, split):
    evaluated = read_evaluated(older_runs / "finished", split)
    table = evaluated.table
    assert evaluated.report.engine == "PyTorch in fp32"
    assert evaluated.report.n == len(table) == {"validation": 16, "test": 40}[split]
    assert evaluated.report.accuracy == pytest.approx((table["label"] == table["predicted"]).mean())


@pytest.mark.parametrize("damage", ['{"state": "fin', "\0" * 100, "[]", '{"state": 7}', '{"plan": "many"}'])
def test_a_damaged_run_of_an_earlier_version_says_so_and_hides_no_other(older_runs, damage):
    (older_runs / "finished" / "status.json").write_text(damage, encoding="utf-8")
    found = {run.name: run.read_status_or_damage() for run in list_runs(older_runs)}
    assert found["finished"].state == "failed"
    assert found["finished"].reason == "The run finished has no readable status.json."
    assert found["stopped"].state == "stopped"
