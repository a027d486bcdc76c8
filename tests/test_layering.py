"""The arrows between modules, read from their imports: who may know whom, and what is not loaded before it is needed."""

import ast
import re
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "agnews_core"

# From the ground up: a part knows only parts of earlier lines. What stands early knows little, and may be known by all.
LAYERS = (
    ("errors", "libraries", "whole_files", "hub", "downloads", "calibration", "attribution"),
    ("config", "devices", "compression", "text_columns"),
    ("backbones", "runs", "pickles"),
    ("news_sources", "watching", "uploads", "visitors"),
    ("data",),
    ("model", "evaluation", "predictions"),
    ("adapters", "estimate", "evaluation_files", "baseline", "trainer"),
    ("inference", "report_page", "export"),
    ("training", "catalogue"),
    ("jobs", "assessment"),
    ("cli", "ui"),
    ("__main__",),
)
LEVELS = {part: level for level, parts in enumerate(LAYERS) for part in parts}
LIGHT = ("errors", "config", "runs", "cli", "uploads", "pickles")
HEAVY = ("torch", "transformers", "datasets", "pandas", "peft", "sklearn", "pyarrow", "gradio")
UNPICKLERS = {"pickle", "_pickle", "pickletools", "cloudpickle", "dill", "joblib", "shelve", "copyreg"}


def name_module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def find_modules() -> dict[str, Path]:
    return {name_module(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def read_imports(path: Path) -> set[str]:
    """Return the full names a module imports anywhere in it, also inside functions and for type checking alone."""
    name = name_module(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return find_imports(ast.parse(path.read_text(encoding="utf-8")), package=package)


def find_imports(tree: ast.AST, *, package: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            start = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            found.update({base} | {f"{base}.{alias.name}" for alias in node.names})
    return found


@cache
def read_arrows() -> dict[str, set[str]]:
    """Return {module: modules of this package that it imports}."""
    modules = find_modules()
    return {
        name: {found for found in read_imports(path) if found in modules} - {name} for name, path in modules.items()
    }


def find_part(module: str) -> str:
    """Return the part of the drawing a module belongs to.

    >>> find_part("agnews_core.ui.plots"), find_part("agnews_core.errors")
    ('ui', 'errors')
    """
    return module.split(".")[1] if "." in module else ""


def reach(module: str) -> set[str]:
    """Return all modules that a module imports, directly or through others."""
    seen, rest = set(), [module]
    while rest:
        for target in read_arrows()[rest.pop()] - seen:
            seen.add(target)
            rest.append(target)
    return seen


def test_imports_are_read_wherever_they_stand():
    code = "import a.b\nfrom c import d\ndef f():\n    from . import g\nif X:\n    from ..h import i\n"
    assert find_imports(ast.parse(code), package="p.q") == {"a.b", "c", "c.d", "p.q", "p.q.g", "p.h", "p.h.i"}


def test_the_arrows_are_found():
    assert {"agnews_core.config", "agnews_core.errors", "agnews_core.news_sources"} <= read_arrows()["agnews_core.data"]


def test_every_part_has_its_place_and_only_one():
    placed = [part for parts in LAYERS for part in parts]
    assert sorted(placed) == sorted({find_part(module) for module in find_modules()} - {""})


def test_every_arrow_points_down():
    arrows = {(module, target) for module, targets in read_arrows().items() for target in targets}
    up = [
        f"{module} -> {target}"
        for module, target in arrows
        if find_part(target) not in {"", find_part(module)} and LEVELS[find_part(target)] >= LEVELS[find_part(module)]
    ]
    assert up == []


@pytest.mark.parametrize("module", find_modules())
def test_no_module_imports_itself_through_others(module):
    assert module not in reach(module)


@pytest.mark.parametrize("module", ["config", "errors", "hub", "backbones", "news_sources", "data", "runs", "devices"])
def test_the_lower_parts_do_not_know_training(module):
    assert not {"agnews_core.model", "agnews_core.training", "agnews_core.cli"} & reach(f"agnews_core.{module}")


def test_classifying_needs_no_training():
    assert not {"agnews_core.training", "agnews_core.trainer", "agnews_core.jobs"} & reach("agnews_core.inference")


def test_uploads_know_nothing_of_models():
    known = {
        find_part(target)
        for name in find_modules()
        if find_part(name) in {"uploads", "pickles"}
        for target in reach(name)
    }
    assert known <= {"", "errors", "uploads", "pickles", "compression", "text_columns"}


def test_the_command_line_and_the_page_do_not_know_each_other():
    for module in find_modules():
        other = {"cli": "ui", "ui": "cli"}.get(find_part(module))
        assert other is None or other not in {find_part(target) for target in read_arrows()[module]}, module


def test_the_core_never_imports_gradio():
    knowing = {
        module
        for module, path in find_modules().items()
        if any(name.split(".")[0] == "gradio" for name in read_imports(path))
    }
    assert {find_part(module) for module in knowing} <= {"ui"}


def test_only_pickles_imports_anything_that_unpickles():
    knowing = {
        module
        for module, path in find_modules().items()
        if UNPICKLERS & {name.split(".")[0] for name in read_imports(path)}
    }
    assert {find_part(module) for module in knowing} <= {"pickles"}


def find_risky_calls(tree: ast.AST) -> set[str]:
    risky = {("trust_remote_code", True), ("allow_pickle", True), ("weights_only", False)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found |= {ast.unparse(node.func)} & {"pd.read_pickle", "pandas.read_pickle", "eval", "exec"}
            found |= {
                f"{word.arg}={word.value.value}"
                for word in node.keywords
                if isinstance(word.value, ast.Constant) and (word.arg, word.value.value) in risky
            }
    return found


def test_risky_calls_are_found():
    code = "pd.read_pickle(x)\ntorch.load(f, weights_only=False)\nmodel.eval()\nload(trust_remote_code=False)\neval(x)"
    assert find_risky_calls(ast.parse(code)) == {"pd.read_pickle", "weights_only=False", "eval"}


@pytest.mark.parametrize("module", find_modules())
def test_nothing_in_the_package_opens_what_can_run_code(module):
    assert find_risky_calls(ast.parse(find_modules()[module].read_text(encoding="utf-8"))) == set()


def find_flags_in_messages(tree: ast.AST) -> set[str]:
    """Return the command line's flags that are named in what is raised."""
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
    texts = [part.value for exc in raised for part in ast.walk(exc) if isinstance(part, ast.Constant)]
    return {flag for text in texts if isinstance(text, str) for flag in re.findall(r"(?<![\w-])--[a-z-]+", text)}


def test_flags_in_messages_are_found():
    code = 'raise DataError(f"{name} is gone; give --data, or --max-length.") from error\nprint("--json")'
    assert find_flags_in_messages(ast.parse(code)) == {"--data", "--max-length"}


@pytest.mark.parametrize("module", [name for name in find_modules() if find_part(name) != "cli"])
def test_what_the_page_may_show_names_no_flag(module):
    assert find_flags_in_messages(ast.parse(find_modules()[module].read_text(encoding="utf-8"))) == set()


@pytest.mark.parametrize("module", LIGHT)
def test_importing_a_light_module_loads_nothing_heavy(module):
    assert f"agnews_core.{module}" in find_modules()  # a name that is gone would leave nothing to check
    code = f"import sys, agnews_core.{module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_answers_in_under_a_second():
    def measure() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "agnews_core", "--help"], cwd=ROOT, capture_output=True, check=True)
        return time.perf_counter() - began

    assert any(measure() < 1 for _ in range(5))  # the best of some tries: the machine may be busy
