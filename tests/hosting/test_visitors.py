import pytest

from agnews_core.config import build_config
from agnews_core.errors import ConfigError
from agnews_core.hosting.visitors import check_visitor, is_open_to_everybody
from agnews_core.ui.configure_tab import plan_settings


@pytest.fixture(autouse=True)
def _own_machine(monkeypatch):
    for name in ("SPACE_ID", "GRADIO_SERVER_NAME", "GRADIO_SHARE"):
        monkeypatch.delenv(name, raising=False)


def test_on_ones_own_machine_any_folder_will_do(monkeypatch):
    check_visitor(build_config({"backbone": "/some/folder", "data": "/another"}))
    monkeypatch.setenv("GRADIO_SERVER_NAME", "127.0.0.1")
    assert not is_open_to_everybody()


@pytest.mark.parametrize(
    ("name", "value"), [("SPACE_ID", "someone/news"), ("GRADIO_SERVER_NAME", "0.0.0.0"), ("GRADIO_SHARE", "True")]
)
def test_where_everybody_can_open_the_page_no_folder_and_no_other_model_may_be_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    check_visitor(build_config({"backbone": "roberta-base", "data": "sample"}))
    with pytest.raises(
        ConfigError, match="`backbone` '/etc' is not on offer on a page that everybody can open; choose one of auto"
    ):
        check_visitor(build_config({"backbone": "/etc"}))
    with pytest.raises(ConfigError, match="`backbone` 'someone/huge-model' is not on offer"):
        check_visitor(build_config({"backbone": "someone/huge-model"}))
    with pytest.raises(ConfigError, match="`data` '/home' is not on offer"):
        check_visitor(build_config({"data": "/home"}))


def test_the_api_has_the_same_rule(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "someone/news")
    with pytest.raises(Exception, match="is not on offer"):
        plan_settings(backbone="/etc")
