import dataclasses
import itertools
import re

import numpy as np
import pandas as pd
import pytest

from glowseis.attributes import maps
from glowseis.judging.unlike import summary
from glowseis.reporting.acceptance import judge
from glowseis.reporting.findings import Findings
from glowseis.reporting.maps import MOST_CELLS
from glowseis.reporting.page import report_page
from glowseis.reporting.records import level, ranges
from glowseis.reporting.rules import read_rules
from glowseis.reporting.strips import MOST_COLUMNS, colours_of, strips
from glowseis.reporting.verdict import all_shots
from glowseis.reporting.worst import explanation, where_of, worst_heading, worst_parts, worst_words
from tests.support.browser import contrast, needs_chromium, rendered
from tests.support.found_lines import LABELS, ORIGIN, found_lines
from tests.support.page_reader import PageReader

ONE_OF_ONE = ["1 of 1 (100.0 %)", "not judged (1 record)", "1030"]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return found_lines(tmp_path_factory.mktemp("found"))


@pytest.fixture(scope="module")
def text(found):
    with pytest.MonkeyPatch.context() as patch:
        # Each map takes a while to draw.
        patch.setattr(maps, "NUMBERS", ("noise_rms",))
        return report_page(found, judge(found.records, read_rules(None), "bad"), ORIGIN)


def test_page_is_whole_and_needs_nothing_else(text):
    ids = PageReader(text).check_alone()
    assert [name for name in ids if name in ("grades", "acceptance", "maps", "worst", "by-line", "origin-of-it")] == [
        *("grades", "acceptance", "maps", "worst", "by-line", "origin-of-it")
    ]


def test_names_of_users_are_text_everywhere(text):
    page = PageReader(text)
    assert "<1>" not in text
    assert "line <1> & 2.segy" in page.text and "1. shot<1>&co-" in page.text and "with <nothing>" in page.text
    assert text.count("<title>shot 10") == 120 and "shot 1001, shot&lt;1&gt;&amp;co-0: " in text


def test_every_record_has_a_column_and_its_grade_a_colour(found, text):
    page = PageReader(text)
    inks = [one["class"] for one in page.all("path") if re.search(r" 45h1", one.get("d", ""))]
    colours = dict(zip((*LABELS, "unsure", ""), ("0969da", "9a6700", "cf222e", "8250df", "57606a"), strict=True))
    for grade, colour in colours.items():
        assert inks.count(f"ink-{colour}") == (found.records["grade"] == grade).sum() > 0
    assert (
        len([one for one in page.all("path") if one.get("class") == "ink"]) == 1 == (found.records["unlike"] > 1).sum()
    )


def test_columns_are_stacked_by_probability():
    records = pd.DataFrame(
        {
            "line": "line 1",
            "cable": 1,
            "shot": [5, 6],
            "gather_id": ["a", "b"],
            "grade": ["bad", ""],
            "reason": ["", "no"],
        }
        | {"probability_good": [0.1, np.nan], "probability_medium": [0.3, np.nan], "probability_bad": [0.6, np.nan]}
        | {"unlike": [0.5, np.nan]}
    )
    (strip,) = strips(LABELS, records)
    assert strip.ticks == [(5, 25), (6, 75)] and strip.columns == 2 and strip.counted == "shot"
    assert '<path class="ink-cf222e" d="M0 20h1v24h-1z"/>' in strip.lanes[0].svg
    assert '<path class="ink-9a6700" d="M0 8h1v12h-1z"/>' in strip.lanes[0].svg
    assert "shot 6, b: not graded; no</title>" in strip.lanes[0].svg
    assert colours_of(["a", "b"]) == ["#0969da", "#cf222e"]
    assert len(set(colours_of("abcdef"))) == 6 and colours_of("abcdef")[-1] == "#cf222e"


def test_records_without_shot_numbers_are_counted(found, text):
    own = found.records[(found.records["line"] == "line 1") & (found.records["cable"] == 1)]
    (strip,) = strips(LABELS, own.assign(shot=0))
    assert [tick for tick, _ in strip.ticks] == [1, 8, 15, 23, 30] and strip.counted == "record"
    assert [round(place) for _, place in strip.ticks] == [2, 25, 48, 75, 98]
    # What is left blank means something too.
    assert "blank above the colours: good" in PageReader(text).text and "mostly blank is good" in text


def test_the_loudest_noise_bands_come_first(found):
    quiet, loud = (dataclasses.replace(found.worst[0].bands[0], rms=rms, excess=9 - rms) for rms in (1.0, 3.5))
    one = dataclasses.replace(found.worst[0], bands=[quiet, loud])
    (facts,) = [part.content for part in worst_parts([one], found.records, LABELS)[1:2]]
    band = "traces 13 to 18, RMS {}, {} times the background at 4.0 Hz"
    assert f"2 noise bands: {band.format('3.50', '5.5')}; {band.format('1.00', '8.0')}." in facts


@pytest.mark.parametrize(("arrivals", "told"), [(0, " No first arrivals, "), (40, " Noise not measured, ")])
def test_a_gather_whose_noise_was_not_measured_may_have_first_arrivals(found, arrivals, told):
    records = found.records.copy()
    row = found.worst[0].row
    records.loc[row, "noise_rms_median"] = np.nan
    records.loc[row, "first_arrivals"] = arrivals
    assert told in worst_parts(found.worst[:1], records, LABELS)[1].content


def test_names_of_lines_on_maps_do_not_overlap(tmp_path):
    found_lines(tmp_path, 20, 1, 2, worst=0)
    one = next(iter(maps.attribute_maps(tmp_path, (600, 300), (3.7, 2.5))))
    one.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in one.figure.axes[0].texts]
    assert 5 < len(boxes) < 20
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(boxes))


def test_maps_lie_in_one_place_and_their_scales_have_numbers(tmp_path):
    found_lines(tmp_path, 1, 1, 8, worst=0)
    drawn = list(maps.attribute_maps(tmp_path, (600, 300), (4.8, 3.3)))
    assert len({tuple(one.figure.axes[0].get_position().bounds) for one in drawn}) == 1
    bars = {one.name: one.figure.axes[1] for one in drawn if len(one.figure.axes) > 1}
    assert set(bars) == set(maps.TITLES) and min(len(bar.get_yticks()) for bar in bars.values()) >= 3
    # Shares between 0.5 and 2 are shown in per cent.
    for name in maps.SHARES:
        assert maps.TITLES[name].endswith("(%)") and bars[name].get_ylim()[0] > 50
    faults = drawn[-1].figure
    image = faults.axes[0].images[0]
    shown = image.to_rgba(image.get_array())
    assert shown[..., 3].min() == 0 and shown[..., 3].max() == 1
    for _, colour in maps.COLOURS.values():
        levels = ", ".join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5))
        assert min(contrast(levels, "255, 255, 255"), contrast(levels, "13, 17, 23")) > 2.5


def test_of_records_that_share_a_column_the_worst_is_shown():
    count = 2 * MOST_COLUMNS
    bad = np.zeros(count)
    bad[101] = 0.99
    records = pd.DataFrame(
        {"line": "line 1", "cable": 1, "shot": np.arange(count), "gather_id": "a", "grade": "good", "reason": ""}
        | {"probability_good": 1 - bad, "probability_bad": bad, "unlike": 0.5}
    )
    (strip,) = strips(("good", "bad"), records)
    assert strip.columns == MOST_COLUMNS and "up to 2 records" in strip.note
    assert "shot 101," in strip.lanes[0].svg and "shot 100," not in strip.lanes[0].svg


def test_cables_are_lined_up_by_shot_although_one_was_recorded_again():
    shots = {1: [1, 2, 3, 3, 4, 5], 2: [1, 2, 4, 5]}
    rows = [(cable, shot) for cable, own in shots.items() for shot in own]
    records = pd.DataFrame(rows, columns=["cable", "shot"]).assign(
        line="line 1", gather_id="a", grade="bad", reason="", probability_good=0.1, probability_bad=0.9, unlike=0.5
    )
    (strip,) = strips(("good", "bad"), records)
    columns = [
        re.findall(r"<title>shot (\d+),.*?</title><path class=\"none\" d=\"M(\d+)", lane.svg) for lane in strip.lanes
    ]
    assert strip.columns == 6
    assert columns[0] == [("1", "0"), ("2", "1"), ("3", "2"), ("3", "3"), ("4", "4"), ("5", "5")]
    assert columns[1] == [("1", "0"), ("2", "1"), ("4", "4"), ("5", "5")]
    # Records without shot numbers have a column each.
    (strip,) = strips(("good", "bad"), records.assign(shot=0))
    assert strip.columns == 6


def test_tables_say_what_rules_and_records_say(found, text):
    page = PageReader(text)
    judged = judge(found.records, read_rules(None), "bad")
    head, *rows = page.tables["rules"]
    assert head == ["line", "rule", "asks for", "found", "result", "shots concerned"]
    assert [row[4] for row in rows] == [{True: "pass", False: "FAIL", None: "not judged"}[one.passed] for one in judged]
    assert rows[0][0] == "line 1, cable 1" and rows[0][5].startswith("1010, 1020, 1030")
    head, *rows = page.tables["statistics"]
    assert len(rows) == 5 and rows[-1][:3] == ["all", "all", "120"]
    own = found.records[(found.records["line"] == "line 2") & (found.records["cable"] == 1)]
    good = own["grade"] == "good"
    assert rows[2][:4] == ["line 2", "1", "30", f"{good.sum()} ({100 * good.mean():.0f} %)"]
    assert rows[2][head.index("mean severity")] == f"{own['severity'].mean():.2f}"
    assert rows[2][head.index("noise")] == level(own["noise_rms_median"].median())


def test_why_a_gather_has_its_grade(found):
    one = found.worst[0]
    # Columns run from the last trace to the first; its second quarter in time, its third of the columns.
    assert where_of(one, one.occlusion.places) == "traces 7 to 12 (channels 207 to 212) between 0.1 and 0.3 s"
    most = "Traces 7 to 12 (channels 207 to 212) between 0.1 and 0.3 s point most strongly to bad. "
    most += "With traces 7 to 12 (channels 207 to 212) covered from top to bottom, the probability of bad falls "
    most += "from 0.90 to "
    assert explanation(one, one.occlusion, "bad", LABELS) == (
        f"{most}0.20, and with its noise band covered instead it is 0.10."
    )
    other = explanation(one, one.occlusion, "medium", LABELS)
    assert "point most strongly away from good. " in other
    assert "the probability of good rises from 0.10 to 0.80, and" in other
    weak = dataclasses.replace(one.occlusion, without=0.8, without_known=None)
    told = explanation(one, weak, "bad", LABELS)
    left = "More than half of the probability of bad is left{}: what was covered does not explain the grade by itself."
    assert told == f"{most}0.80. {left.format('')}"
    assert explanation(one, dataclasses.replace(weak, without_known=0.7), "bad", LABELS).endswith(
        f"0.80, and with its noise band covered instead it is 0.70. {left.format(' each time')}"
    )
    assert "half" not in explanation(one, dataclasses.replace(weak, without_known=0.44), "bad", LABELS)
    # Zeros in place of traces may look worse than what they cover.
    assert "the probability of bad rises from 0.90 to 0.95" in explanation(
        one, dataclasses.replace(weak, without=0.95), "bad", LABELS
    )
    nothing = dataclasses.replace(weak, places=[], columns=[])
    assert explanation(one, nothing, "bad", LABELS) == (
        "No single part points to bad: covering any one hardly lowers the probability of bad."
    )


def test_places_of_the_same_traces_are_named_once(found):
    one = found.worst[0]
    first, other = slice(6, 12), slice(18, 24)
    places = [(slice(40, 50), first), (slice(0, 10), other), (slice(10, 20), first)]
    step = one.gather.geometry.sample_interval_s
    times = [f"between {step * start:.1f} and {step * (start + 10):.1f} s" for start in (10, 40, 0)]
    assert where_of(one, places) == (
        f"traces 13 to 18 (channels 213 to 218) {times[0]} and {times[1]}, "
        f"and traces 1 to 6 (channels 201 to 206) {times[2]}"
    )


def test_numbers_of_a_kind_have_as_many_digits(found):
    assert [level(value) for value in (12, 0.8694, 4110.7, 8.9, np.nan)] == ["12.0", "0.869", "4110", "8.90", ""]
    sure = dataclasses.replace(found.worst[0].occlusion, probability=0.9996, without=0.9951, without_known=0.9899)
    told = explanation(found.worst[0], sure, "bad", LABELS)
    assert "the probability of bad stays 1.00, and with its noise band covered instead it is 0.99." in told
    assert not re.search(r"\d\.\d{3}", told)


def test_gathers_of_the_mildest_grade_are_drawn_without_an_explanation(found, text):
    assert "The 2 gathers most likely to be bad" in text and "is not explained" not in PageReader(text).text
    records = found.records.assign(grade="good")
    worst = [dataclasses.replace(one, occlusion=None) for one in found.worst]
    mild = dataclasses.replace(found, records=records, worst=worst, tables=None)
    page = PageReader(report_page(mild, judge(records, read_rules(None), "bad"), ORIGIN))
    assert "The 2 gathers with the highest probability of bad: none is graded bad" in page.text
    assert "A grade of good is not explained." in page.text and "To explain a grade" not in page.text
    assert worst_heading(worst[:1], records, LABELS).endswith("of bad: it is graded good")
    (panels,) = worst_parts(worst, records, LABELS)
    assert panels.macro == "panels" and [one.caption[:9] for one in panels.content] == ["1. shot<1", "2. shot<1"]
    assert "noise band: traces 13 to 18" in panels.content[1].caption


def test_page_says_which_noise_is_framed(found, text):
    told = PageReader(text).text
    assert "A band is at least 3 neighbouring traces that are more than 2 times as loud from 1 to 8 Hz" in told
    assert "Noise that peaks above 7 Hz is not a band, so the loudest noise of a gather may not be framed." in told
    bare = [dataclasses.replace(one, bands=[]) for one in found.worst]
    assert len(worst_words(bare, found.records, LABELS)) == 1


def test_all_shots_of_a_rule_are_told_where_the_table_cuts_them(found):
    own = found.records[(found.records["line"] == "line 1") & (found.records["cable"] == 1)]
    own = own.assign(grade=np.where(own["shot"] % 2, "good", "bad"))
    told = all_shots(judge(own, read_rules(None), "bad"), own)
    assert told[0] == "Line 1, cable 1, bad records: " + ", ".join(map(str, range(1002, 1031, 2)))
    assert all_shots(judge(own[:20], read_rules(None), "bad"), own[:20]) == []


def test_ranges_of_shots():
    assert ranges([1, 2, 3, 7, 9, 10, 10]) == "1-3, 7, 9-10" and ranges([]) == ""
    assert ranges([1, 2, 3, 7, 9, 10], 2) == "1-3, 7 and 2 more"


def test_lines_of_one_record_and_without_grades_attributes_or_worst(found):
    one = found.records.iloc[[-1]].drop(columns=["traces", "dead", "dead_in_a_row", "noise_rms_median"])
    alone = Findings(one, LABELS, "robust/2", summary(one["line"], one["unlike"]))
    judged = judge(one, read_rules(None), "bad")
    page = PageReader(report_page(alone, judged, ORIGIN))
    assert "Line 2 is not judged: it has 1 record, 1 bad; with fewer than 20, a share says little." in page.text
    assert page.tables["rules"][1] == ["bad records", "at most 5 % of the line", *ONE_OF_ONE]
    assert "surveys hold pictures" in page.text and "likely to be bad" not in page.text


@pytest.mark.slow
def test_labels_stand_beside_grades(found):
    records = found.records.copy()
    assert "Labels beside grades" not in report_page(found, judge(records, read_rules(None), "bad"), ORIGIN)
    # Seven labels: four agree, whatever their capitals, two differ, one is of an unsure record, one of another class.
    grades, names = records["grade"], records["gather_id"]
    own = {label: list(np.flatnonzero(grades == label)) for label in (*LABELS, "unsure")}
    rows = [*own["good"][:2], own["bad"][0], own["medium"][0], own["bad"][1], own["good"][2], own["unsure"][0]]
    for row, label in zip(rows, ("Good", "good", "bad", "medium", "good", "bad", "bad"), strict=True):
        records.loc[row, "label"] = label
    records.loc[own["good"][5], "label"] = "<odd>"
    records.loc[rows[:3], "trained"] = True
    labelled = dataclasses.replace(found, records=records, whose="anna & ben (a.csv)", tables=None)
    text = report_page(labelled, judge(records, read_rules(None), "bad"), ORIGIN)
    page = PageReader(text)
    told = "Labels are those of anna & ben (a.csv). Of 7 labelled records, 4 (57.1 %) are graded as they are labelled, "
    assert f"{told}2 otherwise, 1 unsure. 1 more record with labels that robust/2 does not know." in page.text
    assert "3 of them trained robust/2 or chose its weights" in page.text
    assert page.tables["labels"][1:] == [
        ["good", "2", "0", "1", "0"],
        ["medium", "0", "1", "0", "0"],
        ["bad", "1", "0", "1", "1"],
    ]
    differing = page.tables["differing"][1:]
    assert {row[0] for row in differing} == set(names[rows[4:]])
    assert [float(row[-1]) for row in differing] == sorted(float(row[-1]) for row in differing)
    assert {(row[0], *row[4:6]) for row in differing} >= {
        (names[rows[4]], "good", "bad"),
        (names[rows[6]], "bad", "unsure"),
    }
    assert f"{names[rows[5]]}: good, labelled bad; " in text.replace("&lt;", "<").replace("&gt;", ">").replace(
        "&amp;", "&"
    )


@pytest.mark.slow
def test_of_many_lines_what_is_well_is_folded_away(found):
    records = found.records.assign(line=[f"line {shot}" for shot in found.records["shot"]])
    many = dataclasses.replace(found, records=records, tables=None, worst=[])
    judged = judge(records, read_rules(None).model_copy(update={"fewest_records": 1}), "bad")
    text = report_page(many, judged, ORIGIN)
    page = PageReader(text)
    failed = [one for one in judged if one.passed is False]
    assert [row[0] for row in page.tables["failed"][1:]] == [f"{one.line}, cable {one.cable}" for one in failed]
    assert len(page.tables["rules"]) == len(judged) + 1 == 301
    assert page.tables["rule-counts"][1] == [
        "bad records",
        "at most 5 % of the line",
        str(60 - len(failed)),
        str(len(failed)),
        "0",
    ]
    before, _, folded = text.partition("The other lines")
    assert before.count("<title>shot ") == 4 * len({one.line for one in failed}) > 0
    assert folded.count("<title>shot ") == 120 - before.count("<title>shot ")


@pytest.mark.slow
def test_page_of_ten_thousand_records_on_eight_cables_is_below_20_megabytes(tmp_path):
    count, cables = 2000, 8
    found = found_lines(tmp_path, 10, 1, count // 10, worst=0, name="line0001-shot00012-cable3")
    text = report_page(found, judge(found.records, read_rules(None), "bad"), ORIGIN)
    drawn = re.findall("<figure><svg.*?</svg>", text, re.DOTALL)
    images = sum(len(image) for one in drawn for image in re.findall('base64,[^"]*', one))
    outlines, rest = sum(map(len, drawn)) - images, len(text) - sum(map(len, drawn))
    assert len(drawn) == 10 and images
    # Everything but maps grows with the records, outlines with the cables; all maps together have so many cells.
    assert rest * 10_000 / count + outlines * cables + MOST_CELLS * 4 / 3 < 20e6


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)], ids=["phone-dark", "desktop-light"])
def test_browser_shows_all_of_it_and_need_not_scroll_sideways(found, text, tmp_path, width, dark):
    seen = rendered(tmp_path, text, width, dark)
    assert seen.width == seen.scrolled == width
    assert seen.boxes == 0, "a table is wider than the window"
    assert (seen.paper == "rgb(255, 255, 255)") != dark
    # Names of sail lines on maps are white in a dark box.
    colours = set(seen.colours) - {"rgb(255, 255, 255)"}
    assert min(contrast(colour, seen.paper) for colour in colours) >= 4.5
    assert 0 < max(seen.ticks) < 25, "a shot number is broken"
    places = [place for strip in strips(LABELS, found.records) for _, place in strip.ticks]
    assert np.allclose([place for place, _ in seen.marks], places, atol=0.5)
    assert max(abs(off) for _, off in seen.marks) < 20, "a shot number is far from its column"
    long = "What each rule asks for and what was found (20 rows)"
    assert seen.folded == [*([long] if width == 390 else []), "Cable 1", "Cable 2"]
    assert len(seen.figures) == 6 + 4 + 4 + 4 and min(seen.figures) > 10 and max(seen.figures) <= width
    assert seen.tables["rules"][1][1].startswith("bad records")
