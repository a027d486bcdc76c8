import re
import subprocess

import pytest

from agnews_core.cli import main
from agnews_core.config import TrainConfig
from agnews_core.jobs.child import build_launcher
from tests.cli.commands import PROJECT, fails, run_command


def test_every_setting_is_a_flag_with_its_help(capsys):
    _, out, _ = run_command(capsys, "train", "--help")
    for name in TrainConfig.model_fields:
        assert re.search(rf"--{name.replace('_', '-')}[ ,]", out)


def test_settings_stand_under_the_headings_of_their_groups(capsys):
    _, out, _ = run_command(capsys, "train", "--help")
    sections = dict(part.split(":\n", 1) for part in out.split("\n\n")[2:])
    assert list(sections) == ["Options", "Model", "LoRA", "Data", "Training", "Learning", "Watching"]
    assert "--name " in sections["Options"]
    assert "--lora-alpha " in sections["LoRA"]
    assert "--learning-rate " in sections["Training"]


def test_a_command_alone_shows_what_there_is_in_whole_sentences(capsys):
    status, out, _ = run_command(capsys)
    assert status == 2
    commands = out.split("Commands:\n")[1].splitlines()
    names = [line.split()[0] for line in commands]
    assert names == ["classify", "evaluate", "make", "news", "plan", "predict", "runs", "train", "tune"]
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
        (["plan", "--lerning-rate", "1"], "No such option '--lerning-rate'"),
        (["plan", "--layer-ranks", "8:0,9:0"], "leaves every layer frozen"),
        (
            ["plan", "--layer-ranks", "8:100000"],
            "`layer_ranks` of layer 8 must be less than or equal to 1024, got '100000'.",
        ),
        (["plan", "--layer-ranks", "8=16"], "must be written as layer:rank"),
        (
            ["plan", "--backbone", "roberta-base", "--layer-ranks", "12:8"],
            "layer 12, but the backbone has layers 0 to 11",
        ),
        (["plan", "--learning-rate", "0"], "`learning_rate` must be greater than 0, got '0'."),
        (["plan", "--learning-rate", "fast"], "`learning_rate` must be a valid number, got 'fast'."),
        (["plan", "--preset", "sede"], "There is no preset 'sede' (did you mean 'seed'?)"),
        (["plan", "--config", "/nowhere.yaml"], "The settings file /nowhere.yaml cannot be read: No such file"),
        (["plan", "--backbone", "no/such-model"], "or take all-MiniLM-L6-v2, which is bundled"),
        (["classify", "   "], "There is no text to classify"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(capsys, arguments, message):
    assert message in fails(capsys, *arguments)


@pytest.mark.parametrize("command", ["evaluate", "classify", "plan", "runs"])
def test_what_one_process_does_is_refused_in_several_and_said_once(capsys, monkeypatch, command):
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert fails(capsys, command) == (
        f"Error: `accelerate launch` started `{command}` 2 times; of all commands, only train and predict work in several "
        f"processes. Start it alone: `python -m agnews_core {command} ...`."
    )
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit, match="2"):
        main([command])
    assert capsys.readouterr() == ("", "")


def test_accelerate_launch_of_a_command_for_one_process_says_so_and_does_nothing(tmp_path):
    command = [*build_launcher(2), "-m", "agnews_core", "plan", "--save", str(tmp_path / "settings.yaml")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert done.stderr.count("Error: `accelerate launch` started `plan` 2 times") == 1
    assert not (tmp_path / "settings.yaml").exists()
