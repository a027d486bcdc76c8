"""Training on the command line with what the hub has, and without."""

import json
import subprocess
import sys

import pytest

from tests.cli.commands import PROJECT, fails, run_command

FLAGS = ["--preset", "seed", "--max-steps", "2"]


@pytest.fixture
def hub(hub_news, tiny_backbone):
    """A hub that has AG News, and the tiny base model as roberta-base."""
    hub_news.add("FacebookAI/roberta-base", tiny_backbone)
    return hub_news


def test_auto_trains_the_hubs_base_model_on_the_hubs_news(hub, tmp_path):
    command = [sys.executable, "-m", "agnews_core", "train", *FLAGS, "--runs-dir", str(tmp_path), "--json"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert (result["backbone"], result["data_source"]) == ("roberta-base", "hub (fancyzhx/ag_news)")
    assert hub.count_asked("model.safetensors") > 0
    assert "bundled" not in done.stderr


def test_a_download_that_breaks_off_leaves_the_bundled_model_and_says_so(capsys, hub, tmp_path):
    hub.fail("reset", "model.safetensors")
    where = ["--runs-dir", tmp_path, "--name", "one", "--json"]
    status, out, _ = run_command(capsys, "train", *FLAGS, "--max-length", "16", *where)
    note = (
        "Base model all-MiniLM-L6-v2, bundled with this program, instead of roberta-base, which is not in the hub's cache, and "
        "its download broke off."
    )
    assert (status, json.loads(out)["backbone"]) == (0, "all-MiniLM-L6-v2")
    assert note in json.loads((tmp_path / "one" / "status.json").read_text())["notes"]


def test_a_mistyped_base_model_is_told_before_a_run_trains(capsys, hub, tmp_path):
    where = ["--runs-dir", tmp_path, "--backbone", "FacebookAI/robert-base"]
    assert fails(capsys, "train", *FLAGS, *where) == (
        "Error: Base model 'FacebookAI/robert-base' is not a folder here, not in the hub's cache, and the hub has nothing public "
        "of this name; check the spelling, or run `hf auth login`, or give a folder that holds it, or take all-MiniLM-L6-v2, "
        "which is bundled."
    )
