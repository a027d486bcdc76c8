"""The examples in docstrings are true, wherever they stand."""

import doctest
import importlib

import pytest

from tests.test_layering import PACKAGE, find_modules


@pytest.mark.parametrize("module", [name for name, path in find_modules().items() if ">>>" in path.read_text("utf-8")])
def test_the_examples_in_docstrings_are_true(module):
    results = doctest.testmod(importlib.import_module(module))
    assert results.attempted > 0
    assert results.failed == 0


def test_there_are_examples():
    assert sum(">>>" in path.read_text("utf-8") for path in PACKAGE.rglob("*.py")) > 10
