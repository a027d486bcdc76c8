import json

from tests.cli.commands import fails, run_command


def test_plan_as_json_is_the_document_s_model(capsys):
    status, out, _ = run_command(capsys, "plan", "--backbone", "roberta-base", "--preset", "seed", "--json")
    assert status == 0
    assert json.loads(out) == {
        "backbone": "roberta-base",
        "n_layers": 12,
        "layer_ranks": {"8": 16, "9": 24, "10": 32, "11": 32},
        "trainable_parameters": 1_472_260,
        "lora_parameters": 878_592,
        "head_parameters": 593_668,
        "total_parameters": 125_527_300,
    }


def test_plan_for_people_names_every_layer(capsys):
    _, out, _ = run_command(capsys, "plan", "--backbone", "roberta-base")
    assert "1,472,260 are trained (1.17%)" in out
    assert "layer  7  frozen" in out
    assert "layer  8  r = 16" in out


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
        assert json.loads(first) == json.loads(second)
    assert "cannot be written" in fails(capsys, "plan", "--backbone", "roberta-base", "--save", tmp_path)
