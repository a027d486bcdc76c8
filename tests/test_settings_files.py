"""Files of settings: what is read from them, what is refused, and what is written."""

import json
import os
from pathlib import Path

import pytest

from agnews_core.config import TrainConfig, build_config
from agnews_core.errors import ConfigError
from agnews_core.settings_files import read_settings, write_settings


def read(tmp_path, text, name="settings.yaml"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return build_config(read_settings(path))


@pytest.mark.parametrize("name", ["settings.yaml", "settings.json"])
def test_settings_written_to_a_file_are_read_back(tmp_path, name):
    before = build_config({"layer_ranks": "8:16,-1:32", "learning_rate": 1e-7, "max_steps": None}, preset="quick")
    write_settings(before, tmp_path / name)
    assert build_config(read_settings(tmp_path / name)) == before


def test_settings_written_to_json_are_json(tmp_path):
    write_settings(TrainConfig(), tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))["seed"] == 42


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("learning_rate: 7e-4", "learning_rate", 7e-4),
        ("layer_ranks: 8:16", "layer_ranks", {8: 16}),
        ("layer_ranks: -1:16", "layer_ranks", {-1: 16}),
        ("layer_ranks: 8:16,9:24", "layer_ranks", {8: 16, 9: 24}),
        ("layer_ranks: {8: 16}", "layer_ranks", {8: 16}),
        ("layer_ranks:\n  8: 16\n  9: 24", "layer_ranks", {8: 16, 9: 24}),
        ("target_modules: [query, value]", "target_modules", ("query", "value")),
        ("target_modules: query, value", "target_modules", ("query", "value")),
        ("max_steps: null", "max_steps", None),
        ("max_steps:", "max_steps", None),
        ("data: 2024-13-45", "data", "2024-13-45"),
        ("data: no", "data", "no"),
        ("seed: 010", "seed", 10),
    ],
)
def test_yaml_means_what_a_person_meant_by_it(tmp_path, line, name, value):
    assert getattr(read(tmp_path, line), name) == value


def test_json_may_be_indented_with_tabs_and_begin_with_a_byte_order_mark(tmp_path):
    assert read(tmp_path, '\ufeff{\n\t"seed": 7\n}', "settings.json").seed == 7


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("seed: 1\ndata: [1", "s.yaml", r"is not YAML; look at line 2\."),
        ("seed: 1\n\tdata: 2", "s.yaml", r"is not YAML; look at line 2\."),
        ("[" * 5000, "s.yaml", r"is not YAML\."),
        ('{"seed":\n', "s.json", r"is not JSON; look at line 2\."),
        ("- seed\n- data", "s.yaml", r"must hold settings as `name: value` lines\."),
        ("", "s.yaml", r"must hold settings as `name: value` lines\."),
        ("[1]", "s.json", r"must hold settings as `name: value` lines\."),
        (b"\xff\xfe\x00", "s.yaml", r"cannot be read: it is not text\."),
        ("lerning_rate: 1", "s.yaml", r"no setting 'lerning_rate' \(did you mean 'learning_rate'\?\)\."),
        ("seed: 0b_", "s.yaml", r"`seed` must be a valid integer, got '0b_'\."),
    ],
)
def test_a_settings_file_that_is_not_one_is_told_in_a_sentence(tmp_path, text, name, message):
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, text, name)


def test_a_tag_in_yaml_constructs_nothing(tmp_path):
    marker = tmp_path / "ran"
    with pytest.raises(ConfigError, match="`seed` must be a valid integer"):
        read(tmp_path, f"seed: !!python/object/apply:os.mkdir ['{marker}']")
    assert not marker.exists()


def test_a_settings_file_that_is_too_long_or_no_regular_file_is_not_read(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read: it has more than 100,000 bytes\.$"):
        read(tmp_path, "# " + "x" * 100_000)
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", Path("/dev/zero")):
        with pytest.raises(ConfigError, match=r"cannot be read: it is not a regular file\.$"):
            read_settings(path)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_settings_file_that_cannot_be_opened_is_told(tmp_path, name):
    with pytest.raises(ConfigError, match=r"cannot be read: (No such file|Is a directory)"):
        read_settings(tmp_path / name)
