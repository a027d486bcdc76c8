"""Settings: what is accepted, what is refused and how that is said."""

import re
import typing

import pytest
from pydantic import ValidationError

from agnews_core.config import PRESETS, TrainConfig, build_config
from agnews_core.errors import AgNewsError, ConfigError, quote
from agnews_core.setting_values import parse_layer_ranks


def test_teachers_are_read_from_text_which_may_be_empty():
    read = [build_config({"teachers": text}).teachers for text in ("one, ./two", "", None, [])]
    assert read == [("one", "./two"), (), (), ()]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_valid_config(preset):
    build_config(preset=preset)


def test_the_seed_preset_is_the_documents_recipe():
    seed = build_config(preset="seed")
    assert seed.layer_ranks == {-4: 16, -3: 24, -2: 32, -1: 32}
    assert seed.target_modules == ("query", "value", "output.dense")


def test_the_budget_preset_has_the_competitions_limit():
    assert build_config(preset="budget-1m").max_trainable_parameters == 1_000_000


def test_given_values_win_over_the_preset():
    assert build_config({"num_train_epochs": "2"}, preset="quick").num_train_epochs == 2


def test_every_setting_has_a_help_sentence_and_a_group():
    for name, field in TrainConfig.model_fields.items():
        assert (field.description or "").endswith("."), name
        assert field.json_schema_extra["group"] in {"Model", "LoRA", "Data", "Training", "Learning", "Watching"}, name


def test_a_config_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        TrainConfig().seed = 1


def test_a_config_survives_json():
    before = build_config({"layer_ranks": "8:16,-1:32", "max_steps": 7})
    assert TrainConfig.model_validate_json(before.model_dump_json()) == before


def test_layer_ranks_are_read_from_text():
    assert parse_layer_ranks("8:16,9:24, 10:32 ,11:32") == {8: 16, 9: 24, 10: 32, 11: 32}


def test_target_modules_are_read_from_text():
    assert build_config({"target_modules": "query, output.dense"}).target_modules == ("query", "output.dense")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": "fast"}, "`learning_rate` must be a valid number, got 'fast'."),
        ({"learning_rate": 0}, "`learning_rate` must be greater than 0, got '0'."),
        ({"learning_rate": "nan"}, "`learning_rate` must be a finite number, got 'nan'."),
        ({"warmup_steps": "inf"}, "`warmup_steps` must be a finite number, got 'inf'."),
        ({"warmup_steps": 1.5}, "`warmup_steps` must be a whole number or a share below 1, got 1.5."),
        ({"eval_steps": 2.5}, "`eval_steps` must be a whole number or a share below 1, got 2.5."),
        ({"seed": 1.5}, "`seed` must be a valid integer, got '1.5'."),
        ({"seed": -1}, "`seed` must be greater than or equal to 0, got '-1'."),
        ({"optim": "sgd"}, "`optim` must be 'adamw_torch' or 'adamw_bnb_8bit', got 'sgd'."),
        ({"precision": "int8"}, "`precision` must be 'auto', 'fp32', 'bf16' or 'fp16', got 'int8'."),
        ({"max_length": 513}, "`max_length` must be less than or equal to 512, got '513'."),
        ({"backbone": ""}, "`backbone` must have at least 1 character, got ''."),
        ({"target_modules": ""}, "`target_modules` must be names such as query or output.dense, got ''."),
        ({"target_modules": "query$"}, "`target_modules` must be names such as query or output.dense, got 'query$'."),
        ({"layer_ranks": "8:0,9:0"}, "`layer_ranks` leaves every layer frozen; give at least one layer a rank of 1 or more."),
        ({"layer_ranks": "8:100000"}, "`layer_ranks` of layer 8 must be less than or equal to 1024, got '100000'."),
        ({"layer_ranks": "8:-1"}, "`layer_ranks` of layer 8 must be greater than or equal to 0, got '-1'."),
        ({"layer_ranks": "8"}, "`layer_ranks` must be written as layer:rank, for example 8:16,9:24,10:32,11:32, got '8'."),
        ({"layer_ranks": "64:4"}, "`layer_ranks` of layer 64 must be less than 64, got '64'."),
        ({"max_steps": 10**20}, "`max_steps` must be less than or equal to 10000000, got '100000000000000000000'."),
        ({"max_steps": "9" * 5000}, f"`max_steps` must be a shorter number, got '{'9' * 77}...'."),
        ({"backbone": "x" * 10**6}, f"`backbone` must have at most 256 characters, got '{'x' * 77}...'."),
        ({"data": "a\nb"}, "`data` must be a name in one line, without control characters, got 'a\\nb'."),
        ({"data": "\ud800"}, "`data` must be a valid string, got '\\ud800'."),
        ({"target_modules": "a," * 16 + "a"}, f"`target_modules` must have at most 16 items, got {quote(('a',) * 17)}."),
        ({"layer_ranks": "8:4,8:5"}, "`layer_ranks` must name each layer once (layer 8 is there twice), got '8:4,8:5'."),
    ],
)  # fmt: skip
def test_a_bad_value_is_told_with_the_setting_what_was_wanted_and_what_came(values, message):
    with pytest.raises(ConfigError) as caught:
        build_config(values)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["a/b.csv", "..\\\\b.csv", "more", "more.pkl"])
def test_more_files_are_named_as_they_lie_in_the_news_folder(name):
    message = (
        "`more_train_files` must be names of files in the news folder that end in .csv, .jsonl or .parquet, "
        f"or sets (set:NAME), got {quote(name)}."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        build_config({"more_train_files": f"fine.csv, {name}"})


def test_more_ranks_than_any_backbone_has_layers_are_refused():
    with pytest.raises(ConfigError, match=r"^`layer_ranks` must have at most 64 items, got '{-64: 1, .*\.\.\.'\.$"):
        build_config({"layer_ranks": dict.fromkeys(range(-64, 64), 1)})


def list_bounds(schema: dict) -> dict[str, set[str]]:
    """Return the kinds of values in a field's schema, each with the names of its bounds."""
    if "anyOf" in schema:
        return {kind: bounds for one in schema["anyOf"] for kind, bounds in list_bounds(one).items()}
    inner = [part for name in ("items", "additionalProperties") if isinstance(part := schema.get(name), dict)]
    return {
        schema["type"]: schema.keys(),
        **{kind: names for part in inner for kind, names in list_bounds(part).items()},
    }


BOUNDS = {
    "integer": [{"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}],
    "number": [{"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}],
    "string": [{"maxLength", "enum", "const"}],
    "array": [{"maxItems"}],
    "object": [{"maxProperties"}],
    "boolean": [],
    "null": [],
}


@pytest.mark.parametrize("name", TrainConfig.model_fields)
def test_every_setting_has_bounds(name):
    for kind, names in list_bounds(TrainConfig.model_json_schema()["properties"][name]).items():
        for either in BOUNDS[kind]:
            assert either & set(names), f"{name}: a {kind} without any of {either}"


def test_a_name_of_a_preset_or_a_setting_is_not_repeated_at_length():
    for call in (lambda: build_config(preset="x" * 10**6), lambda: build_config({"x" * 10**6: 1})):
        with pytest.raises(ConfigError) as caught:
            call()
        assert len(str(caught.value)) < 200


def test_a_config_error_is_both_ours_and_a_value_error():
    with pytest.raises(ConfigError) as caught:
        build_config({"seed": "x"})
    assert isinstance(caught.value, AgNewsError)
    assert isinstance(caught.value, ValueError)


def test_an_unknown_setting_is_an_error_that_names_the_near_one():
    with pytest.raises(ConfigError, match=r"There is no setting 'learning-rat' \(did you mean 'learning_rate'\?\)\."):
        build_config({"learning-rat": 1e-3})


def test_an_unknown_setting_far_from_all_others_suggests_nothing():
    with pytest.raises(ConfigError, match=r"^There is no setting 'zzz'\.$"):
        build_config({"zzz": 1})


def test_an_unknown_preset_is_an_error_that_names_them_all():
    with pytest.raises(
        ConfigError, match=r"no preset 'sead' \(did you mean 'seed'\?\); the presets are seed, budget-1m, quick"
    ):
        build_config(preset="sead")


def test_the_settings_named_like_trainers_have_trainers_names():
    from transformers import TrainingArguments

    training = {
        name for name, field in TrainConfig.model_fields.items() if field.json_schema_extra["group"] == "Training"
    }
    ours = {"precision", "replay"}
    assert training - ours <= set(typing.get_type_hints(TrainingArguments))


@pytest.mark.parametrize("eval_steps", [0.1, 0.25, 0.9, 1, 2, 50])
@pytest.mark.parametrize("n_steps", [1, 7, 18])
def test_evaluations_are_as_many_steps_apart_as_transformers_has_them(eval_steps, n_steps):
    from transformers import TrainerState, TrainingArguments

    state = TrainerState()
    state.compute_steps(TrainingArguments(eval_steps=eval_steps, use_cpu=True), n_steps)
    assert TrainConfig(eval_steps=eval_steps).count_eval_steps(n_steps) == state.eval_steps
