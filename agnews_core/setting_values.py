"""How the value of a setting is written, and what it may be, whatever the setting: the types of the fields of `TrainConfig`."""

import math
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

MAX_R = 1024
MAX_LAYERS = 64
MAX_COUNT = 10_000_000  # of texts or steps: a hundred times AG News, and months of training
COUNT = {"gt": 0, "le": MAX_COUNT}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_FILE_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]+\.(csv|jsonl|parquet)|set:[^\x00-\x1f\x7f]+")


def parse_layer_ranks(value: object) -> object:
    """Turn "8:16,9:24" into {8: 16, 9: 24}; leave anything else to pydantic.

    Raises:
        ValueError: A part is not `layer:rank` in whole numbers, or a layer is named twice.

    >>> parse_layer_ranks("8:16, -1:32")
    {8: 16, -1: 32}
    """
    if not isinstance(value, str):
        return value
    ranks: dict[int, int] = {}
    for part in value.split(",", MAX_LAYERS):
        layer, _, rank = part.strip().partition(":")
        try:
            key, r = int(layer), int(rank)
        except ValueError:
            raise ValueError("must be written as layer:rank, for example 8:16,9:24,10:32,11:32") from None
        if key in ranks:
            raise ValueError(f"must name each layer once (layer {key} is there twice)")
        ranks[key] = r
    return ranks


def parse_names(value: object) -> object:
    """Turn "query, value" into ("query", "value"); leave anything else to pydantic."""
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def parse_list(value: object) -> object:
    """Turn "a, b" into ("a", "b"), and nothing into (); leave anything else to pydantic."""
    return tuple(filter(None, map(str.strip, (value or "").split(",")))) if isinstance(value, str | None) else value


def check_printable(value: str) -> str:
    """Refuse control characters, which no name has.

    Raises:
        ValueError: There is one.
    """
    if _CONTROL.search(value):
        raise ValueError("must be a name in one line, without control characters")
    return value


def check_file_name(value: str) -> str:
    """Refuse what names no file of news inside a folder, nor a set (set:NAME or set:FOLDER).

    Raises:
        ValueError: It is a path, or the name of another kind of file.
    """
    if not _FILE_NAME.fullmatch(value):
        raise ValueError(
            "must be names of files in the news folder that end in .csv, .jsonl or .parquet, or sets (set:NAME)"
        )
    return value


def parse_update_scale(value: object) -> object:
    """Turn "0.8" into 0.8, and leave "fit" as it is.

    Raises:
        ValueError: It is neither.
    """
    if value == "fit":
        return value
    try:
        scale = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        scale = math.nan
    if not 0 <= scale <= 1:
        raise ValueError("must be fit, or a number from 0 to 1")
    return scale


Layer = Annotated[int, Field(ge=-MAX_LAYERS, lt=MAX_LAYERS)]
Rank = Annotated[int, Field(ge=0, le=MAX_R)]
LayerRanks = Annotated[dict[Layer, Rank], Field(max_length=MAX_LAYERS), BeforeValidator(parse_layer_ranks)]
ModuleName = Annotated[str, Field(pattern=r"^[A-Za-z_]+(\.[A-Za-z_]+)*$", max_length=64)]
ModuleNames = Annotated[tuple[ModuleName, ...], Field(min_length=1, max_length=16), BeforeValidator(parse_names)]
Name = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(check_printable)]
NameList = Annotated[tuple[Name, ...], Field(max_length=8), BeforeValidator(parse_list)]
FileName = Annotated[str, Field(max_length=4096), AfterValidator(check_file_name)]
FileNames = Annotated[tuple[FileName, ...], Field(max_length=8), BeforeValidator(parse_list)]
LoraScaling = Literal["equal", "constant_alpha", "rslora"]
Pooling = Literal["cls", "mean"]
LoraUpdateScale = Annotated[Annotated[float, Field(ge=0, le=1)] | Literal["fit"], BeforeValidator(parse_update_scale)]
