"""Shots without a number, and the words that count them instead."""

import re

import numpy as np
import pytest

from tests.support.shot_files import Line, opened, told, written

BOTH = pytest.mark.parametrize("ending", [".segy", ".su"])

SORTING = (3229, "h")


@BOTH
@pytest.mark.parametrize(
    ("words", "mend"),
    [
        ({}, "EnergySourcePoint holds 2001 to 2005; try --shot-header EnergySourcePoint"),
        ({"ep": lambda line: 7000 + np.arange(120), "sp": lambda line: 50 + line.shot}, "ShotPoint holds 50 to 54"),
        (
            {"ep": lambda line: 7000 + np.arange(120)},
            "only SourceX tells them apart, it holds 500000 to 500100",
        ),
        ({"ep": lambda line: 9 + line.shot // 2}, "--shot-header SourceX"),
        ({"scalco": lambda line: -10}, "EnergySourcePoint holds 2001 to 2005"),
    ],
)
def test_shots_without_a_number_in_one_gather(tmp_path, ending, words, mend):
    line = Line(5)
    path = written(tmp_path, line.with_words(fldr=0, **{name: value(line) for name, value in words.items()}), ending)
    text = told(path)["moving"]
    assert text.startswith("the source moves within 1 gather (a-shot0), each of which may be several shots: ")
    assert mend in text
    word = re.search(r"try --shot-header (\w+)", text)[1]
    assert "moving" not in told(path, shot_header=word)
    assert len(list(opened(path, shot_header=word).gathers())) == 5


def test_two_lines_that_end_and_begin_with_one_number(tmp_path):
    line = Line(4)
    line.with_words(fldr=np.array([1001, 1002, 1002, 1003])[line.shot], ep=7, sx=500_000 + 9000 * line.shot)
    line.with_words(gx=line["sx"] - line["offset"], line=1 + line.shot // 2)
    path = written(tmp_path, line)
    text = told(path)["moving"]
    assert "1 gather (a-shot1002)" in text and "byte 237 holds 1 to 2; try --line-header 237" in text
    assert told(path, line_header="237") == {}


@pytest.mark.parametrize("known", [True, False])
def test_shots_in_one_gather_whose_source_is_unknown(tmp_path, known):
    line = Line(5).with_words(fldr=0, sx=0, gx=0)
    if not known:
        line.with_words(offset=0, tracf=np.arange(120))
    text = told(written(tmp_path, line))["restarting"]
    assert "EnergySourcePoint holds 2001 to 2005; try --shot-header EnergySourcePoint" in text


def unnumbered(**words):
    """A line of five shots whose headers hold nothing but these words."""
    line = Line(5)
    return line.with_words(**dict.fromkeys(line, 0) | {name: value(line) for name, value in words.items()})


RUNS = {
    "INLINE_3D": ("iline", lambda line: 1 + line.shot, "1 to 5"),
    "CDP": ("cdp", lambda line: 9 - line.shot, "5 to 9"),
    "CROSSLINE_3D": ("xline", lambda line: 10 * line.shot, "0 to 40"),
    "TRACE_SEQUENCE_LINE": ("tracl", lambda line: 1 + line.shot, "1 to 5"),
    "EnergySourcePoint": ("ep", lambda line: 2001 + line.shot, "2001 to 2005"),
}


@BOTH
@pytest.mark.parametrize(("word", "holds"), [(word, run[2]) for word, run in RUNS.items()])
@pytest.mark.parametrize("channel", [lambda line: 0, lambda line: 1 + line.number, lambda line: np.arange(120)])
@pytest.mark.parametrize("offset", [0, 1])
def test_shots_that_another_word_counts(tmp_path, ending, word, holds, channel, offset):
    """As segyio's from_array3D writes them, among others: one offset, channels that count on through the file."""
    name, value, _ = RUNS[word]
    line = unnumbered(tracf=channel, offset=lambda _: offset, **{name: value})
    path = written(tmp_path, line, ending)
    (text,) = told(path).values()
    assert "(a-shot0)" in text and f"{word} holds {holds}; try --shot-header {word}" in text
    assert told(path, shot_header=word) == {}
    assert [gather.amplitude.shape for gather in opened(path, shot_header=word).gathers()] == [(60, 24)] * 5


def test_a_word_that_counts_shots_says_more_than_the_sorting_code(tmp_path):
    line = unnumbered(tracf=lambda line: np.arange(120), iline=lambda line: line.shot, offset=lambda line: 1)
    path = written(tmp_path, line, binary={SORTING: 2})
    assert list(told(path)) == ["unnumbered"] and told(path, shot_header="INLINE_3D") == {}
    assert list(told(written(tmp_path, line, binary={SORTING: 4}))) == ["sorting"]
    # One number for all shots that is not 0 counts them no better.
    path = written(tmp_path, line.with_words(fldr=7))
    assert "FieldRecord is 7 in all traces" in told(path)["unnumbered"]


@BOTH
@pytest.mark.parametrize(
    ("words", "what"),
    [
        ({}, ": no other"),
        ({"tracl": lambda line: np.arange(120)}, ": no other"),
        ({"tracr": lambda line: 1 + np.arange(120), "xline": lambda line: line.number}, ": no other"),
        ({"tracf": lambda line: 1 + line.number}, ", in which channel numbers (TraceNumber) repeat: no other"),
        ({"offset": lambda line: 100 + line.number}, ", in which offsets start again: no other"),
    ],
)
def test_shots_that_no_word_counts(tmp_path, ending, words, what):
    text = told(written(tmp_path, unnumbered(**words), ending))
    start = f"FieldRecord is 0 in all traces, so several shots may lie together in 1 gather (a-shot0){what}"
    assert list(text) == ["unnumbered"] and text["unnumbered"].startswith(start)
    assert "no other header word counts shots; write shot numbers into the headers and pass --shot" in str(text)


@BOTH
@pytest.mark.parametrize(
    "words",
    [
        {"tracf": 1 + np.arange(24)},
        {"tracf": 24 - np.arange(24)},
        {"tracf": 1 + np.arange(24), "cdp": np.arange(24) // 4},
        {"offset": 100 + 12 * np.arange(24)},
        {"offset": 25 * np.abs(np.arange(-12, 12))},
        {"tracf": 1 + np.arange(24), "offset": 100 + 12 * np.arange(24), "iline": np.arange(24) // 12},
        {"fldr": 7},
        {"sx": 5, "gx": np.arange(24)},
    ],
)
def test_a_single_shot_without_a_number_is_sound(tmp_path, ending, words):
    line = Line(1)
    line.with_words(**dict.fromkeys(line, 0) | words)
    assert told(written(tmp_path, line, ending)) == {}


def test_a_single_shot_of_counted_traces_is_sound_once_they_are_called_channels(tmp_path):
    line = Line(1)
    path = written(tmp_path, line.with_words(**dict.fromkeys(line, 0), tracl=1 + line.number))
    assert list(told(path)) == ["unnumbered"] and told(path, trace_header="TRACE_SEQUENCE_LINE") == {}
