import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agnews_core.cli import main
from agnews_core.config import TrainConfig, build_config
from agnews_core.runs import Run, create_run

PROJECT = Path(__file__).parents[2]


def _run(capsys, *arguments) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def _fails(capsys, *arguments) -> str:
    """Run a command that must end with exit status 2 and one line on standard error; return the line."""
    status, out, err = _run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert "Traceback" not in err
    last = err.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    return last


def _flags(settings: dict) -> list[str]:
    return [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def test_plan_as_json_is_the_document_s_model(capsys):
    status, out, _ = _run(capsys, "plan", "--backbone", "roberta-base", "--preset", "seed", "--json")
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
    _, out, _ = _run(capsys, "plan", "--backbone", "roberta-base")
    assert "1,472,260 are trained (1.17%)" in out
    assert "layer  7  frozen" in out
    assert "layer  8  r = 16" in out


def test_train_prints_one_json_value_and_everything_else_on_stderr(tiny_settings, tmp_path):
    flags = _flags({**tiny_settings, "max_steps": 2})
    command = [
        sys.executable,
        "-m",
        "agnews_core",
        "train",
        *flags,
        "--runs-dir",
        str(tmp_path),
        "--name",
        "one",
        "--json",
    ]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    wanted = {
        "backbone", "n_layers", "layer_ranks", "trainable_parameters", "lora_parameters", "head_parameters", "total_parameters",
        "run_dir", "data_source", "n_train", "n_validation", "eval_accuracy", "eval_f1", "train_runtime_seconds",
        "train_samples_per_second", "stopped_early",
    }  # fmt: skip
    assert wanted <= result.keys()
    assert result["run_dir"] == str(tmp_path / "one")
    assert "preparing data" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


def test_evaluate_saves_the_report_it_prints(capsys, trained_run, tmp_path):
    report_file = tmp_path / "report.json"
    where = ["--runs-dir", trained_run.path.parent, "--run", "trained", "--output", report_file]
    status, out, _ = _run(capsys, "evaluate", *where, "--json")
    assert status == 0
    report = json.loads(out)
    wanted = {
        "n", "accuracy", "accuracy_low", "accuracy_high", "f1_macro", "precision_macro", "recall_macro", "per_class",
        "confusion_matrix", "data_source", "split", "expected_calibration_error", "mistakes", "backbone", "seed", "versions",
        "created_at",
    }  # fmt: skip
    assert wanted <= report.keys()
    assert json.loads(report_file.read_text()) == report
    assert report["n"] == sum(map(sum, report["confusion_matrix"])) == 16


def test_evaluate_on_the_test_file_says_so(capsys, trained_run, tmp_path):
    where = ["--runs-dir", trained_run.path.parent, "--output", tmp_path / "test.json"]
    status, out, _ = _run(capsys, "evaluate", *where, "--split", "test", "--max-eval-samples", 20)
    assert status == 0
    assert out.startswith("20 test texts from folder ")


def test_an_evaluation_with_a_baseline_is_kept_with_its_run_and_exported(capsys, trained_run, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "runs" / "copy")
    where = ["--runs-dir", tmp_path / "runs"]
    status, out, _ = _run(capsys, "evaluate", *where, "--run", "copy", "--baseline")
    assert status == 0
    assert "TF-IDF and logistic regression, trained on 144 texts: accuracy " in out
    _, _, err = _run(capsys, "runs", *where, "--export", "copy", tmp_path / "out")
    assert f"The model of run copy is in {tmp_path / 'out'}." in err
    assert json.loads((tmp_path / "out" / "baseline-validation.json").read_text())["n"] == 16
    assert (
        _run(
            capsys,
            "classify",
            "A text",
            "--adapter",
            tmp_path / "out",
            "--backbone",
            trained_run.read_config().backbone,
        )[0]
        == 0
    )


def test_only_an_evaluation_of_the_runs_own_validation_split_replaces_its_report(
    capsys, trained_run, tmp_path, monkeypatch
):
    shutil.copytree(trained_run.path, tmp_path / "runs" / "copy")
    monkeypatch.chdir(tmp_path)
    report = tmp_path / "runs" / "copy" / "report.json"
    before = json.loads(report.read_text())
    for more in (["--split", "test"], ["--max-eval-samples", 5], ["--data", "sample"]):
        assert _run(capsys, "evaluate", "--runs-dir", "runs", *more)[0] == 0
        assert json.loads(report.read_text()) == before
        (tmp_path / "report.json").unlink()
    assert _run(capsys, "evaluate", "--runs-dir", "runs")[0] == 0
    after = json.loads(report.read_text())
    assert after["created_at"] >= before["created_at"]
    assert after["uncalibrated_error"] == pytest.approx(before["uncalibrated_error"], abs=0.02)
    assert not (tmp_path / "report.json").exists()


def test_without_a_run_nobody_claims_that_the_texts_are_new_to_the_model(capsys, trained_run, tmp_path):
    where = ["--adapter", trained_run.adapter_dir, "--data", "sample", "--output", tmp_path / "r.json"]
    _, _, err = _run(capsys, "evaluate", *where)
    assert "Which texts this model was trained on is not known here" in err


def test_standard_input_that_is_not_utf_8_is_refused(trained_run):
    done = subprocess.run(
        [sys.executable, "-m", "agnews_core", "classify", "--adapter", str(trained_run.adapter_dir)],
        input="Zürich\n".encode("latin-1"), capture_output=True, cwd=PROJECT, env={**os.environ, "PYTHONUTF8": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"Standard input is not text in UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_baseline_needs_a_run(capsys, trained_run):
    said = _fails(capsys, "evaluate", "--adapter", trained_run.adapter_dir, "--baseline")
    assert "--baseline is kept with a run and trained on its texts; name a run" in said


def test_classify_lists_text_label_name_and_probabilities(capsys, trained_run):
    status, out, _ = _run(
        capsys, "classify", "First text", "Second", "--adapter", trained_run.adapter_dir, "--json"
    )  # the adapter alone is enough
    assert status == 0
    rows = json.loads(out)
    assert [row["text"] for row in rows] == ["First text", "Second"]
    assert rows[0].keys() == {"text", "label", "label_name", "probabilities"}
    assert list(rows[0]["probabilities"]) == ["World", "Sports", "Business", "Sci/Tech"]


def test_classify_takes_lines_from_standard_input_and_the_newest_finished_run(capsys, trained_run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("One line\n\nAnother\n"))
    monkeypatch.setenv("AGNEWS_RUNS_DIR", str(trained_run.path.parent))
    status, out, _ = _run(capsys, "classify")
    assert status == 0
    assert [line.split("%  ")[1] for line in out.splitlines()] == ["One line", "Another"]


def test_predict_writes_the_example_s_classes_in_file_order(capsys, trained_run, tmp_path):
    output = tmp_path / "out.csv"
    example = PROJECT / "assets" / "examples" / "test_unlabelled.pkl"
    where = ["--adapter", trained_run.adapter_dir, "--output", output]
    status, out, _ = _run(capsys, "predict", example, *where, "--json")
    assert status == 0
    assert json.loads(out)["n"] == 60
    rows = [line.split(",") for line in output.read_text().splitlines()]
    assert rows[0] == ["ID", "Label"]
    assert [row[0] for row in rows[1:]] == [str(number) for number in range(60)]
    texts = [json.loads(line)["text"] for line in example.with_suffix(".jsonl").read_text().splitlines()]
    _, out, _ = _run(capsys, "classify", *texts, "--adapter", trained_run.adapter_dir, "--json")
    assert [int(row[1]) for row in rows[1:]] == [row["label"] for row in json.loads(out)]


def test_runs_lists_and_deletes(capsys, trained_run, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "copy")
    _, out, _ = _run(capsys, "runs", "--runs-dir", tmp_path, "--json")
    (row,) = json.loads(out)["runs"]
    assert (row["name"], row["state"], row["step"], row["max_steps"]) == ("copy", "finished", 9, 9)
    _, out, err = _run(capsys, "runs", "--runs-dir", tmp_path, "--delete", "copy")
    assert not (tmp_path / "copy").exists()
    assert out == f"There are no runs in {tmp_path}.\n"
    assert err == "The run copy is deleted.\n"


def test_runs_asks_an_active_run_to_stop_and_says_so(capsys, tmp_path):
    run = create_run(tmp_path, build_config(), name="waiting")
    status, _, err = _run(capsys, "runs", "--runs-dir", tmp_path, "--stop", "waiting")
    assert status == 0
    assert err == "The run waiting is asked to stop; it keeps the best model that it has by then.\n"
    assert run.read_stop() == "keep"


def test_a_run_at_its_end_is_not_asked_to_stop(capsys, trained_run):
    said = _fails(capsys, "runs", "--runs-dir", trained_run.path.parent, "--stop", "trained")
    assert said == "Error: The run trained is finished; only one that waits or is being trained can be stopped."
    assert not trained_run.read_stop()


def test_runs_does_one_thing_at_a_time(capsys, tmp_path):
    create_run(tmp_path, build_config(), name="a")
    said = _fails(capsys, "runs", "--runs-dir", tmp_path, "--stop", "a", "--delete", "a")
    assert said == "Error: --stop, --delete and --export are done one at a time; give one of them."
    assert (tmp_path / "a" / "status.json").is_file()


def test_settings_come_from_flags_over_the_file_over_the_preset(capsys, tmp_path):
    (tmp_path / "own.yaml").write_text("backbone: roberta-base\nlayer_ranks: 8:4,9:4\n")
    _, out, _ = _run(capsys, "plan", "--config", tmp_path / "own.yaml", "--json")
    assert json.loads(out)["layer_ranks"] == {"8": 4, "9": 4}
    _, out, _ = _run(capsys, "plan", "--config", tmp_path / "own.yaml", "--layer-ranks", "0:2", "--json")
    assert json.loads(out)["layer_ranks"] == {"0": 2}


def test_every_setting_is_a_flag_with_its_help(capsys):
    _, out, _ = _run(capsys, "train", "--help")
    for name in TrainConfig.model_fields:
        assert f"--{name.replace('_', '-')} " in out


def test_settings_stand_under_the_headings_of_their_groups(capsys):
    _, out, _ = _run(capsys, "train", "--help")
    sections = dict(part.split(":\n", 1) for part in out.split("\n\n")[2:])
    assert list(sections) == ["Options", "Model", "LoRA", "Data", "Training", "Watching"]
    assert "--name " in sections["Options"]
    assert "--lora-alpha " in sections["LoRA"]
    assert "--learning-rate " in sections["Training"]


def test_a_command_alone_shows_what_there_is(capsys):
    status, out, _ = _run(capsys)
    assert status == 2
    assert "Fine-tune a model" in out


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
    assert message in _fails(capsys, *arguments)


def test_what_is_wrong_with_the_news_is_told(capsys, tiny_settings, tmp_path):
    (tmp_path / "news").mkdir()
    flags = _flags({**tiny_settings, "data": tmp_path / "news"})
    where = ["--runs-dir", tmp_path / "runs"]
    assert "holds no train file; wanted one of train.parquet" in _fails(capsys, "train", *flags, *where)
    (tmp_path / "news" / "train.csv").write_text("text,label\nGood news,5\n")
    assert "row 1: the label '5' is not one of 0-3" in _fails(capsys, "train", *flags, *where)
    (tmp_path / "news" / "train.csv").write_text("")
    assert "holds no rows" in _fails(capsys, "train", *flags, *where)
    status, out, _ = _run(capsys, "runs", *where)
    assert status == 0
    assert out.count("failed") == 3


def test_a_run_name_that_leads_out_of_the_folder_is_refused(capsys, tiny_settings, tmp_path):
    for name in ("../evil", "a/b", ".hidden", "", "x" * 65):
        assert "cannot name a run" in _fails(
            capsys, "train", *_flags(tiny_settings), "--runs-dir", tmp_path, "--name", name
        )
        assert "cannot name a run" in _fails(capsys, "runs", "--runs-dir", tmp_path, "--delete", name or ".")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_refused(capsys, tiny_settings, trained_run):
    where = ["--runs-dir", trained_run.path.parent, "--name", "trained"]
    assert "There is a run named trained already" in _fails(capsys, "train", *_flags(tiny_settings), *where)


def test_a_runs_folder_that_is_a_file_is_refused(capsys, tiny_settings, tmp_path):
    (tmp_path / "file").write_text("")
    message = _fails(capsys, "train", *_flags(tiny_settings), "--runs-dir", tmp_path / "file")
    assert "cannot be written" in message
    assert "choose another folder" in message


def test_resuming_a_finished_run_or_with_other_settings_is_refused(capsys, trained_run, tmp_path):
    where = ["--runs-dir", trained_run.path.parent]
    assert "is finished; start a new one" in _fails(capsys, "train", "--resume", "trained", *where)
    shutil.copytree(trained_run.path, tmp_path / "open")
    status = json.loads((tmp_path / "open" / "status.json").read_text())
    (tmp_path / "open" / "status.json").write_text(json.dumps({**status, "state": "stopped"}))
    message = _fails(capsys, "train", "--resume", "--runs-dir", tmp_path, "--learning-rate", "0.1")
    assert "was begun with another --learning-rate; leave that out" in message


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_resuming_a_run_that_another_process_holds_is_refused_and_leaves_its_stop_alone(
    capsys, trained_run, tmp_path, monkeypatch, state
):
    monkeypatch.setattr("agnews_core.runs.run.LOCK_SECONDS", 0.1)
    run = Run(shutil.copytree(trained_run.path, tmp_path / "held"))
    run.update_status(state=state)
    run.request_stop()
    with run.own():
        said = _fails(capsys, "train", "--resume", "held", "--runs-dir", tmp_path)
    assert said == "Error: The run held is being trained by another process."
    assert run.read_stop() == "keep"


def test_resuming_a_stopped_run_withdraws_its_stop(capsys, tiny_settings, tmp_path):
    run = create_run(tmp_path, build_config({**tiny_settings, "max_steps": 2}), name="open")
    run.update_status(state="stopped")
    run.request_stop()
    assert _run(capsys, "train", "--resume", "open", "--runs-dir", tmp_path)[0] == 0
    assert run.read_status().state == "finished"


def test_without_a_run_the_shipped_model_answers(capsys, tmp_path):
    status, out, err = _run(capsys, "classify", "Striker scores twice as Rovers win the cup", "--runs-dir", tmp_path)
    assert status == 0
    assert out.startswith("Sports ")
    assert "assets/adapters/" in err


def test_without_any_model_the_way_to_one_is_told(capsys, tmp_path, monkeypatch):
    from agnews_core.inference import catalogue

    monkeypatch.setattr(catalogue.list_models, "__kwdefaults__", {"shipped_dir": tmp_path})
    monkeypatch.setattr(catalogue.find_model, "__kwdefaults__", {"shipped_dir": tmp_path})
    assert "There is no trained model yet; start a training" in _fails(
        capsys, "classify", "News", "--runs-dir", tmp_path
    )
    assert "There is no run gone in" in _fails(capsys, "classify", "News", "--run", "gone", "--runs-dir", tmp_path)


def test_a_file_of_another_kind_renamed_pkl_is_refused(capsys, trained_run, tmp_path):
    fake = tmp_path / "fake.pkl"
    fake.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    message = _fails(capsys, "predict", fake, "--adapter", trained_run.adapter_dir, "--output", tmp_path / "o.csv")
    assert "fake.pkl" in message or "file" in message
    assert not (tmp_path / "o.csv").exists()
    assert "nowhere.pkl" in _fails(capsys, "predict", tmp_path / "nowhere.pkl", "--adapter", trained_run.adapter_dir)


def test_interrupting_a_command_other_than_train_exits_130(trained_run):
    command = [sys.executable, "-m", "agnews_core", "classify", "--adapter", str(trained_run.adapter_dir)]
    process = subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=2)  # it waits for its standard input
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip() == b"Interrupted."


def test_a_damaged_run_does_not_hide_the_others(capsys, trained_run, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "whole")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "status.json").write_text("{")
    status, out, _ = _run(capsys, "runs", "--runs-dir", tmp_path)
    assert status == 0
    assert "whole" in out
    assert "The run broken has no readable status.json." in out


def test_saved_settings_give_the_same_plan(capsys, tmp_path):
    for name in ("own.yaml", "own.json"):
        flags = ["--backbone", "roberta-base", "--preset", "budget-1m", "--json"]
        _, first, _ = _run(capsys, "plan", *flags, "--save", tmp_path / name)
        _, second, _ = _run(capsys, "plan", "--config", tmp_path / name, "--json")
        assert json.loads(first) == json.loads(second)
    assert "cannot be written" in _fails(capsys, "plan", "--backbone", "roberta-base", "--save", tmp_path)


def test_ctrl_c_before_training_begins_stops_the_run_too(tiny_settings, tmp_path):
    command = [sys.executable, "-m", "agnews_core", "train", *_flags(tiny_settings), "--runs-dir", str(tmp_path)]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "preparing data" in line:
            process.send_signal(signal.SIGINT)
            break
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    (run,) = tmp_path.glob("*/status.json")
    assert json.loads(run.read_text())["state"] == "stopped"
