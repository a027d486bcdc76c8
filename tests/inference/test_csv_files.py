"""The file of predictions: what stands in it, and that it is there whole or not at all."""

import csv
import itertools
import resource
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from agnews_core.errors import DataError
from agnews_core.inference import batches as batching
from agnews_core.inference import classifier as classifier_file
from agnews_core.inference.classifier import Classifier
from agnews_core.inference.csv_files import iterate_probabilities, write_csv

PROBABILITIES = np.array(
    [[0.7, 0.1, 0.1, 0.1], [0.1, 0.6, 0.2, 0.1], [0.05, 0.05, 0.1, 0.8], [0.9, 0.05, 0.03, 0.02]], dtype=np.float32
)


def write(path, **options):
    write_csv([PROBABILITIES[:1], PROBABILITIES[1:]], path, **options)


def test_the_csv_is_what_the_competition_wants(tmp_path):
    write(tmp_path / "predictions.csv")
    assert (tmp_path / "predictions.csv").read_bytes() == b"ID,Label\n0,0\n1,1\n2,3\n3,0\n"


def test_label_names_and_probabilities_come_when_asked_for(tmp_path):
    write(tmp_path / "p.csv", label_names=True, probabilities=True)
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert rows[2] == {
        "ID": "2", "Label": "3", "LabelName": "Sci/Tech",
        "World": "0.050000", "Sports": "0.050000", "Business": "0.100000", "Sci/Tech": "0.800000",
    }  # fmt: skip


def test_a_failure_half_way_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as a disk that is full after so many bytes
    try:
        with pytest.raises(
            DataError, match=r"cannot be written to .*predictions.csv: File too large; choose another place\."
        ):
            write_csv([PROBABILITIES] * 1000, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_file_s_place_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"cannot be written to \.: .*; choose another place"):
        write(Path())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"cannot be written to .*nowhere.*; choose another place"):
        write(tmp_path / "nowhere" / "out.csv")


def test_a_model_that_fails_half_way_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("old")

    def fail_half_way():
        yield PROBABILITIES
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        write_csv(fail_half_way(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_takes_no_more_memory_for_many_texts_than_for_few(tmp_path):
    piece = np.tile(PROBABILITIES, (500, 1))

    def measure(n_pieces):
        tracemalloc.start()
        write_csv(itertools.repeat(piece, n_pieces), tmp_path / "predictions.csv")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    measure(1)
    assert measure(100) < measure(5) + 100_000
    assert (tmp_path / "predictions.csv").read_text().count("\n") == 10_001


def test_pieces_come_in_the_order_of_the_texts_as_soon_as_none_is_wanting(trained_run, monkeypatch):
    monkeypatch.setattr(classifier_file, "CHUNK_TEXTS", 8)
    monkeypatch.setattr(batching, "BATCH_TOKENS", 64)
    classifier = Classifier.load(trained_run.adapter_dir)
    texts = [" ".join(["news"] * (1 + number * 7 % 20)) for number in range(30)]
    told = []
    pieces = list(iterate_probabilities(classifier, texts, lambda *done: told.append(done)))
    assert [len(piece) for piece in pieces] == [8, 8, 8, 6]
    assert np.array_equal(np.concatenate(pieces), classifier.compute_probabilities(texts))
    assert len(told) > len(pieces)
    assert told[-1] == (30, 30)
    assert told == sorted(told)
