import io
import json
import pickle
import signal
import subprocess
import sys
import time
from functools import partial

import psutil
import pytest

from agnews_core.cli import main
from agnews_core.jobs.child import build_launcher
from agnews_core.uploads import limits
from tests.cli.commands import PROJECT, fails, run_command
from tests.conftest import read_sample
from tests.jobs.test_queue import wait_until


def test_predict_writes_the_example_s_classes_in_file_order(capsys, trained_run, tmp_path):
    output = tmp_path / "out.csv"
    example = PROJECT / "assets" / "examples" / "test_unlabelled.pkl"
    where = ["--adapter", trained_run.adapter_dir, "--output", output]
    status, out, _ = run_command(capsys, "predict", example, *where, "--json")
    assert status == 0
    told = json.loads(out)
    assert (told["n"], told["kind"], told["column"], told["output"]) == (60, "pickle", "text", str(output))
    assert told["engine"] in ("openvino", "torch-bf16", "torch", "cuda")
    rows = [line.split(",") for line in output.read_text().splitlines()]
    assert rows[0] == ["ID", "Label"]
    assert [row[0] for row in rows[1:]] == [str(number) for number in range(60)]
    texts = [json.loads(line)["text"] for line in example.with_suffix(".jsonl").read_text().splitlines()]
    _, out, _ = run_command(capsys, "classify", *texts, "--adapter", trained_run.adapter_dir, "--json")
    assert [int(row[1]) for row in rows[1:]] == [row["label"] for row in json.loads(out)]


def test_a_file_of_another_kind_renamed_pkl_is_refused(capsys, trained_run, tmp_path):
    fake = tmp_path / "fake.pkl"
    fake.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    message = fails(capsys, "predict", fake, "--adapter", trained_run.adapter_dir, "--output", tmp_path / "o.csv")
    assert message.startswith("Error: This is a picture, which is not read here; choose a pickle, CSV,")
    assert not (tmp_path / "o.csv").exists()


def test_a_file_that_is_not_there_is_named(capsys, trained_run, tmp_path):
    said = fails(capsys, "predict", tmp_path / "nowhere.pkl", "--adapter", trained_run.adapter_dir)
    assert said == "Error: The file 'nowhere.pkl' cannot be opened (No such file or directory)."


def test_a_file_without_texts_is_refused_before_anything_is_written(capsys, trained_run, tmp_path):
    where = ["--adapter", trained_run.adapter_dir, "--output", tmp_path / "o.csv"]
    (tmp_path / "empty.pkl").write_bytes(pickle.dumps([]))
    (tmp_path / "header.csv").write_text("text,label\n")
    for name in ("empty.pkl", "header.csv"):
        said = fails(capsys, "predict", tmp_path / name, *where)
        assert said == "Error: The file holds no texts; each row or line of a file is one text."
    assert not (tmp_path / "o.csv").exists()


def test_what_was_decided_about_a_file_is_said(capsys, trained_run, tmp_path):
    (tmp_path / "news.pkl").write_text("A goal in the last minute\n")
    where = ["--adapter", trained_run.adapter_dir, "--output", tmp_path / "o.csv"]
    status, _, said = run_command(capsys, "predict", tmp_path / "news.pkl", *where)
    assert status == 0
    assert said.startswith("Read as plain text, a text a line, though its name ends in .pkl.\n")


def test_missing_texts_are_read_as_empty_ones_where_that_is_asked_for(capsys, trained_run, tmp_path):
    (tmp_path / "news.csv").write_text("text,label\na,1\n,2\n")
    where = ["--adapter", trained_run.adapter_dir, "--output", tmp_path / "o.csv"]
    assert "Row 1 (counting from 0) holds no text" in fails(capsys, "predict", tmp_path / "news.csv", *where)
    status, out, _ = run_command(capsys, "predict", tmp_path / "news.csv", *where, "--empty-missing")
    assert (status, out) == (0, f"2 predictions in {tmp_path / 'o.csv'}\n")


def test_the_limits_of_a_file_are_those_of_the_machine(capsys, trained_run, tmp_path, monkeypatch):
    (tmp_path / "news.txt").write_text("News of the day\n" * 200_000)
    monkeypatch.setattr(limits, "read_available_memory", lambda: 4 * 2**19)
    said = fails(capsys, "predict", tmp_path / "news.txt", "--adapter", trained_run.adapter_dir)
    assert said == "Error: The file 'news.txt' has 3 MB, and at most 2 MB are read; split it into smaller parts."


@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=lambda it: str(int(it))
)
def test_whatever_ends_it_in_the_middle_leaves_the_old_predictions_and_no_other_file(
    trained_run, tmp_path, sent, status
):
    (tmp_path / "news.txt").write_text("News of the day\n" * 300_000)
    output = tmp_path / "out" / "predictions.csv"
    output.parent.mkdir()
    output.write_text("old")
    command = [sys.executable, "-m", "agnews_core", "predict", tmp_path / "news.txt", "--output", output]
    # Whoever runs the tests in the background has them ignore Ctrl-C, and what they start too.
    hear = partial(signal.signal, sent, signal.SIG_DFL)
    with subprocess.Popen(
        [*command, "--adapter", trained_run.adapter_dir], cwd=PROJECT, stderr=subprocess.PIPE, preexec_fn=hear
    ) as process:
        while process.poll() is None and not any(path.stat().st_size > 10_000 for path in output.parent.iterdir()):
            time.sleep(0.05)
        process.send_signal(sent)
        try:
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == status
    assert b"Traceback" not in err
    assert (err.splitlines()[-1] == b"Interrupted.") == (sent == signal.SIGINT)
    assert output.read_text() == "old"
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
def test_predictions_do_not_take_the_place_of_the_texts(capsys, trained_run, tmp_path, link):
    news = tmp_path / "news.csv"
    news.write_text("text\nA goal in the last minute\n")
    (tmp_path / "folder").mkdir()
    output = tmp_path / "folder" / ".." / "news.csv"
    if link:
        output = tmp_path / "other.csv"
        getattr(output, link)(news)
    said = fails(capsys, "predict", news, "--adapter", trained_run.adapter_dir, "--output", output)
    assert (
        said == f"Error: {output} holds the texts that are read, and would be lost; choose another place with --output."
    )
    assert news.read_text() == "text\nA goal in the last minute\n"


def test_a_terminal_is_told_what_goes_on_from_the_first_moment_to_the_last_text(trained_run, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    (tmp_path / "news.txt").write_text("News of the day\n" * 100)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    where = ["--adapter", str(trained_run.adapter_dir), "--output", str(tmp_path / "o.csv")]
    assert main(["predict", str(tmp_path / "news.txt"), *where]) == 0
    said = terminal.getvalue()
    stages = (
        "Reading news.txt: 0 bytes [00:00]",
        "Loading the model [00:00]",
        "Classifying:   0%",
        "Classifying: 100%",
    )
    places = [said.index(stage) for stage in stages]
    assert places == sorted(places)
    assert "| 100/100 [" in said


def test_two_processes_predict_each_text_once_and_as_one_process_does(capsys, trained_run, tmp_path):
    news = [row["text"] for row in read_sample("train")]
    (tmp_path / "news.txt").write_text("".join(f"{number} {news[number % len(news)]}\n" for number in range(4107)))
    where = [tmp_path / "news.txt", "--adapter", trained_run.adapter_dir, "--probabilities"]
    command = [*build_launcher(2), "-m", "agnews_core", "predict", *where, "--output", tmp_path / "two.csv", "--json"]
    done = subprocess.run(list(map(str, command)), cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n"] == 4107
    assert done.stderr.count("Model: ") == 1
    assert run_command(capsys, "predict", *where, "--output", tmp_path / "one.csv")[0] == 0
    assert (tmp_path / "two.csv").read_text() == (tmp_path / "one.csv").read_text()


def test_when_one_of_two_processes_that_predict_dies_no_file_is_left_and_that_is_said(trained_run, tmp_path):
    (tmp_path / "news.txt").write_text("News of the day\n" * 400_000)
    (tmp_path / "out").mkdir()
    command = [
        *build_launcher(2),
        "-m",
        "agnews_core",
        "predict",
        tmp_path / "news.txt",
        "--output",
        tmp_path / "out" / "p.csv",
    ]
    with (tmp_path / "said").open("w") as said:
        launcher = subprocess.Popen(
            list(map(str, [*command, "--adapter", trained_run.adapter_dir])), cwd=PROJECT, stderr=said
        )
        wait_until(lambda: list((tmp_path / "out").iterdir()), seconds=120)
        second = next(child for child in psutil.Process(launcher.pid).children() if child.environ()["RANK"] == "1")
        second.kill()
        assert launcher.wait(120) == 1
    assert list((tmp_path / "out").iterdir()) == []
    assert "Error: Another of the 2 processes ended or no longer answers" in (tmp_path / "said").read_text()
