"""What the measurements share, and how they count."""

import argparse
import json
import os

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from tests.benchmarks import measuring, ours
from tests.benchmarks.growth import count_growth
from tests.benchmarks.material import read_news
from tests.benchmarks.measuring import Result, format_table, read_results, run_command, run_fresh, show, take_turns
from tests.benchmarks.share_of_peak import Layer
from tests.benchmarks.write_results import README, write_results

MACHINE = {"processor": "A processor", "cores": 2, "memory_gib": 8, "date": "2026-01-02", "commit": "abc"}


def build_result(**figures):
    return Result("speed", "of light", figures, at_least={"ratio": 10.0}, at_most={"seconds": 3.0}, machine=MACHINE)


def test_the_sides_are_measured_in_turn(capsys):
    turns = []
    sides = {name: lambda name=name: turns.append(name) or len(turns) for name in "AB"}
    assert take_turns(sides, rounds=2) == {"A": [1, 3], "B": [2, 4]}
    assert turns == list("ABAB")
    assert "round 2 of 2: B" in capsys.readouterr().err


def test_a_result_tells_medians_spread_goals_and_the_machine_and_the_ratio_first():
    found = build_result(ratio=12.34567, seconds=[1.0, 5.0, 2.0], engine="x").to_json()
    assert list(found) == ["ratio", "seconds", "engine", "spread", "at_least", "at_most", "machine"]
    assert (found["ratio"], found["seconds"], found["spread"]) == (12.35, 2.0, {"seconds": [1.0, 5.0]})
    assert found["machine"] == MACHINE


def test_the_table_tells_which_goal_was_missed():
    lines = format_table(build_result(ratio=12.0, seconds=[3.5, 4.0, 9.0])).splitlines()
    assert lines[0] == "speed of light, on A processor (2 cores, 8 GiB), 2026-01-02, commit abc"
    assert lines[3].split() == ["ratio", "12.0", "at", "least", "10"]
    assert lines[4].split() == ["seconds", "4.0", "3.5", "9.0", "at", "most", "3,", "missed"]


def test_json_is_one_object_and_a_kept_result_takes_the_place_of_the_last_one(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(measuring, "RESULTS", tmp_path / "results.json")
    for ratio in (1.0, 2.0):
        show(build_result(ratio=ratio), argparse.Namespace(json=True, save=True))
    assert json.loads("[" + capsys.readouterr().out.replace("}\n{", "},{") + "]")[1]["ratio"] == 2.0
    assert {name: found["ratio"] for name, found in read_results().items()} == {"speed of light": 2.0}


def test_the_readme_shows_the_results_that_were_kept():
    readme = README.read_text(encoding="utf-8")
    assert write_results(readme, read_results()) == readme, "Run `python -m tests.benchmarks.write_results`."


def test_a_row_of_the_readme_has_the_spread_and_the_goal():
    readme = README.read_text(encoding="utf-8")
    written = write_results(readme, {"speed of light": build_result(ratio=[9.0, 12.0, 11.0]).to_json()})
    assert "| speed of light | ratio | 11 | 9 to 12 | at least 10 |" in written
    assert "Measured on A processor (2 cores, 8 GiB), 2026-01-02, commit abc: speed of light." in written
    assert write_results(written, read_results()) == readme


def test_a_fresh_process_is_another_one_with_an_environment_of_its_own():
    assert run_fresh(os.getpid) != os.getpid()
    assert run_fresh(os.getenv, "A_VARIABLE", A_VARIABLE="set") == "set"
    assert os.getenv("A_VARIABLE") is None


def test_what_fails_in_a_fresh_process_fails_here():
    with pytest.raises(ValueError, match="invalid literal"):
        run_fresh(int, "x")


def test_a_command_is_measured_whole_and_one_that_fails_says_why(tmp_path):
    ran = run_command("runs", "--runs-dir", tmp_path)
    assert ran.printed == {"runs_dir": str(tmp_path), "runs": []}
    assert ran.seconds > 0.1
    assert ran.peak_bytes > 10_000_000
    with pytest.raises(RuntimeError, match="There is no run nobody"):
        run_command("runs", "--runs-dir", tmp_path, "--stop", "nobody")


def test_news_of_any_length_repeats_no_text():
    news = read_news(3_000)
    assert (len(news), news["text"].nunique()) == (3_000, 3_000)
    assert set(news["label"]) == {0, 1, 2, 3}


def test_a_phase_takes_from_its_line_in_the_log_to_the_next(tmp_path):
    lines = ["00:00:01 training", "00:01:00 step 10: accuracy", "00:01:30 saving", "00:01:32 run x finished. "]
    (tmp_path / "log.txt").write_text("".join(f"2026-01-02 {line}\n" for line in lines))
    assert [ours.read_phase_seconds(tmp_path, it) for it in ("training", "saving", "done")] == [89, 2, 0]


def test_a_real_runs_phases_are_found_in_its_log(trained_run):
    log = (trained_run.path / "log.txt").read_text(encoding="utf-8")
    assert {"training", "saving", "evaluating"} <= {what for _, what in ours.LOGGED.findall(log)}


def test_time_is_linear_where_a_further_text_costs_the_same():
    assert count_growth((10, 100, 1000), (6.0, 15.0, 105.0)) == pytest.approx(1)
    assert count_growth((10, 100, 1000), (6.0, 15.0, 1005.0)) == pytest.approx(11)
    assert count_growth((10, 100), (1.0, 2.0)) is None


@pytest.mark.parametrize("is_lowest", [True, False])
def test_operations_are_counted_as_torch_counts_them(is_lowest):
    config = BertConfig(hidden_size=64, intermediate_size=160, num_attention_heads=4, num_hidden_layers=1, vocab_size=8)
    config._attn_implementation = "eager"  # the other one is not counted on a CPU
    model = BertModel(config, add_pooling_layer=False).requires_grad_(False).eval()
    hidden = torch.randn(1, 24, 64, requires_grad=not is_lowest)
    if is_lowest:  # as if these had LoRA weights, which are counted apart
        attention = model.encoder.layer[0].attention.self
        for part in (attention.query, attention.value):
            part.register_forward_hook(lambda module, given, output: output.requires_grad_())
    layer = Layer(64, 160)
    with FlopCounterMode(display=False) as forward:
        output = model(inputs_embeds=hidden).last_hidden_state
    with FlopCounterMode(display=False) as backward:
        output.sum().backward()
    assert forward.get_total_flops() == layer.count_forward(24)
    assert backward.get_total_flops() == layer.count_backward(24, is_lowest=is_lowest)
