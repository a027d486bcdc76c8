import json
import shutil

import pytest

from tests.cli.commands import fails, run_command


def test_evaluate_saves_the_report_it_prints(capsys, trained_run, tmp_path):
    report_file = tmp_path / "report.json"
    where = ["--runs-dir", trained_run.path.parent, "--run", "trained", "--output", report_file]
    status, out, _ = run_command(capsys, "evaluate", *where, "--json")
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


def test_a_folder_in_the_place_of_the_report_is_refused_before_anything_is_measured(capsys, trained_run, tmp_path):
    where = ["--runs-dir", trained_run.path.parent, "--run", "trained", "--output", tmp_path]
    assert f"File '{tmp_path}' is a directory." in fails(capsys, "evaluate", *where)


def test_a_report_does_not_take_the_place_of_the_news(capsys, trained_run, tiny_news, tmp_path):
    news = shutil.copytree(tiny_news, tmp_path / "news")
    before = (news / "train.jsonl").read_bytes()
    (tmp_path / "link.jsonl").symlink_to(news / "train.jsonl")
    where = ["--runs-dir", trained_run.path.parent, "--run", "trained", "--data", news]
    said = fails(capsys, "evaluate", *where, "--output", tmp_path / "link.jsonl")
    assert said.startswith(f"Error: {tmp_path / 'link.jsonl'} holds the texts that are read, and would be lost;")
    assert (news / "train.jsonl").read_bytes() == before


def test_evaluate_on_the_test_file_says_so(capsys, trained_run, tmp_path):
    where = ["--runs-dir", trained_run.path.parent, "--run", "trained", "--output", tmp_path / "test.json"]
    status, out, _ = run_command(capsys, "evaluate", *where, "--split", "test", "--max-eval-samples", 20)
    assert status == 0
    assert out.startswith("20 test texts from folder ")
    report = json.loads((tmp_path / "test.json").read_text())
    assert f"\nAccuracy {report['accuracy']:.1%}. With 20 texts, " in out  # as the page has it


def test_an_evaluation_with_a_baseline_is_kept_with_its_run_and_exported(capsys, trained_run, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "runs" / "copy")
    where = ["--runs-dir", tmp_path / "runs"]
    status, out, _ = run_command(capsys, "evaluate", *where, "--run", "copy", "--baseline")
    assert status == 0
    assert "TF-IDF and logistic regression, trained on the 144 training texts, reaches " in out
    _, _, err = run_command(capsys, "runs", *where, "--export", "copy", tmp_path / "out")
    assert f"The model of run copy is in {tmp_path / 'out'}." in err
    assert json.loads((tmp_path / "out" / "baseline-validation.json").read_text())["n"] == 16
    assert (
        run_command(
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
        assert run_command(capsys, "evaluate", "--runs-dir", "runs", "--run", "copy", *more)[0] == 0
        assert json.loads(report.read_text()) == before
        (tmp_path / "report.json").unlink()
    assert run_command(capsys, "evaluate", "--runs-dir", "runs", "--run", "copy")[0] == 0
    after = json.loads(report.read_text())
    assert after["created_at"] >= before["created_at"]
    assert after["uncalibrated_error"] == pytest.approx(before["uncalibrated_error"], abs=0.02)
    assert not (tmp_path / "report.json").exists()


def test_without_a_run_nobody_claims_that_the_texts_are_new_to_the_model(capsys, trained_run, tmp_path):
    where = ["--adapter", trained_run.adapter_dir, "--data", "sample", "--output", tmp_path / "r.json"]
    _, _, err = run_command(capsys, "evaluate", *where)
    assert "Which of these texts this model was trained on is not known here; there may be some." in err


def test_where_the_report_goes_does_not_change_what_it_discloses(capsys, trained_run, tmp_path):
    for more in ([], ["--max-eval-samples", 8]):
        where = ["--runs-dir", trained_run.path.parent, "--run", "trained", "--output", tmp_path / "r.json"]
        _, out, _ = run_command(capsys, "evaluate", *where, *more)
        report = json.loads((tmp_path / "r.json").read_text())
        assert report["is_cross_fitted"]
        assert report["uncalibrated_error"] is not None
        assert "The model's checkpoint was chosen on these texts" in out
        assert "measured on each half of these texts with a temperature fitted on the other half" in out


def test_of_other_news_nobody_claims_that_the_model_was_chosen_on_it(capsys, trained_run, tmp_path):
    where = ["--runs-dir", trained_run.path.parent, "--run", "trained", "--output", tmp_path / "r.json"]
    _, out, err = run_command(capsys, "evaluate", *where, "--data", "sample")
    assert "chosen" not in out
    assert "Which of these texts this model was trained on is not known here; there may be some." in err


def test_a_baseline_needs_a_run(capsys, trained_run):
    said = fails(capsys, "evaluate", "--adapter", trained_run.adapter_dir, "--baseline")
    assert "--baseline is kept with a run and trained on its texts; name a run" in said


def test_layers_are_measured_printed_and_kept_with_the_run(capsys, trained_run, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "runs" / "copy")
    where = ["--runs-dir", tmp_path / "runs", "--run", "copy"]
    status, out, _ = run_command(capsys, "evaluate", *where, "--layers")
    assert status == 0
    assert (
        "The LoRA of each layer was switched off in turn, on 16 validation texts, of which the whole model gets " in out
    )
    assert "  layer 11  rank  32" in out
    kept = json.loads((tmp_path / "runs" / "copy" / "layers-validation.json").read_text())
    assert [it["layer"] for it in kept["layers"]] == [8, 9, 10, 11]


def test_layers_of_an_adapter_are_part_of_the_json(capsys, trained_run, tmp_path):
    where = ["--adapter", trained_run.adapter_dir, "--data", "sample", "--output", tmp_path / "r.json"]
    _, out, _ = run_command(capsys, "evaluate", *where, "--max-eval-samples", 40, "--layers", "--json")
    assert [it["r"] for it in json.loads(out)["layers"]["layers"]] == [16, 24, 32, 32]
    assert not (trained_run.adapter_dir / "layers-validation.json").exists()
