import json
import re

import pytest

from tests.cli.commands import fails, list_flags, run_command


def test_plan_as_json_is_the_document_s_model(capsys):
    _, out, _ = run_command(capsys, "plan", "--backbone", "roberta-base", "--preset", "seed", "--json")
    assert (
        json.loads(out).items()
        >= {
            "backbone": "roberta-base",
            "n_layers": 12,
            "layer_ranks": {"8": 16, "9": 24, "10": 32, "11": 32},
            "trainable_parameters": 1_472_260,
            "lora_parameters": 878_592,
            "head_parameters": 593_668,
            "total_parameters": 125_527_300,
        }.items()
    )


def test_plan_for_people_names_every_layer(capsys):
    _, out, _ = run_command(capsys, "plan", "--backbone", "roberta-base")
    assert "1,472,260 are trained (1.17%)" in out
    assert "layer  7  frozen" in out
    assert "layer  8  r = 16" in out


def test_plan_for_people_says_what_a_training_takes(capsys, tiny_settings):
    status, out, _ = run_command(capsys, "plan", *list_flags(tiny_settings))
    assert status == 0
    frozen = "(computed once by PyTorch|already computed)"  # by a run of another test
    assert re.search(rf"Texts: 144, and 16 to validate\nSteps: 9\nFrozen layers: 8, {frozen}: ", out)
    assert "\nEvaluations: every 3 steps on 16 validation texts\n" in out
    assert re.search(r"Time here: \S+ to \S+ s on the CPU \(\w+\)\nMemory: \S+ to \S+ GiB\n", out)


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_plan_that_could_not_be_carried_out_says_why_and_exits_as_training_would(capsys, tmp_path, more):
    status, out, err = run_command(capsys, "plan", "--data", tmp_path / "nope", *more)
    assert status == 2
    assert "all-MiniLM-L6-v2" in out
    assert err.splitlines()[-1].startswith(f"Not ready: There is no news folder {tmp_path / 'nope'}; give a folder")


def test_settings_come_from_flags_over_the_file_over_the_preset(capsys, tmp_path):
    (tmp_path / "own.yaml").write_text("backbone: roberta-base\nlayer_ranks: 8:4,9:4\n")
    _, out, _ = run_command(capsys, "plan", "--config", tmp_path / "own.yaml", "--json")
    assert json.loads(out)["layer_ranks"] == {"8": 4, "9": 4}
    _, out, _ = run_command(capsys, "plan", "--config", tmp_path / "own.yaml", "--layer-ranks", "0:2", "--json")
    assert json.loads(out)["layer_ranks"] == {"0": 2}


def test_saved_settings_give_the_same_plan(capsys, tmp_path):
    for name in ("own.yaml", "own.json"):
        flags = ["--backbone", "roberta-base", "--preset", "budget-1m", "--json"]
        _, first, _ = run_command(capsys, "plan", *flags, "--save", tmp_path / name)
        _, second, _ = run_command(capsys, "plan", "--config", tmp_path / name, "--json")
        first, second = (json.loads(plan) for plan in (first, second))
        assert {**first, "estimate": {}} == {**second, "estimate": {}}
    assert "cannot be written" in fails(capsys, "plan", "--backbone", "roberta-base", "--save", tmp_path)
