import io
import sys

import pytest

from glowseis.survey import progress as told
from glowseis.survey.progress import progress, stage, stages


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that is moved by hand."""
    now = [0.0]
    monkeypatch.setattr(told.time, "monotonic", lambda: now[0])
    return now


def passed(clock, lengths_s, *words):
    """Things that take so long, one after another."""
    for number, _ in enumerate(progress(range(len(lengths_s)), *words)):
        clock[0] += lengths_s[number]


def test_a_file_gets_a_line_now_and_then(clock, capsys):
    passed(clock, [10.0] * 12, 22, "grading", 10)
    assert capsys.readouterr().err.splitlines() == [
        "grading: 13 of 22 gathers after 30 s, about 90 s left",
        "grading: 16 of 22 gathers after 60 s, about 60 s left",
        "grading: 19 of 22 gathers after 90 s, about 30 s left",
    ]


def test_what_is_done_soon_says_nothing(clock, capsys):
    passed(clock, [1.0] * 29, 29, "grading")
    assert capsys.readouterr() == ("", "")


def test_lines_without_a_known_number(clock, capsys):
    passed(clock, [7300.0] * 2, None, "checking")
    assert capsys.readouterr().err == "checking: 1 gathers after 2.0 h\n"


def test_stages_of_a_long_command_are_told(clock, capsys):
    with stages():
        passed(clock, [2.0] * 4, 4, "reading")
        with stages():
            stage("drawing")
        clock[0] += 10
        passed(clock, [10.0], 1, "explaining")
        stage("writing")
    clock[0] += 60
    stage("something else")
    passed(clock, [1.0], 1, "grading")
    assert capsys.readouterr().err.splitlines() == [
        "reading: 3 of 4 gathers after 6 s, about 2 s left",
        "drawing, 8 s after the start",
        "explaining: 0 of 1 gather, 18 s after the start",
        "writing, 28 s after the start",
    ]


def test_a_terminal_gets_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(progress(range(3), 3, "grading")) == [0, 1, 2]
    assert "3/3" in sys.stderr.getvalue()


def test_without_standard_error_things_pass(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress(range(3), 3, "grading")) == [0, 1, 2]
