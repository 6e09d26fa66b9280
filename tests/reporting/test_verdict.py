"""The report's first lines: which lines are accepted, and whether their grades can be relied on."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from glowseis.judging.unlike import summary
from glowseis.reporting.acceptance import judge
from glowseis.reporting.page import report_page
from glowseis.reporting.rules import read_rules
from glowseis.reporting.verdict import verdict
from tests.support.found_lines import ORIGIN, found_lines
from tests.support.page_reader import PageReader


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return found_lines(tmp_path_factory.mktemp("found"))


def test_first_line_is_the_verdict(found):
    rules = read_rules(None)
    said = verdict(judge(found.records, rules, "bad"), found)
    assert said.startswith("No line is accepted: line 1, line 2. Not judged")
    assert "Not judged on any line: ambient noise, RMS." in said
    half = found.records.assign(grade=np.where(found.records["line"] == "line 1", "good", "bad"))
    said = verdict(judge(half, rules, "bad"), found)
    assert said.startswith(
        "1 of 2 lines are accepted, as far as the rules could be judged; not accepted: line 2. Not judged"
    )
    noisy = half.assign(noise_rms_median=np.where(half["line"] == "line 1", 9.0, np.nan))
    said = verdict(judge(noisy, read_rules(None, "microbar"), "bad"), found)
    assert "Not judged on some lines or cables: ambient noise, RMS." in said
    many = pd.concat([half.assign(line=f"line {number}") for number in range(1, 30)], ignore_index=True)
    assert "line 20 and 9 more. Not judged" in verdict(judge(many.assign(grade="bad"), rules, "bad"), found)
    one = found.records[(found.records["line"] == "line 1") & (found.records["cable"] == 1)]
    said = verdict(judge(one, rules, "bad"), found)
    assert said.startswith("Line 1 is not accepted: bad records 3 of 30 (10.0 %), allowed 5 %.")
    good = one.assign(grade="good")
    assert verdict(judge(good, rules, "bad"), found).startswith(
        "Line 1 is accepted, as far as the rules could be judged. Not"
    )
    said = verdict(judge(good.assign(noise_rms_median=7.9), read_rules(None, "microbar"), "bad"), found)
    assert said.startswith("Line 1 is accepted. ")


@pytest.mark.slow
def test_first_line_says_which_lines_have_too_few_records(found):
    rules = read_rules(None)

    def said(frame):
        return verdict(judge(frame, rules, "bad"), found)

    line, other = (found.records[found.records["line"] == f"line {one}"].assign(grade="good") for one in (1, 2))
    few = other[other["shot"] <= 1004].assign(grade="bad")
    assert said(few).startswith(
        "Line 2 is not judged: it has at most 4 records on a cable, 8 bad; with fewer than 20, a share says little. "
    )
    accepted = "1 of 2 lines are accepted, as far as the rules could be judged"
    assert said(pd.concat([line, few])).startswith(f"{accepted}; too few records to judge: line 2. Not judged on any")
    bad = pd.concat([line.assign(grade="bad"), few])
    assert said(bad).startswith("No line is accepted; not accepted: line 1; too few records to judge: line 2. ")
    both = pd.concat([few, few.assign(line="line 3")], ignore_index=True)
    assert said(both).startswith("No line is judged: all 2 have too few records on a cable. Bad: 16 records. If bad ")
    # One cable of several.
    some = line[(line["cable"] == 1) | (line["shot"] <= 1004)]
    one = "Line 1 is accepted, as far as the rules could be judged. On 1 cable of it there are too few records to judge"
    assert said(some).startswith(f"{one}. Not judged: ambient noise, RMS.")
    # There are enough, but noise was measured on four.
    quiet = line[line["cable"] == 1]
    quiet = quiet.assign(noise_rms_median=np.where(quiet["shot"] <= 1004, 1.0, np.nan))
    told = verdict(judge(quiet, read_rules(None, "microbar"), "bad"), found)
    assert told.startswith("Line 1 is accepted, as far as the rules could be judged. Not judged: ambient noise, RMS.")
    page = PageReader(report_page(found, judge(pd.concat([line, few]), rules, "bad"), ORIGIN))
    assert page.tables["lines"][2] == ["line 2", "not judged", "-", "all: at most 4 records on a cable, 20 needed"]
    assert "With fewer than 20 records, a share says little" in page.text


@pytest.mark.parametrize(
    ("unlike", "told"),
    [
        ([0.5] * 19 + [2.0], "Records unlike the training data of robust/2: 1 of 20 (5.0 %)."),
        (
            [0.5] * 10 + [2.0] * 10,
            "Do not rely on the grades: the survey is unlike the training data of robust/2. 10 of",
        ),
        ([np.nan] * 20, "It is not known whether the records are like the training data of robust/2."),
    ],
)
def test_first_line_says_whether_grades_can_be_relied_on(found, unlike, told):
    other = dataclasses.replace(found, unlike=summary(["line 1"] * 20, unlike))
    assert told in verdict(judge(found.records, read_rules(None), "bad"), other)
