"""Visitors of a page that everybody can open, with a browser and without one: what they send is anything at all."""

import json
from types import SimpleNamespace

import httpx
import pytest

from agnews_core.config import TrainConfig, build_config
from agnews_core.hosting.requests import TOO_LONG, UNKNOWN
from agnews_core.hosting.visitors import COOKIE
from agnews_core.jobs.queue import JobQueue
from agnews_core.jobs.visitors import HOST
from agnews_core.runs import list_runs
from agnews_core.ui import build_demo, launch_options
from agnews_core.ui.errors import UNEXPECTED
from agnews_core.ui.setting_controls import list_values
from tests.ui.conftest import choose_tab, configure, find_free_port, wait_for, wait_for_state

# gradio counts how long events took, in words that pandas 3 will forget.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
NOT_YOURS = "was not started in this browser; only who started it can"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page that everybody can open, over a queue that trains nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
        queue = JobQueue(tmp_path_factory.mktemp("strangers") / "runs")
        demo = build_demo(queue)
        _, url, _ = demo.launch(**launch_options(), server_port=find_free_port(), prevent_thread_lock=True, quiet=True)
        yield SimpleNamespace(url=url, queue=queue, demo=demo)
        demo.close()


class Stranger:
    """A program that speaks to the page as a browser does, and need not be honest."""

    def __init__(self, page):
        self.http = httpx.Client(base_url=page.url, timeout=60)
        self.http.get("/").raise_for_status()
        self.config = self.http.get("config").json()

    def find_event(self, elem_id, event="click"):
        ids = {one["id"] for one in self.config["components"] if one["props"].get("elem_id") == elem_id}
        return next(it for it in self.config["dependencies"] if any(a in ids and b == event for a, b in it["targets"]))

    def join(self, fn_index, data, session="own"):
        body = json.dumps({"data": data, "fn_index": fn_index, "session_hash": session})
        return self.http.post("gradio_api/queue/join", content=body, headers={"content-type": "application/json"})

    def ask(self, event, data):
        """Send an event through the queue, and return the sentence of its toast, or ""."""
        self.join(event["id"], data).raise_for_status()
        with self.http.stream("GET", "gradio_api/queue/data", params={"session_hash": "own"}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                if message.get("msg") == "process_completed":
                    return "" if message["success"] else message["output"]["error"]
        raise AssertionError("the answer did not come")

    def press(self, elem_id, data):
        event = self.find_event(elem_id)
        return self.ask(event, [*data, *[False] * (len(event["inputs"]) - len(data))])

    def start(self, **changes):
        controls = {one["id"]: one["props"].get("elem_id", "") for one in self.config["components"]}
        values = {**list_values(build_config({"backbone": "all-MiniLM-L6-v2"})), **changes}
        event = self.find_event("start")
        names = [controls[it].removeprefix("setting-").replace("layer-ranks", "layer_ranks") for it in event["inputs"]]
        assert set(names) == set(TrainConfig.model_fields)
        return self.ask(event, [values[name] for name in names])


@pytest.fixture
def make_stranger(page):
    made = []

    def make():
        made.append(Stranger(page))
        return made[-1]

    yield make
    for stranger in made:
        stranger.http.close()


@pytest.fixture
def anna(make_stranger):
    return make_stranger()


@pytest.fixture
def ben(make_stranger):
    return make_stranger()


@pytest.fixture
def run(page, anna):
    for run in list_runs(page.queue.runs_dir):
        page.queue.stop(run.name, by=HOST)
        page.queue.delete(run.name, by=HOST)
    assert anna.start() == ""
    (run,) = list_runs(page.queue.runs_dir)
    return run


def test_another_browser_cannot_stop_resume_delete_or_download_a_run_by_its_name(run, anna, ben, make_stranger):
    forger, nobody = make_stranger(), make_stranger()
    forger.http.cookies.set(COOKIE, run.read_status().owner)  # the digest is no use to who can read it
    nobody.http.cookies.clear()
    for other in (ben, forger, nobody):
        for question, button, action in (
            ("stop", "stop-keep", "stop"),
            ("stop", "stop-discard", "stop"),
            ("stop", "resume", "resume"),
            ("delete", "really-delete", "delete"),
            ("delete", "download", "download"),
        ):
            other.press(question, [run.name])
            assert f"{NOT_YOURS} {action} it." in other.press(button, [run.name])
    assert run.read_status().state == "queued"
    anna.press("stop", [run.name])
    assert anna.press("stop-keep", [run.name]) == ""
    assert run.read_status().state == "stopped"
    anna.press("delete", [run.name])
    assert anna.press("really-delete", [run.name]) == ""
    assert not run.exists()


def test_a_program_without_the_cookie_starts_nothing(run, ben):
    ben.http.cookies.clear()
    assert "keeps no cookie" in ben.start()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"backbone": "/etc"}, "is not on offer"),
        ({"num_train_epochs": 999}, "texts trained on"),
        ({"layer_ranks": [1] * 100_000}, "must be a list of at most 64 ranks"),
        ({"layer_ranks": 5}, "must be a list of at most 64 ranks, got '5'."),
        ({"max_steps": "9" * 100_000}, "`max_steps` must be a shorter number"),
        ({"seed": {"a": [1]}}, "`seed` must be a valid integer"),
    ],
)
def test_settings_of_any_kind_are_refused_in_a_short_sentence(run, ben, changes, said):
    answer = ben.start(**changes)
    assert said in answer
    assert len(answer) < 400


def test_anything_at_all_sent_to_any_event_is_answered_in_words(run, ben, caplog):
    odd = [5, [5], {"a": 1}, "x" * 1000]
    for event in ben.config["dependencies"]:
        for value in odd if event["queue"] else []:
            assert ben.ask(event, [value] * len(event["inputs"])) is not None, (event, value)
    assert caplog.text.count("Traceback") < 20  # of each place that fails one, however often it does


def test_what_gradio_itself_refuses_is_answered_in_words_too(ben):
    classify = next(event for event in ben.config["dependencies"] if event["api_name"] == "classify")
    assert ben.ask(classify, []) == UNEXPECTED
    assert ben.ask(classify, ["\ud800 oil prices", ""]) == (
        "The text holds half a character (a lone surrogate); take it out and try again."
    )
    predict_file = next(event for event in ben.config["dependencies"] if event["api_name"] == "predict_file")
    stolen = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    assert ben.ask(predict_file, [stolen, "", "", False, False, ""][: len(predict_file["inputs"])]) == UNEXPECTED


def test_an_event_that_the_page_does_not_have_is_refused_in_words(ben):
    run = ben.http.post("gradio_api/run/predict", json={"data": [], "fn_index": 9999})
    named = ben.http.post("gradio_api/run/no-such-event", json={"data": []})
    for answer in (ben.join(-1, []), run, named):
        assert (answer.status_code, answer.json()["error"]) == (404, UNKNOWN)


def test_a_request_without_an_end_or_over_a_megabyte_is_not_read(ben):
    long = ben.join(0, ["x" * 10**6])
    other_way = ben.http.post("gradio_api/run/upload", json={"data": ["x" * 10**6], "fn_index": 0})
    endless = ben.http.post("gradio_api/queue/join", content=iter([b"{}"]))
    both = ben.http.post(
        "gradio_api/queue/join",
        content=b"2\r\n{}\r\n0\r\n\r\n",
        headers={"transfer-encoding": "chunked", "content-length": "2"},
    )
    answers = [(it.status_code, it.json()["detail"]) for it in (long, other_way, endless, both)]
    assert answers == [(413, TOO_LONG)] * 4


def test_the_page_tells_nobody_how_it_is_used_and_keeps_few_sessions(page, ben):
    assert ben.http.get("monitoring/summary").status_code == 403
    assert page.demo.state_holder.capacity == 200
    for number in range(210):
        page.demo.state_holder[str(number)]
    assert len(page.demo.state_holder.session_data) == 200


def test_markup_in_a_setting_is_shown_as_it_was_typed(page, visit):
    visitor = visit(page)  # which fails where the browser asks another host
    configure(visitor, backbone="<img src=//elsewhere.example/x>")
    choose_tab(visitor, "Train")
    sentence = visitor.locator("#train-plan")
    wait_for(visitor, lambda: "'<img src=//elsewhere.example/x>' is not on offer" in sentence.inner_text(), seconds=30)
    assert not sentence.locator("img").count()


def test_of_two_browsers_only_the_one_that_started_a_run_can_stop_it(page, visit, run):
    page.queue.stop(run.name, by=HOST)
    anna = visit(page)
    configure(anna, data="sample", max_train_samples=100)
    choose_tab(anna, "Train")
    anna.get_by_role("button", name="Start training").click()
    wait_for_state(anna, "Queued", seconds=30)
    ben = visit(page, "Train")
    wait_for_state(ben, "Queued", seconds=30)
    own = anna.locator("#run-status .status-run").inner_text()
    assert ben.locator("#run-status .status-run").inner_text() == own
    assert ben.locator("#stop").is_disabled()
    assert "Everybody can open this page and sees all runs." in ben.locator("body").inner_text()
    anna.reload()
    choose_tab(anna, "Train")
    wait_for(anna, lambda: anna.locator("#stop").is_enabled(), seconds=30)
    anna.locator("#stop").click()
    anna.locator("#stop-keep").click()
    wait_for_state(anna, "Stopped", seconds=30)
