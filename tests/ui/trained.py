"""The app over a folder with one finished run, shared by the tests that only read it."""

import shutil

import pytest

from tests.ui.conftest import run_app


@pytest.fixture(scope="module")
def trained_app(trained_run, tmp_path_factory):
    runs_dir = tmp_path_factory.mktemp("page") / "runs"
    shutil.copytree(trained_run.path, runs_dir / "trained")
    with run_app(runs_dir) as running:
        yield running


def read_toast(page) -> str:
    toast = page.get_by_test_id("toast-body").first
    toast.wait_for()
    return toast.inner_text()
