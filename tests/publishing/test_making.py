import re
import shutil

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

from agnews_core.config import build_config
from agnews_core.errors import ConfigError, RunError
from agnews_core.evaluation.figures import read_figures
from agnews_core.evaluation.files import read_assessment
from agnews_core.inference.classifier import Classifier
from agnews_core.models.adapters import ADAPTER_WEIGHTS
from agnews_core.news.splits import load_news
from agnews_core.publishing.making import Making, make_model
from agnews_core.publishing.recipes import Recipe, read_recipe
from agnews_core.runs import Run
from agnews_core.training.recipe import train as train_run
from tests.cli.commands import PROJECT
from tests.processes import Moment, start_training
from tests.rows import read_rows

BUNDLED = PROJECT / "assets" / "adapters" / "all-MiniLM-L6-v2" / "recipe.yaml"


def write_recipe(folder, settings, **parts):
    folder.mkdir(exist_ok=True)
    common = {**settings, "split_seed": 42, "holdout_share": 0.5}
    text = yaml.safe_dump({"common": common, "final": {"seed": 1}, **parts})
    (folder / "recipe.yaml").write_text(text)
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def made(tiny_settings, tmp_path_factory):
    """A model made from a recipe with one teacher, and the runs that were trained for it, in order."""
    folder = tmp_path_factory.mktemp("make")
    path = write_recipe(
        folder / "tiny", tiny_settings, weights="bf16", teachers={"teacher": {"seed": 2, "max_steps": 3}}
    )
    making, trained = Making(path, folder / "runs", "tiny", None, folder / "tiny"), []

    def train(run):
        trained.append(run.name)
        return train_run(run, resume=True)

    make_model(making, train=train, tell=lambda text: None)
    return making, trained


def test_the_folder_holds_the_model_its_figures_and_its_recipe(made, tiny_backbone):
    making, trained = made
    assert trained == ["tiny-teacher", "tiny-final"]
    names = {path.name for path in making.folder.iterdir()}
    assert {"agnews.json", "report.json", "baseline-validation.json", "layers-validation.json", "figures.json"} <= names
    assert read_recipe(making.folder / "recipe.yaml") == read_recipe(making.recipe_path)
    assert Classifier.load(making.folder, backbone_name=str(tiny_backbone)).predict(["A goal"])
    weights = [folder / ADAPTER_WEIGHTS for folder in (making.folder, making.runs_dir / "tiny-final" / "adapter")]
    assert weights[0].stat().st_size < 0.6 * weights[1].stat().st_size


def test_it_is_reported_on_texts_that_its_run_has_not_seen(made):
    making, _ = made
    config = Run(making.runs_dir / "tiny-final").read_resolved_config()
    news, found = load_news(config), read_assessment(making.folder, "validation")
    assert found.report.n == len(news.holdout) == 8
    assert (found.report.is_held_out, found.report.is_of_chosen_on) == (True, False)
    assert (found.baseline.n, found.layers.n) == (8, 8)
    assert not set(news.holdout["text"]) & {*news.train["text"], *news.validation["text"]}
    assert "bundled plain texts, headline" in read_figures(making.folder).shares


def test_a_teacher_has_learned_no_text_that_the_final_run_is_chosen_or_measured_on(made):
    making, _ = made
    teacher, final = (
        load_news(Run(making.runs_dir / name).read_resolved_config()) for name in ("tiny-teacher", "tiny-final")
    )
    assert not set(teacher.train["text"]) & {*final.validation["text"], *final.holdout["text"]}
    assert "It also learned from the answers of another model of its kind." in (making.folder / "README.md").read_text()


def test_the_same_command_trains_nothing_again_that_is_finished(made):
    making, _ = made
    told = []
    make_model(making, train=lambda run: pytest.fail("it was finished"), tell=told.append)
    assert told[:2] == ["Run tiny-teacher: finished before", "Run tiny-final: finished before"]


def test_a_run_of_that_name_with_other_settings_is_refused(made, tiny_settings, tmp_path):
    making, _ = made
    path = write_recipe(tmp_path / "other", {**tiny_settings, "learning_rate": 1e-4})
    other = Making(path, making.runs_dir, "tiny", None, tmp_path / "other")
    with pytest.raises(
        ConfigError, match="The run tiny-final is there already, with other settings; delete it, or give"
    ):
        make_model(other, train=train_run, tell=print)


def make_again(made, tiny_settings, tmp_path, **parts):
    """Return how the made model's runs, which are copied and trained already, are made again by a recipe with other parts."""
    making, _ = made
    runs_dir, folder = shutil.copytree(making.runs_dir, tmp_path / "runs"), tmp_path / "tiny"
    path = write_recipe(folder, tiny_settings, teachers={"teacher": {"seed": 2, "max_steps": 3}}, **parts)
    (folder / "agnews.json").write_text("the earlier model's")
    again = Making(path, runs_dir, "tiny", None, folder)
    return again, lambda: make_model(again, train=lambda run: pytest.fail("it was finished"), tell=lambda text: None)


def is_as_before(making):
    return (making.folder / "agnews.json").read_text() == "the earlier model's"


def test_weights_that_answer_otherwise_with_fewer_bits_are_refused_and_whole_ones_are_not(
    made, tiny_settings, tmp_path
):
    making, make = make_again(made, tiny_settings, tmp_path, weights="bf16")
    path = Run(making.runs_dir / "tiny-final").adapter_dir / ADAPTER_WEIGHTS
    weights = load_file(path)
    head, bias = (next(name for name in weights if name.endswith(f"out_proj.{kind}")) for kind in ("weight", "bias"))
    close = {head: torch.zeros_like(weights[head]), bias: torch.tensor([1.0, 1.0001, 0.0, 0.0])}
    save_file({**weights, **close}, path)  # two classes whose distance only fp32 holds
    said = "the weights give 8 of 8 texts another class, more than 0.05%; give `weights: fp32` in the recipe."
    with pytest.raises(ConfigError, match=f"^Written with fewer bits, {re.escape(said)}$"):
        make()
    assert is_as_before(making)
    making.recipe_path.write_text(making.recipe_path.read_text().replace("weights: bf16", "weights: fp32"))
    make()
    assert not is_as_before(making)


def test_weights_that_are_too_large_are_refused_and_half_as_many_bits_take_half_as_much(made, tiny_settings, tmp_path):
    weights = Run(made[0].runs_dir / "tiny-final").adapter_dir / ADAPTER_WEIGHTS
    limit = {"max_megabytes": 0.6 * weights.stat().st_size / 1e6}
    making, make = make_again(made, tiny_settings, tmp_path, weights="fp32", **limit)
    said = r"^The weights take [\d.]+ MB in fp32, more than the recipe's `max_megabytes` of [\d.]+; give `weights` with fewer"
    with pytest.raises(ConfigError, match=said):
        make()
    assert is_as_before(making)
    making.recipe_path.write_text(making.recipe_path.read_text().replace("weights: fp32", "weights: bf16"))
    make()
    assert not is_as_before(making)


def test_a_bundled_model_is_small_enough_for_every_copy_of_the_program():
    size = (BUNDLED.parent / ADAPTER_WEIGHTS).stat().st_size / 1e6
    assert size <= read_recipe(BUNDLED).max_megabytes == 9


def test_a_run_that_is_stopped_leaves_the_earlier_model_where_it_is(made, tiny_settings, tmp_path):
    making, _ = made
    folder = shutil.copytree(making.folder, tmp_path / "tiny")
    before = (folder / "agnews.json").read_bytes()

    def stop(run):
        return run.update_status(state="stopped")

    with pytest.raises(RunError, match=r"The run new-teacher was stopped; the same command goes on with it\."):
        make_model(Making(folder / "recipe.yaml", tmp_path / "runs", "new", None, folder), train=stop, tell=print)
    assert (folder / "agnews.json").read_bytes() == before


def test_what_is_killed_in_the_middle_of_a_run_goes_on_from_its_last_checkpoint(tiny_settings, tmp_path):
    path = write_recipe(tmp_path / "killed", tiny_settings)
    making, moment = Making(path, tmp_path / "runs", "killed", None, path.parent), Moment(tmp_path, "step 5")

    def train_and_die(run):
        process = start_training(run, resume=True, moment=moment)
        moment.wait()
        process.kill()
        process.join()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_model(making, train=train_and_die, tell=print)
    assert [path.name for path in making.folder.iterdir()] == ["recipe.yaml"]
    make_model(making, train=lambda run: train_run(run, resume=True), tell=print)
    run = Run(making.runs_dir / "killed-final")
    assert "Resumed from step 3." in run.read_status().notes
    assert [row["step"] for row in read_rows(run) if "loss" in row] == list(range(1, 10))
    assert read_assessment(making.folder, "validation").report.n == 8


def test_the_card_says_what_it_is_for_where_it_is_wrong_and_how_to_make_it_again(made):
    making, _ = made
    card = ModelCard.load(making.folder / "README.md")
    for heading in ("## What it is for", "## Where it is wrong", "## How good it is", "## How it was made"):
        assert heading in card.text
    assert "Nothing was learned from these texts, and nothing chosen on them." in card.text
    assert "were chosen on 8 other validation texts" in " ".join(card.text.split())
    assert "    python -m agnews_core make recipe.yaml --data FOLDER" in card.text
    found = {(it.dataset_name, it.metric_type) for it in card.data.eval_results}
    assert ("424 bundled plain texts", "accuracy") in found


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"common": {}}, "The recipe keeps no validation texts for the report; give `holdout_share`"),
        ({"common": {"holdout_share": 0.5}, "teachers": {"a": {}}}, "must split the news alike; give `split_seed`"),
        (
            {"common": {"holdout_share": 0.5, "split_seed": 1}, "teachers": {"a": {"split_seed": 2}}},
            "gives x-a another `split_seed` than the final run",
        ),
    ],
)
def test_a_recipe_whose_report_would_be_of_texts_that_were_learned_from_is_refused(parts, said):
    with pytest.raises(ConfigError, match=said):
        Recipe(final={}, **parts).build_configs(data=None, prefix="x")


def test_a_file_that_is_no_recipe_is_said_to_be(tmp_path):
    (tmp_path / "r.yaml").write_text("final: {}\nweights: int4\n")
    with pytest.raises(ConfigError, match=r"r.yaml is no recipe: `weights`: Input should be 'fp32', 'fp16' or 'bf16'"):
        read_recipe(tmp_path / "r.yaml")


def test_the_bundled_models_recipe_can_be_followed():
    configs = read_recipe(BUNDLED).build_configs(data=None, prefix="m")
    assert list(configs)[-1] == "m-final"
    assert configs["m-final"].teachers == tuple(list(configs)[:-1])


def test_a_seed_of_its_own_for_the_split_keeps_it_whatever_the_other_seed_is(tiny_settings):
    first, second = (
        load_news(build_config({**tiny_settings, "seed": seed, "split_seed": 7})).digest for seed in (1, 2)
    )
    assert first == second
    assert first != load_news(build_config({**tiny_settings, "seed": 7, "split_seed": 8})).digest
