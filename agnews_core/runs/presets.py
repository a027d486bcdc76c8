"""Which preset a config is nearest to, and how it differs from it."""

from typing import Any

from agnews_core.config import PRESETS, TrainConfig, build_config

_BUILT = {name: build_config(preset=name) for name in PRESETS}


def describe_differences(config: TrainConfig) -> tuple[str, str]:
    """Return the preset that differs least from a config, and in one line what differs from it.

    >>> describe_differences(build_config({"max_steps": 30}, preset="quick"))
    ('quick', 'max_steps 30')
    """
    found = {name: _find_differences(config, built) for name, built in _BUILT.items()}
    nearest = min(found, key=lambda name: len(found[name]))
    return nearest, ", ".join(f"{name} {_format(getattr(config, name))}" for name in found[nearest])


def _find_differences(config: TrainConfig, other: TrainConfig) -> list[str]:
    return [name for name in TrainConfig.model_fields if getattr(config, name) != getattr(other, name)]


def _format(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{layer}:{r}" for layer, r in value.items())
    if isinstance(value, tuple):
        return "+".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def describe_settings(config: TrainConfig) -> str:
    """Return a sentence's words for a config: its nearest preset and what differs from it.

    >>> describe_settings(build_config({"max_steps": 30}, preset="quick"))
    'the preset "quick" with max_steps 30'
    """
    preset, differences = describe_differences(config)
    return f'the preset "{preset}"{f" with {differences}" if differences else ""}'
