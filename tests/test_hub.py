"""Whether the hub answers, how soon that is noticed, and what becomes of downloads that go wrong."""

import threading
import time

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session

from agnews_core import hub
from agnews_core.errors import HubError
from agnews_core.hub import HubFiles, Reachability, download_from_hub, find_in_hub_cache, hub_answers

FILES = HubFiles("model", needed=(("config.json",), ("*.safetensors",)), welcome=("*.txt",))
BIG = b"weights" * 400_000


@pytest.fixture
def repo(local_hub, tmp_path):
    (tmp_path / "empty").mkdir()
    more = {"config.json": b"{}", "model.safetensors": BIG, "merges.txt": b"a b", "tf_model.bin": b"not wanted"}
    local_hub.add("some/model", tmp_path / "empty", **more)
    return local_hub


@pytest.fixture
def clock(monkeypatch):
    """The time that answers are kept by, moved by hand."""
    now = [1_000.0]
    monkeypatch.setattr("agnews_core.hub.time.monotonic", lambda: now[0])
    return now


def download_fails() -> str:
    with pytest.raises(HubError) as caught:
        download_from_hub("some/model", FILES)
    return str(caught.value)


def wait_for(found) -> bool:
    """Wait until something becomes true in another thread."""
    until = time.perf_counter() + 10
    while not found() and time.perf_counter() < until:
        threading.Event().wait(0.01)
    return found()


def test_a_hub_that_is_silent_is_given_up_on_once(local_hub, monkeypatch):
    monkeypatch.setattr(hub, "HUB_TIMEOUT_SECONDS", 1.0)
    local_hub.fail("silent")
    began = time.monotonic()
    assert [hub_answers(), hub_answers()] == [False, False]
    assert time.monotonic() - began < 2.5
    assert local_hub.count_asked("/") == 1


def test_of_many_who_ask_at_once_one_asks_the_hub(local_hub):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(hub_answers())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 20
    assert local_hub.count_asked("/") == 1


@pytest.mark.parametrize(("status", "answers"), [("200", True), ("302", True), ("401", True), ("503", False)])
def test_a_hub_that_answers_with_its_own_failure_does_not_count(local_hub, status, answers):
    local_hub.fail(status)
    assert hub_answers() is answers


@pytest.mark.parametrize("setting", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["nonsense://x", "socks5://127.0.0.1:9", "http://[", "http://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_reads_as_no_hub(local_hub, monkeypatch, setting, proxy):
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.invalid")
    monkeypatch.setenv(setting, proxy)
    close_session()
    assert hub_answers() is False


def test_offline_mode_asks_nobody(local_hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hub_answers() is False
    assert local_hub.asked == []


def test_a_hub_that_comes_back_is_noticed_and_nobody_waits_for_it(local_hub, clock):
    local_hub.stop()
    assert hub_answers() is False
    local_hub.start()
    assert hub_answers() is False, "the answer holds for a while"
    clock[0] += hub.NO_HOLDS_SECONDS
    hub_answers()  # asks behind the back of who reads the old answer
    assert wait_for(hub_answers)


def test_a_hub_that_goes_away_is_noticed_while_the_old_answer_is_given_at_once(local_hub, clock):
    assert hub_answers() is True
    local_hub.fail("silent")
    clock[0] += hub.YES_HOLDS_SECONDS
    began = time.perf_counter()
    assert hub_answers() is True
    assert time.perf_counter() - began < 1
    local_hub.stop()
    assert wait_for(lambda: not hub_answers())


def test_answers_are_kept_for_each_who_keeps_them(local_hub):
    assert Reachability()() is True
    local_hub.stop()
    assert Reachability()() is False


def test_a_download_has_the_files_that_are_wanted_and_is_found_again_without_the_hub(repo):
    folder = download_from_hub("some/model", FILES)
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "merges.txt", "model.safetensors"]
    assert (folder / "model.safetensors").read_bytes() == BIG
    repo.stop()
    assert find_in_hub_cache("some/model", FILES) == folder


@pytest.mark.parametrize("kind", ["truncated", "reset"])
def test_a_download_that_was_cut_off_is_no_snapshot_and_a_new_one_makes_it_whole(repo, kind, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    repo.fail(kind, "model.safetensors", times=1 if kind == "reset" else 99)
    assert download_fails() == "Its download broke off; try again."
    assert find_in_hub_cache("some/model", FILES) is None
    repo.faults.clear()
    assert find_in_hub_cache("some/model", FILES) is None
    assert download_from_hub("some/model", FILES) == find_in_hub_cache("some/model", FILES)


def test_a_download_that_stumbles_goes_on_where_it_was(repo, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    repo.fail("truncated", "model.safetensors", times=2)
    assert (download_from_hub("some/model", FILES) / "model.safetensors").read_bytes() == BIG


def test_a_file_that_is_not_the_hubs_is_thrown_away(repo):
    repo.fail("damaged", "model.safetensors")
    assert download_fails() == "What came of it is damaged; try again."
    assert find_in_hub_cache("some/model", FILES) is None
    repo.faults.clear()
    assert (download_from_hub("some/model", FILES) / "model.safetensors").read_bytes() == BIG


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        ("401", {"X-Error-Code": "RepoNotFound"},
         "The hub has nothing public of this name; check the spelling, or run `hf auth login`."),
        ("401", {"X-Error-Message": "Invalid credentials in Authorization header"},
         "The hub does not accept the token that is set here; log in anew with `hf auth login`."),
        ("403", {}, "The hub denies access to it; check what your token may read."),
        ("404", {}, "The hub answers with error 404; try again later."),
        ("429", {"Retry-After": "60"}, "The hub has had too many requests from here; try again in a few minutes."),
        ("500", {}, "The hub answers with error 500; try again later."),
    ],
)  # fmt: skip
def test_each_refusal_has_its_own_reason_and_advice(repo, status, headers, message):
    repo.fail(status, "/revision/main", headers=headers)
    assert download_fails() == message


def test_a_name_that_the_hub_does_not_have_is_told_from_a_hub_that_is_not_there(local_hub):
    with pytest.raises(HubError, match=r"^The hub has nothing public of this name; check the spelling"):
        download_from_hub("some/modle", FILES)
    with pytest.raises(HubError, match=r"^The hub has no such names; check the spelling\.$"):
        download_from_hub("some model!", FILES)


def test_a_gated_model_is_told_with_where_to_ask(repo):
    repo.gated.add("some/model")
    assert download_fails() == (
        "Its owners grant access on request; ask for it on its page there and run `hf auth login`."
    )


def test_a_hub_that_falls_silent_in_a_download_is_not_waited_for_without_end(repo, monkeypatch):
    monkeypatch.setattr(hub, "SILENCE_SECONDS", 0.2)
    repo.fail("silent", "/revision/main")
    assert hub_answers() is True
    assert download_fails() == "The hub does not answer; connect to the hub once."


def test_a_hub_that_goes_away_between_question_and_download_is_told(repo):
    assert hub_answers() is True
    repo.stop()
    assert download_fails() == "The hub does not answer; connect to the hub once."


def test_a_full_disk_is_told(repo, monkeypatch):
    def write(*given, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download._chmod_and_move", write)
    assert download_fails() == "There is no room on the disk for it; make room."
