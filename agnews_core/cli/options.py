"""The options: a flag for each setting, made from the fields of `TrainConfig`, and those that several commands share."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from agnews_core.config import PRESETS, TrainConfig
from agnews_core.settings_files import read_settings


def with_options(options: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """Return one decorator in place of several."""

    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def flag(name: str) -> str:
    """Return a setting's name as it is given on the command line.

    >>> flag("learning_rate")
    '--learning-rate'
    """
    return "--" + name.replace("_", "-")


class _SettingOption(click.Option):
    """A setting's flag, which knows the group it belongs to."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class SettingsCommand(click.Command):
    """A command whose help lists the settings under the headings of their groups, after its other options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(parameter, "group", "Options"), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def _setting_option(name: str, field: FieldInfo) -> Callable[[Any], Any]:
    """Make the flag of a setting. Its value stays text: `TrainConfig` reads and checks it, as it does a file's."""
    extra = field.json_schema_extra
    group = extra["group"] if isinstance(extra, dict) else ""
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    choices = ("true", "false") if field.annotation is bool else choices
    about = f" One of {', '.join(choices)}." if choices else ""
    text = f"{field.description}{about}{_format_default(field)}"
    options: dict[str, Any] = {"cls": _SettingOption, "group": group, "metavar": "VALUE", "help": text}
    if get_origin(field.annotation) is tuple:  # a list in one flag, or a flag for each part
        return click.option(flag(name), flag(name.removesuffix("s")), name, multiple=True, callback=_join, **options)
    return click.option(flag(name), name, **options)


def _join(context: click.Context, parameter: click.Parameter, parts: tuple[str, ...]) -> str | None:
    return ",".join(parts) if parts else None


def _format_default(field: FieldInfo) -> str:
    if field.default in (None, ()):
        return ""
    default = field.default
    if isinstance(default, dict):
        default = ",".join(f"{layer}:{r}" for layer, r in default.items())
    elif isinstance(default, tuple):
        default = ",".join(default)
    elif isinstance(default, bool):
        default = str(default).lower()
    return f" [default: {default:g}]" if isinstance(default, float) else f" [default: {default}]"


CONFIG_OPTIONS = with_options(
    [
        click.option("--preset", help=f"Settings to start from: {', '.join(PRESETS)}. [default: seed]"),
        click.option(
            "--config",
            "settings_file",
            type=click.Path(path_type=Path),
            help="A YAML or JSON file of settings; a flag overrides what it says.",
        ),
        *(_setting_option(name, field) for name, field in TrainConfig.model_fields.items()),
    ]
)
JSON_OPTION = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON value on standard output, nothing else."
)
RUNS_DIR_OPTION = click.option(
    "--runs-dir", type=click.Path(path_type=Path), help="The folder of all runs. Default: AGNEWS_RUNS_DIR, else ./runs."
)


@dataclass(frozen=True)
class ModelOptions:
    """Which model a command uses; see the options' help."""

    run_name: str | None
    adapter: Path | None
    backbone: str | None
    runs_dir: Path | None


def collect(options_type: type[Any], name: str) -> Callable[[Any], Any]:
    """Hand a command the options that are fields of a dataclass as one argument."""

    def wrap(function: Any) -> Any:
        @functools.wraps(function)
        def with_collected(**values: Any) -> Any:
            collected = options_type(**{field.name: values.pop(field.name) for field in fields(options_type)})
            return function(**{name: collected}, **values)

        return with_collected

    return wrap


MODEL_OPTIONS = with_options(
    [
        collect(ModelOptions, "model"),
        click.option(
            "--run",
            "run_name",
            help="The run whose model is used. Default: the bundled model.",
        ),
        click.option("--adapter", type=click.Path(path_type=Path), help="An adapter folder to use instead of a run's."),
        click.option("--backbone", help="Where the adapter's backbone is now, if it has moved."),
        RUNS_DIR_OPTION,
    ]
)


def read_overrides(settings_file: Path | None, flags: dict[str, Any]) -> dict[str, Any]:
    """Merge settings that were given: flags over the file. Flags are text; TrainConfig reads the values in them."""
    given = {name: value for name, value in flags.items() if value is not None}
    return {**(read_settings(settings_file) if settings_file else {}), **given}
