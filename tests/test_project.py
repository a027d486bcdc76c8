"""What is said about the project outside its code: front matter, pins, settings of tools, the picture."""

import importlib.util
import os
import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from setuptools import build_meta

import agnews_core
from agnews_core.models.backbones import HUB_IDS
from agnews_core.news.sources import HUB_DATASET
from tests.draw_architecture import PICTURE, draw
from tests.pins import FILES, ROOT, find_brought, make_files, read_requirements

MAX_FILE_BYTES = 10_000_000  # beyond it, Spaces wants Git LFS
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


@pytest.fixture(scope="module")
def front():
    return yaml.safe_load(README.split("---\n")[1])


@pytest.fixture(scope="module")
def pins():
    return {name: str(pin.specifier) for name, pin in read_requirements(FILES[0].read_text(encoding="utf-8")).items()}


def test_a_space_gets_the_gradio_and_the_python_that_are_pinned(front, pins):
    assert front["sdk"] == "gradio"
    assert pins["gradio"] == f"=={front['sdk_version']}"
    assert front["python_version"] == SETTINGS["tool"]["mypy"]["python_version"]
    assert front["python_version"] in SpecifierSet(SETTINGS["project"]["requires-python"])
    assert (ROOT / front["app_file"]).is_file()


def test_what_a_space_shows_of_itself_is_allowed_there(front):
    assert {front["colorFrom"], front["colorTo"]} <= COLOURS
    assert len(front["short_description"]) <= 60
    assert not front["emoji"].isascii()
    assert front["suggested_hardware"] == "cpu-basic"
    assert set(front["models"]) <= set(HUB_IDS.values())
    assert front["datasets"] == [HUB_DATASET]
    assert front.keys() == {
        "title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "short_description",
        "suggested_hardware", "models", "datasets", "tags",
    }  # fmt: skip


def test_no_file_is_too_large_for_a_space():
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    sizes = {name: (ROOT / name).stat().st_size for name in files.split("\0") if (ROOT / name).is_file()}
    assert len(sizes) > 100
    assert [name for name, size in sizes.items() if size > MAX_FILE_BYTES] == []


def test_every_distribution_that_the_requirements_bring_is_pinned_as_it_is_installed():
    for path, text in make_files().items():
        assert path.read_text(encoding="utf-8") == text, "Run `python -m tests.pins`."


def test_a_pin_is_exact(pins):
    assert [name for name, pin in pins.items() if not re.fullmatch(r"==[\w.]+", pin)] == []


def test_what_is_brought_is_followed_to_its_end_but_for_torchs_cuda_packages():
    brought = find_brought(read_requirements("evaluate\ntorch"))
    assert {"yarl", "sympy"} <= brought.keys()  # evaluate -> fsspec[http] -> aiohttp -> yarl
    assert not [name for name in brought if name.startswith(("nvidia", "cuda", "triton"))]


def test_the_projects_name_version_and_requirements_are_said_once(tmp_path, monkeypatch, pins):
    for name in ("pyproject.toml", "requirements.txt", "agnews_core"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    folder = build_meta.prepare_metadata_for_build_wheel(str(tmp_path))
    metadata = (tmp_path / folder / "METADATA").read_text(encoding="utf-8")
    assert f"Version: {agnews_core.__version__}\n" in metadata
    assert metadata.count("Requires-Dist: ") == len(pins)


def test_the_picture_of_the_rooms_is_the_one_that_their_imports_draw():
    assert PICTURE.read_text(encoding="utf-8") == draw(), "Run `python -m tests.draw_architecture`."


def test_the_checks_before_a_commit_and_the_workflow_call_what_decides():
    decides = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert all(hook["language"] == "system" for hook in hooks)
    assert all(hook["entry"].removesuffix(" --fix") in decides for hook in hooks)
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["check"]["steps"][-1] == {"run": ".ci/run"}
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_every_module_that_the_readme_names_can_be_run():
    named = set(re.findall(r"python -m (tests\.[\w.]+|agnews_core)", README))
    assert len(named) > 3
    assert [module for module in named if importlib.util.find_spec(module) is None] == []
