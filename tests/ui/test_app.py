"""The page without a browser: what it imports, what it is made of, what it offers to programs."""

import subprocess
import sys
import threading
import time

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from agnews_core.config import PRESETS, TrainConfig, build_config
from agnews_core.errors import ConfigError
from agnews_core.jobs.child import PACKAGE_PARENT
from agnews_core.jobs.queue import JobQueue
from agnews_core.jobs.visitors import HOST
from agnews_core.runs.snapshot import take_snapshot
from agnews_core.ui import build_demo, launch_options
from agnews_core.ui.configure_tab import redraw_ranks
from agnews_core.ui.errors import UNEXPECTED, shown_as_toast
from agnews_core.ui.plan_panel import format_problem, format_sentence
from agnews_core.ui.plots import build_loss_figure, build_quality_figure, build_rank_figure
from agnews_core.ui.setting_controls import lay_out_controls, list_values, read_config
from tests.ui.conftest import find_free_port

TITLES = ["Classify", "Configure", "Train", "Evaluate", "Predict"]


@pytest.fixture(scope="module")
def queue(tmp_path_factory):
    return JobQueue(tmp_path_factory.mktemp("page") / "runs")


@pytest.fixture(scope="module")
def demo(queue):
    return build_demo(queue)


@pytest.fixture(scope="module")
def client(demo):
    _, url, _ = demo.launch(**launch_options(), server_port=find_free_port(), prevent_thread_lock=True, quiet=True)
    yield Client(url, verbose=False)
    demo.close()


@pytest.fixture
def settings():
    with gr.Blocks():
        return lay_out_controls()


def test_the_page_is_built_before_a_heavy_library_is_imported():
    heavy = ("torch", "transformers", "datasets", "sklearn", "scipy", "peft", "openvino")
    script = f"import sys, app; print(*set({heavy}) & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PACKAGE_PARENT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_the_five_tabs_are_there_in_their_order(demo):
    of_the_page = next(block for block in demo.blocks.values() if isinstance(block, gr.Tabs))
    assert [tab.label for tab in of_the_page.children] == TITLES


def test_there_is_one_control_for_every_setting(settings):
    assert list(settings.controls) == list(TrainConfig.model_fields)


def test_every_control_has_a_label_and_a_hint(settings):
    for name, control in settings.controls.items():
        assert control.label, name
        assert name == "layer_ranks" or control.info == TrainConfig.model_fields[name].description


@pytest.mark.parametrize("preset", PRESETS)
def test_a_presets_values_in_the_controls_are_read_back_as_that_preset(settings, preset):
    values = list_values(build_config({"backbone": "all-MiniLM-L6-v2"}, preset=preset))
    config = read_config(settings, {settings.controls[name]: value for name, value in values.items()})
    assert config == build_config({"backbone": "all-MiniLM-L6-v2"}, preset=preset)


def test_a_setting_out_of_range_is_refused_in_the_configs_own_words(settings):
    values = {**list_values(build_config({"backbone": "roberta-base"})), "lora_dropout": 2}
    with pytest.raises(ConfigError, match="`lora_dropout` must be less than 1, got '2'"):
        read_config(settings, {settings.controls[name]: value for name, value in values.items()})


def test_ranks_are_redrawn_only_for_a_backbone_with_other_layers():
    assert redraw_ranks("all-MiniLM-L6-v2", [0, 0, 1, 2, 3, 4]) == gr.skip()
    assert redraw_ranks("roberta-base", [0, 0, 1, 2, 3, 4]).value == [0] * 8 + [1, 2, 3, 4]


def test_what_goes_wrong_becomes_one_sentence_without_markup(caplog):
    with pytest.raises(gr.Error) as raised, shown_as_toast():
        raise ConfigError("no <b>bold</b> names")
    assert raised.value.message == "no &lt;b&gt;bold&lt;/b&gt; names"

    with pytest.raises(gr.Error) as raised, shown_as_toast():
        raise KeyError("x")
    assert raised.value.message == UNEXPECTED == "Unexpected error; details are in the log. Please try again."
    assert "KeyError" in caplog.text


def test_what_fails_again_at_the_same_place_takes_one_line_of_the_log(caplog):
    def fail():
        with pytest.raises(gr.Error), shown_as_toast():
            raise KeyError("x" * 10**6)

    fail()
    caplog.clear()
    fail()
    assert len(caplog.text.splitlines()) == 1
    assert "failed at the same place again" in caplog.text
    assert len(caplog.text) < 300


def test_the_sentence_on_the_settings_holds_no_markup_of_a_strangers():
    sentence = format_sentence(build_config({"backbone": "<img src=//elsewhere/x>"}))
    assert "backbone &lt;img src=//elsewhere/x&gt;. Change that under <b>Configure</b>." in sentence
    assert "<img" not in sentence + format_problem("no <img src=x> here")


def test_one_event_checks_the_settings_for_both_tabs_that_show_them(demo):
    changes = [fn for fn in demo.fns.values() if sum(event == "change" for _, event in fn.targets) > 1]
    (checked,) = changes
    assert {block.elem_id for block in checked.outputs} == {"plan", "rank-plot", "train-plan"}


def test_plan_is_offered_to_programs_with_described_parameters(client):
    described = client.view_api(return_format="dict")["named_endpoints"]["/plan"]
    assert [parameter["parameter_name"] for parameter in described["parameters"]][:3] == [
        "preset",
        "backbone",
        "layer_ranks",
    ]
    planned = client.predict(preset="seed", backbone="roberta-base", api_name="/plan")
    assert planned["trainable_parameters"] == 1_472_260
    assert planned["layer_ranks"] == {"8": 16, "9": 24, "10": 32, "11": 32}
    with pytest.raises(AppError, match="names layer 12"):
        client.predict(backbone="roberta-base", layer_ranks="12:8", api_name="/plan")


def test_starting_stopping_and_deleting_are_not_offered_to_programs(client):
    named = set(client.view_api(return_format="dict")["named_endpoints"])
    assert named <= {"/plan", "/classify", "/predict_file"}


@pytest.fixture
def run(queue):
    run = queue.start(build_config({"max_steps": 20}, preset="quick"), name=f"run{time.monotonic_ns()}", by=HOST)
    rows = [{"step": step, "epoch": step / 10, "time": 1000.0 + 2 * step, "loss": 1.4 / step} for step in range(1, 11)]
    rows.insert(
        5, {"step": 5, "time": 1011.0, "eval_loss": 0.9, "eval_accuracy": 0.5, "eval_f1": 0.4, "eval_runtime": 3.0}
    )
    for row in rows:
        run.append_metrics(row)
    run.update_status(state="finished", phase="done", step=10, max_steps=20)
    return run


def test_the_figures_show_every_point_and_keep_zoom_by_run(run):
    metrics = take_snapshot(run).metrics
    loss, quality = build_loss_figure({"a": metrics}), build_quality_figure({"a": metrics}, texts="2 of 3 texts")
    assert [len(trace.x) for trace in loss.data] == [10, 10, 1]
    assert [trace.y for trace in quality.data] == [(0.5,), (0.4,)]
    assert loss.layout.uirevision == "a"
    assert quality.layout.yaxis.title.text == "on 2 of 3 texts"
    assert len(build_quality_figure({"a": metrics, "b": metrics}, texts="3 texts").data) == 4


def test_frozen_layers_are_said_in_the_chart_of_ranks():
    (bars,) = build_rank_figure({2: 8}, n_layers=4).data
    assert list(bars.text) == ["frozen", "frozen", "8", "frozen"]


def test_twenty_programs_at_once_are_all_answered(client):
    answers = []

    def ask():
        answers.append(client.predict(backbone="roberta-base", api_name="/plan")["trainable_parameters"])

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert answers == [1_472_260] * 20
