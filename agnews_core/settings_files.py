"""Files of settings, YAML or JSON: read for `build_config`, which checks the values, and written from a config."""

import json
from pathlib import Path
from typing import Any

import yaml

from agnews_core.config import TrainConfig
from agnews_core.errors import ConfigError
from agnews_core.whole_files import read_regular

MAX_BYTES = 100_000  # YAML is read in Python, 70 kB of it a second


def read_settings(path: Path) -> dict[str, Any]:
    """Read the settings in a YAML or JSON file; the values are checked by `build_config`.

    Raises:
        ConfigError: The file cannot be read or is not a mapping of settings.
    """
    try:
        text = read_regular(path, at_most_bytes=MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"The settings file {path} cannot be read: {reason}.") from error
    try:
        values = json.loads(text) if path.suffix == ".json" else _parse_yaml(text)
    except (json.JSONDecodeError, yaml.YAMLError, RecursionError) as error:
        wanted = "JSON" if path.suffix == ".json" else "YAML"
        raise ConfigError(f"The settings file {path.name} is not {wanted}{_find_line(error)}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"The settings file {path.name} must hold settings as `name: value` lines.")
    return values


def write_settings(config: TrainConfig, path: Path) -> None:
    """Write a config so that `read_settings` gives it back: JSON for a .json name, YAML otherwise.

    Raises:
        ConfigError: The file cannot be written.
    """
    values = config.model_dump(mode="json")
    as_json = path.suffix == ".json"
    text = json.dumps(values, indent=2) if as_json else yaml.safe_dump(values, sort_keys=False)
    try:
        path.write_text(text + ("\n" if as_json else ""), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"The settings file {path} cannot be written: {error.strerror}.") from error


def _parse_yaml(text: str) -> Any:
    """Read YAML with every value but null left as text, in which pydantic finds the number that a setting wants.

    YAML 1.1 has meanings of its own for some of our values: 8:16 would be 496, in base 60, and 7e-4 no number.
    """
    values = yaml.load(text, Loader=yaml.BaseLoader)  # constructs str, list and dict, whatever tags ask for
    if not isinstance(values, dict):
        return values
    return {name: None if value in ("", "~", "null") else value for name, value in values.items()}


def _find_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else getattr(error, "lineno", None)
    return f"; look at line {line}" if line else ""
