"""Shot numbers that come back in a file: torn shots, or another line whose word is named; label rows that fit both."""

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.formats import trace_source
from glowseis.survey.formats.shots_again import occurrences
from glowseis.survey.ingestion.ingest import ingest
from glowseis.survey.ingestion.request import Request
from glowseis.survey.store.survey import open_survey
from tests.support.shot_files import Line, told, written


def two_lines(**words):
    """Two lines of three shots, 1001 to 1003 each, the second one elsewhere."""
    line = Line(6)
    second = line.shot > 2
    line["fldr"] = 1001 + line.shot % 3
    line["ep"] = 2001 + line.shot % 3
    for name in ("sx", "gx"):
        line[name] = line[name] + 90_000 * second
    return line.with_words(**{name: value(second) for name, value in words.items()})


BOTH = pytest.mark.parametrize("ending", [".segy", ".su"])


def test_numbers_that_come_back_late_in_a_file_are_of_another_line(tmp_path, monkeypatch):
    """Only the first gathers are looked at, and none of them repeats."""
    monkeypatch.setattr(trace_source, "LOOKED_AT", 3)
    line = two_lines(line=lambda second: 7 + second)
    assert "as on another sail line: pass --line-header" in told(written(tmp_path, line))["again"]


def test_occurrences():
    assert occurrences(np.array([[1, 2], [1, 3], [1, 2], [1, 2]])).tolist() == [1, 1, 2, 3]


@BOTH
@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"line": lambda second: 7 + second}, "byte 237 holds 7 to 8; try --line-header 237"),
        ({"ep": lambda second: 50 + np.arange(144) // 24}, "EnergySourcePoint holds 50 to 55; try --shot-header"),
        ({"sp": lambda second: 1 + np.arange(144) // 24}, "ShotPoint holds 1 to 6; try --shot-header ShotPoint"),
        ({}, "pass --line-header with the word that tells lines apart, or make a file for each line"),
        # A word that changes within shots tells none apart.
        ({"ep": lambda second: np.arange(144)}, "pass --line-header"),
    ],
)
def test_another_line_that_counts_from_the_beginning(tmp_path, ending, words, text):
    path = written(tmp_path, two_lines(**words), ending)
    found = told(path)["again"]
    assert "3 gathers of a shot that came before" in found and "as on another sail line" in found and text in found


def test_the_option_that_is_named_mends_it(tmp_path):
    path = written(tmp_path, two_lines(line=lambda second: 7 + second))
    assert not told(path, line_header="237")
    path = written(tmp_path, two_lines(sp=lambda second: 1 + np.arange(144) // 24))
    assert not told(path, shot_header="ShotPoint")


def test_lines_without_coordinates_are_told_by_their_first_channel(tmp_path):
    line = two_lines(line=lambda second: 7 + second).with_words(sx=0, gx=0, gy=0)
    assert "try --line-header 237" in told(written(tmp_path, line))["again"]


AGAIN, UNCLEAR, ANOTHER = (
    "probably recorded again: both are kept",
    "recorded again, or the numbers",
    "sail line: Energy",
)


@pytest.mark.parametrize(
    ("again", "moved_m", "why"),
    [
        # Near the earlier shots, on along the line as where a recorder was restarted, on another line, and unknown.
        ((1003, 1004), 30, AGAIN),
        ((1009,), 110, AGAIN),
        ((1009,), 300, UNCLEAR),
        ((1019, 1020), 5000, UNCLEAR),
        ((1003, 1004), None, UNCLEAR),
        # Those that the line begins with, or many, are another line.
        ((1001, 1002), 5000, ANOTHER),
        ((1001, 1002), None, ANOTHER),
        (range(1003, 1010), 5000, ANOTHER),
        (range(1003, 1010), None, ANOTHER),
    ],
)
@pytest.mark.parametrize("is_numbered", [True, False])
def test_shots_that_were_recorded_again(tmp_path, again, moved_m, why, is_numbered):
    shots = np.repeat([*range(1001, 1021), *again], 8)
    line = Line(len(shots) // 8, 8)
    line.with_words(fldr=shots, ep=1 + line.shot if is_numbered else shots)
    for name in ("sx", "gx", "gy"):
        moved = 25 * (shots - 1001 - line.shot) + (moved_m or 0) * (line.shot >= 20)
        line[name] = line[name] + moved * (name != "gy") if moved_m else 0
    found = told(written(tmp_path, line))["again"]
    assert (why if is_numbered else why.removesuffix(": Energy")) in found
    assert ("try --shot-header EnergySourcePoint" in found) == (why != AGAIN and is_numbered)
    assert ("pass --line-header" in found) == (why == AGAIN or not is_numbered)


@pytest.mark.parametrize("places", [{}, {"sx": 0, "gx": 0, "gy": 0}])
def test_torn_shots(tmp_path, places):
    """The near halves of all shots, then the far ones."""
    line = Line(4)
    line.sorted_by(line.number // 12, line.shot, line.number).with_words(**places)
    found = told(written(tmp_path, line))["again"]
    assert "4 gathers of a shot that came before" in found
    assert "sort the traces by shot or pass --shot-header" in found and "sail line" not in found


def test_a_row_by_shot_that_fits_two_lines_of_a_file_asks(tmp_path):
    """Also where nothing but the order of the traces tells that there are two."""
    path = written(tmp_path, two_lines(line=lambda second: 7 + second))
    table = tmp_path / "grades.csv"
    table.write_text("shot,label\n1002,bad\n")
    with pytest.raises(
        InputError, match=r"row 2: shot 1002 occurs twice in .*try --line-header 237, or label by gather_id"
    ):
        ingest(Request([path], labels=table), tmp_path / "out")
    table.write_text("file,shot,label\na.segy,1002,bad\n")
    with pytest.raises(InputError, match="the row fits both"):
        ingest(Request([path], labels=table), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    for number, text in enumerate(("gather_id,label\na-shot1002-2,bad\n", "file,label\na.segy,bad\n")):
        table.write_text(text)
        ingest(Request([path], labels=table), tmp_path / f"out{number}")
        assert (open_survey(tmp_path / f"out{number}").index["label"] == "bad").sum() == (1, 6)[number]


def test_a_sound_file_says_nothing_of_it(tmp_path):
    assert "again" not in told(written(tmp_path, Line(3)))
