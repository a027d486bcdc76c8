import io
import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial

from agnews_core.runs import Run
from tests.cli.commands import PROJECT, fails, run_command


def test_standard_input_that_is_not_utf_8_is_refused(trained_run):
    done = subprocess.run(
        [sys.executable, "-m", "agnews_core", "classify", "--adapter", str(trained_run.adapter_dir)],
        input="Zürich\n".encode("latin-1"), capture_output=True, cwd=PROJECT, env={**os.environ, "PYTHONUTF8": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"Standard input is not text in UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_broken_openvino_is_said_and_pytorch_answers(trained_run, tmp_path):
    (tmp_path / "openvino.py").write_text("raise ImportError('libopenvino.so: cannot open shared object file')")
    environment = {**os.environ, "AGNEWS_ENGINE": "openvino", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "agnews_core", "classify", "A text", "--adapter", str(trained_run.adapter_dir), "--json"],
        capture_output=True, text=True, cwd=PROJECT, env=environment, check=True,
    )  # fmt: skip
    assert len(json.loads(done.stdout)) == 1
    assert "OpenVINO could not be used (ImportError: libopenvino.so: cannot open shared object file)" in done.stderr
    assert "Engine: PyTorch in " in done.stderr


def test_classify_lists_text_label_name_and_probabilities(capsys, trained_run):
    status, out, _ = run_command(
        capsys, "classify", "First text", "Second", "--adapter", trained_run.adapter_dir, "--json"
    )  # the adapter alone is enough
    assert status == 0
    rows = json.loads(out)
    assert [row["text"] for row in rows] == ["First text", "Second"]
    assert rows[0].keys() == {"text", "label", "label_name", "probabilities"}
    assert list(rows[0]["probabilities"]) == ["World", "Sports", "Business", "Sci/Tech"]


def test_classify_says_of_how_many_texts_it_is_not_sure(capsys, trained_run):
    texts = ("Shares fell", "A striker scored", "Talks", "A probe of the moon")
    asked = ("classify", *texts, "--adapter", trained_run.adapter_dir)
    found = json.loads(run_command(capsys, *asked, "--json")[1])
    n_unsure = sum(max(row["probabilities"].values()) < 0.5 for row in found)
    said = f"Not sure of {n_unsure} of 4 texts: answers below 50% are wrong more often than not."
    assert (said in run_command(capsys, *asked)[2]) == bool(n_unsure)
    assert n_unsure, "the tiny model knows too much"


def test_classify_takes_lines_from_standard_input(capsys, trained_run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("One line\n\nAnother\n"))
    monkeypatch.setenv("AGNEWS_RUNS_DIR", str(trained_run.path.parent))
    status, out, err = run_command(capsys, "classify", "--run", "trained")
    assert status == 0
    assert f"Model: {trained_run.adapter_dir}" in err
    assert "Engine: PyTorch in fp32" in err
    assert [line.split("%  ")[1] for line in out.splitlines()] == ["One line", "Another"]


def test_where_none_is_named_the_bundled_model_answers_whatever_was_trained_since(capsys, trained_run):
    status, out, err = run_command(
        capsys, "classify", "Striker scores twice as Rovers win the cup", "--runs-dir", trained_run.path.parent
    )
    assert status == 0
    assert out.startswith("Sports ")
    assert "assets/adapters/" in err


def test_a_run_that_is_not_there_is_named(capsys, tmp_path):
    assert "There is no run gone in" in fails(capsys, "classify", "News", "--run", "gone", "--runs-dir", tmp_path)


def test_a_run_without_a_model_to_use_is_refused_by_name(capsys, trained_run, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "runs" / "half")
    run = Run(tmp_path / "runs" / "half")
    run.update_status(state="failed")
    shutil.rmtree(run.adapter_dir)
    said = fails(capsys, "classify", "News", "--run", "half", "--runs-dir", run.path.parent)
    assert said == ("Error: The run half (failed) has no model to use; choose another model.")


def test_that_a_text_was_not_read_to_its_end_is_said(capsys, trained_run):
    where = ["--adapter", trained_run.adapter_dir]
    _, _, err = run_command(capsys, "classify", "Short news", "Shares fell on Monday. " * 60, *where)
    assert "Only the beginning was read of 1 of 2 texts." in err


def test_a_long_text_is_shortened_for_a_person_and_whole_for_a_program(capsys, trained_run):
    where, long = ["--adapter", trained_run.adapter_dir], "Shares fell\non Monday. " * 60
    _, out, _ = run_command(capsys, "classify", long, *where)
    (line,) = out.splitlines()
    assert line.split("%  ")[1].startswith("Shares fell on Monday. Shares")
    assert line.endswith("…")
    assert len(line.split("%  ")[1]) == 100
    _, out, _ = run_command(capsys, "classify", long, *where, "--json")
    assert json.loads(out)[0]["text"] == long


def test_interrupting_a_command_other_than_train_exits_130(trained_run):
    command = [sys.executable, "-m", "agnews_core", "classify", "--adapter", str(trained_run.adapter_dir)]
    keyboard, terminal = os.openpty()
    pipes = {"stdin": terminal, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Whoever runs the tests in the background has them ignore Ctrl-C, and what they start too.
    hear = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, cwd=PROJECT, preexec_fn=hear, **pipes) as process:
        assert process.stderr.readline() == b"Type a text a line; Ctrl-D ends.\n"
        process.send_signal(signal.SIGINT)
        try:
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    os.close(keyboard)
    os.close(terminal)
    assert process.returncode == 130
    assert err.strip() == b"Interrupted."
