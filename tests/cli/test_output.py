"""What goes on is shown on standard error, on a terminal and in a log."""

import io
import sys
import threading

from agnews_core.cli import output
from agnews_core.cli.output import progress


class Watched(io.StringIO):
    """Standard error that lets go of a command once it has said something often enough."""

    def __init__(self, *, is_terminal, until):
        super().__init__()
        self.is_terminal, self.until = is_terminal, until
        self.said = threading.Event()

    def isatty(self):
        return self.is_terminal

    def write(self, text):
        written = super().write(text)
        if self.getvalue().count(self.until[0]) >= self.until[1]:
            self.said.set()
        return written


def watch(monkeypatch, *, is_terminal, until):
    error = Watched(is_terminal=is_terminal, until=until)
    monkeypatch.setattr(sys, "stderr", error)
    for name in ("TERMINAL_SECONDS", "LOG_SECONDS"):
        monkeypatch.setattr(output, name, 0.01)
    return error


def test_a_terminal_shows_a_bar_that_moves_even_while_nothing_is_told(monkeypatch):
    error = watch(monkeypatch, is_terminal=True, until=("Reading news.csv: 1,234 bytes [00:00]", 3))
    with progress("Reading news.csv", unit=" bytes") as tell:
        tell(1_234)
        assert error.said.wait(10)


def test_a_log_has_lines_and_no_bar_that_returns_to_its_beginning(monkeypatch):
    error = watch(monkeypatch, is_terminal=False, until=("Classifying:  40%", 2))
    with progress("Classifying", 1_000, unit=" texts") as tell:
        tell(400, 1_000)
        assert error.said.wait(10)
    lines = error.getvalue().splitlines()
    assert "\r" not in error.getvalue()
    assert " 400/1000 [" in lines[-1]
    assert "texts/s]" in lines[-1]


def test_what_is_done_within_a_minute_leaves_nothing_in_a_log(monkeypatch):
    monkeypatch.setattr(sys, "stderr", error := io.StringIO())
    with progress("Classifying", 10) as tell:
        tell(10)
    assert error.getvalue() == ""
