"""What no linter can say of the package: what is not loaded before it is needed, and what no line may do.

Who may import whom is said in pyproject.toml, for import-linter.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "agnews_core"
LIGHT = (
    "errors", "config", "uploads", "uploads.pickles", "models.plan", "models.adapters", "news.counts", "runs",
    "evaluation.report", "inference.catalogue", "jobs.queue", "hosting", "cli",
)  # fmt: skip
HEAVY = ("torch", "transformers", "datasets", "pandas", "peft", "sklearn", "pyarrow", "gradio")


def find_modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def test_the_arrows_of_the_house_point_down():
    lint = subprocess.run(["lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stdout + lint.stderr


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


@pytest.mark.parametrize("module", [name for name in find_modules() if not name.startswith("agnews_core.cli")])
def test_what_the_page_may_show_names_no_flag(module):
    assert find_flags_in_messages(ast.parse(find_modules()[module].read_text(encoding="utf-8"))) == set()


@pytest.mark.parametrize("module", LIGHT)
def test_importing_a_light_module_loads_nothing_heavy(module):
    assert f"agnews_core.{module}" in find_modules()  # a name that is gone would leave nothing to check
    code = f"import sys, agnews_core.{module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_takes_less_than_a_second_of_work():
    def measure() -> float:  # not the clock: the machine may be busy with something else
        before = os.times()
        subprocess.run([sys.executable, "-m", "agnews_core", "--help"], cwd=ROOT, capture_output=True, check=True)
        after = os.times()
        return after.children_user - before.children_user + after.children_system - before.children_system

    assert min(measure() for _ in range(2)) < 1
