"""A recipe: the settings of the runs that a bundled model comes from, in one file beside it.

    common: {...}        settings of all runs
    teachers:            runs that the final one learns from, by name; may be left out
      teacher-1: {...}
    final: {...}         settings of the run whose model it is
    weights: bf16        how the adapter's weights are written: fp32, fp16 or bf16
    max_megabytes: 9     how large they may be: a bundled model comes with every copy of the program

It trains nothing; `making` does.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agnews_core.config import TrainConfig, build_config
from agnews_core.errors import ConfigError
from agnews_core.settings_files import read_settings

RECIPE = "recipe.yaml"
FINAL = "final"
SAME = ("data", "split_seed", "holdout_share")  # else a teacher may have learned what the final run is measured on
Settings = dict[str, Any]


class Recipe(BaseModel):
    """What a recipe's file says; the settings are checked by `build_configs`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    common: Settings = {}
    teachers: dict[str, Settings] = Field(default={}, max_length=8)
    final: Settings
    weights: Literal["fp32", "fp16", "bf16"] = "fp32"
    max_megabytes: float = Field(default=9, gt=0)

    def build_configs(self, *, data: str | None, prefix: str) -> dict[str, TrainConfig]:
        """Build the settings of all runs by the runs' names, in the order in which they are trained, the final one last.

        Raises:
            ConfigError: A setting is not what it should be, or a run would see what the final one is measured on.
        """
        more = {"data": data} if data else {}
        configs = {
            f"{prefix}-{name}": build_config({**self.common, **settings, **more})
            for name, settings in self.teachers.items()
        }
        final = {**self.common, **self.final, **more}
        _check(build_config(final), configs)
        return {**configs, f"{prefix}-{FINAL}": build_config(final | ({"teachers": tuple(configs)} if configs else {}))}


def _check(final: TrainConfig, teachers: dict[str, TrainConfig]) -> None:
    if not final.holdout_share:
        raise ConfigError("The recipe keeps no validation texts for the report; give `holdout_share`, for example 0.5.")
    if final.split_seed is None and teachers:
        raise ConfigError("The recipe's runs must split the news alike; give `split_seed` in `common`, for example 42.")
    for name, config in teachers.items():
        for setting in SAME:
            if getattr(config, setting) != getattr(final, setting):
                raise ConfigError(
                    f"The recipe gives {name} another `{setting}` than the final run; give it in `common`."
                )


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: The file cannot be read, or is no recipe.
    """
    try:
        return Recipe.model_validate(read_settings(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path.name} is no recipe: `{where}`: {first['msg']}.") from error
