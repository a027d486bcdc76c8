"""Which preset a config is nearest to, and how it differs from it."""

from typing import Any

from agnews_core.config import PRESETS, TrainConfig, build_config


def find_nearest_preset(config: TrainConfig) -> tuple[str, list[str]]:
    """Return the preset that differs least from a config, and the names of the settings that differ from it."""
    found = {name: _find_differences(config, build_config(preset=name)) for name in PRESETS}
    nearest = min(found, key=lambda name: len(found[name]))
    return nearest, found[nearest]


def _find_differences(config: TrainConfig, other: TrainConfig) -> list[str]:
    return [name for name in TrainConfig.model_fields if getattr(config, name) != getattr(other, name)]


def format_value(value: Any) -> str:
    """Format a setting's value for a person."""
    if isinstance(value, dict):
        return " ".join(f"{layer}:{r}" for layer, r in value.items())
    if isinstance(value, tuple):
        return "+".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def describe_settings(config: TrainConfig) -> str:
    """Say a config in one line: its nearest preset and what differs from it.

    >>> describe_settings(build_config({"max_steps": 30}, preset="quick"))
    'the preset "quick" with max_steps 30'
    """
    preset, different = find_nearest_preset(config)
    shown = ", ".join(f"{name} {format_value(getattr(config, name))}" for name in different)
    return f'the preset "{preset}"{" with " if shown else ""}{shown}'
