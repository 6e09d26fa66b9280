"""Gathers that are no shots, by their headers: each kind is told, with the word that mends it and what it holds."""

import re

import numpy as np
import pytest

from glowseis.survey.formats.segy_headers import NAMED, header_word, named_bytes
from tests.support.shot_files import Line, opened, told, written

BOTH = pytest.mark.parametrize("ending", [".segy", ".su"])

SORTING = (3229, "h")


def cables(shots=2, count=3):
    return Line(shots, 24, count)


def split_spread(half):
    """Channels of two shots with the source in the middle, sorted by distance: 60, 61, 59, 62 and so on."""
    steps = np.arange(2 * half)
    return np.tile(half + (steps + 1) // 2 * np.where(steps % 2, 1, -1), 2)


def test_sound_lines_are_not_remarked_on(tmp_path):
    sound = [
        Line(),
        Line().with_words(offset=-Line()["offset"]),
        Line(1).with_words(fldr=0),
        Line().sorted_by(Line().shot, -Line().number),
        Line().with_words(offset=0, sx=0, gx=0, gy=0),
        Line().with_words(offset=12 * (Line().number - 12), gx=Line()["sx"] - 12 * (Line().number - 12)),
        Line(2, 120).with_words(offset=np.tile(6 * np.arange(120), 2), gx=0, tracf=split_spread(60)),
        Line().with_words(counit=2, scalco=-100),
        Line().with_words(cdp=2 * Line().shot + Line().number),
        Line().with_words(ep=7000 + np.arange(72)),
    ]
    for line in sound:
        for ending in (".segy", ".su"):
            assert told(written(tmp_path, line, ending)) == {}
    assert told(written(tmp_path, Line(), binary={SORTING: 2})) == {}


@BOTH
@pytest.mark.parametrize(
    ("words", "mend"),
    [
        ({"cable": lambda line: line.streamer + 1}, "byte 233 holds 1 to 3; try --cable-header 233"),
        ({"line": lambda line: 7 + line.streamer}, "byte 237 holds 7 to 9; try --cable-header 237"),
        ({"cdpt": lambda line: line.streamer + 1}, "CDP_TRACE holds 1 to 3; try --cable-header CDP_TRACE"),
        ({}, "only GroupY tells them apart, it holds 0 to 200; try --cable-header GroupY"),
        ({"gy": lambda line: 0}, "pass --cable-header with the word that tells cables apart, or --trace-header"),
        ({"gy": lambda line: 0, "cable": lambda line: line.number % 2}, "pass --cable-header with the word"),
    ],
)
def test_cables_of_a_shot_in_one_gather(tmp_path, ending, words, mend):
    line = cables()
    path = written(tmp_path, line.with_words(**{name: value(line) for name, value in words.items()}), ending)
    text = told(path)["cables"]
    start = "channel numbers (TraceNumber) repeat within 2 gathers (a-shot1001, a-shot1002)"
    assert text.startswith(start) and mend in text
    if found := re.search(r"try --cable-header (\w+)", text):
        assert told(path, cable_header=found[1]) == {}
        assert len(list(opened(path, cable_header=found[1]).gathers())) == 6


@pytest.mark.parametrize(
    ("words", "start"),
    [
        ({"tracf": lambda line: 24 * line.streamer + line.number}, "offsets start again within 2 gathers"),
        ({"tracf": lambda line: 24 * line.streamer + line.number, "offset": lambda line: 0}, "receivers start again"),
        (
            {"tracf": lambda line: 1000 * line.streamer + line.number, "offset": lambda _: 0, "gx": lambda _: 0},
            "channel numbers (TraceNumber) jump within 2 gathers",
        ),
    ],
)
def test_cables_whose_channels_count_on(tmp_path, words, start):
    line = cables()
    line.with_words(cable=line.streamer + 1, **{name: value(line) for name, value in words.items()})
    text = told(written(tmp_path, line))["cables"]
    assert text.startswith(start) and "try --cable-header 233" in text


@BOTH
def test_files_that_were_cut_between_traces(tmp_path, ending):
    path = written(tmp_path, Line(4, 24), ending)
    whole = path.read_bytes()
    trace, start = 240 + 4 * 60, len(whole) - 4 * 24 * (240 + 4 * 60)
    path.write_bytes(whole[: -10 * trace])
    assert told(path) == {
        "shorter": "the last gather (a-shot1004) has 14 of the 24 traces that the others have; the file may have been "
        "cut there"
    }
    path.write_bytes(whole[:start] + whole[start + 3 * trace :])
    assert "the first gather (a-shot1001) has 21 of the 24" in told(path)["shorter"]
    path.write_bytes(whole[:start] + whole[start + 3 * trace : -trace])
    both = "the first gather (a-shot1001) has 21 of the 24 traces that the others have and the last gather (a-shot1004)"
    assert f"{both} has 23 of" in told(path)["shorter"]
    # A channel that is missing elsewhere too hides no cut of many traces; in a file of three gathers none shows.
    path.write_bytes(whole[: start + 30 * trace] + whole[start + 31 * trace : -10 * trace])
    assert "the last gather (a-shot1004) has 14 of the 24 traces that most others" in told(path)["shorter"]
    path.write_bytes(whole[: start + 30 * trace] + whole[start + 31 * trace : -2 * trace])
    assert told(path) == {}
    path.write_bytes(whole[: -34 * trace])
    assert told(path) == {}


def test_cables_whose_traces_alternate_are_to_be_sorted(tmp_path):
    line = cables()
    line = line.with_words(cable=line.streamer + 1).sorted_by(line.shot, line.number, line.streamer)
    found = told(written(tmp_path, line))
    assert list(found) == ["interleaved"] and "sort the traces by cable" in found["interleaved"]


@pytest.mark.parametrize("words", [{}, {"offset": 0, "gx": 0, "gy": 0}, {"sx": 0, "gx": 0, "gy": 0}])
@pytest.mark.parametrize(
    ("word", "by_offset"), [("cable", False), ("cable", True), ("iline", False), ("iline", True), ("", False)]
)
def test_cables_whose_traces_are_mixed_while_channels_count_on(tmp_path, words, by_offset, word):
    """Sorted by offset without such a word, they cannot be told from traces in disorder."""
    line = cables(count=4)
    line.with_words(tracf=1 + 24 * line.streamer + line.number, cdp=np.arange(192))
    line["offset"] = line["offset"] + 5 * line.streamer**2
    line["iline"] = line["cable"] = np.zeros(192, int)
    if word:
        line[word] = 7 + line.streamer
    line.sorted_by(line.shot, line["offset"] if by_offset else line.number, line.streamer).with_words(**words)
    text = told(written(tmp_path, line))["interleaved"]
    assert text.startswith("TraceNumber jumps from trace to trace within 2 gathers")
    wanted = {"cable": "cable; byte 233 holds 7 to 10; try --cable-header 233", "iline": "try --cable-header INLINE_3D"}
    assert wanted.get(word, "cable, then pass --cable-header with the word that tells cables apart") in text


@pytest.mark.parametrize("sx", [0, 100])
def test_a_cable_word_that_counts_equal_runs_where_nothing_else_tells(tmp_path, sx):
    line = cables()
    running = line.with_words(tracf=1 + 24 * line.streamer + line.number, offset=0, sx=sx, gx=0, gy=0)
    path = written(tmp_path, running.with_words(cable=1 + line.streamer))
    text = told(path)["cables"]
    assert (
        text.startswith("byte 233 counts runs of equally many traces within 2 gathers") and "--cable-header 233" in text
    )
    assert told(path, cable_header="233") == {}
    for other in (line.number // 8, line.number % 3, line.streamer == 2, 5 * line.streamer):
        assert "cables" not in told(written(tmp_path, running.with_words(cable=other)))


def test_gaps_in_channels_and_single_wrong_words_are_no_cables(tmp_path):
    line = Line(2, 48)
    gap = line["tracf"] + 5 * (line.number > 20)
    odd = np.where(line.number == 20, 0, line["offset"])
    blank = line.number == 30
    for words in (
        {"tracf": gap},
        {"offset": odd},
        {"offset": np.where(line.number == 47, 0, line["offset"])},
        {name: np.where(blank, 0, line[name]) for name in ("offset", "sx", "gx")},
    ):
        assert told(written(tmp_path, Line(2, 48).with_words(**words))) == {}


@BOTH
@pytest.mark.parametrize("words", [{}, {"tracf": 0}, {"offset": 0}, {"sx": 0, "gx": 0}])
@pytest.mark.parametrize("traces", [24, 120])
def test_shots_in_disorder_are_no_cables(tmp_path, ending, words, traces):
    random = np.random.default_rng(3)
    for _ in range(3):
        line = Line(3, traces).with_words(**words)
        path = written(tmp_path, line.sorted_by(line.shot, random.permutation(len(line.shot))), ending)
        assert told(path) == {}


def test_cables_without_a_shot_number_are_cables(tmp_path):
    line = cables(1)
    line.with_words(**dict.fromkeys(line, 0) | {"tracf": line["tracf"], "cable": 1 + line.streamer})
    path = written(tmp_path, line)
    assert list(told(path)) == ["cables"] and told(path, cable_header="233") == {}


@BOTH
@pytest.mark.parametrize("codes", [(11, 12, 13, 14), (12, 14), (11, 13, 15, 16, 17), (256 * 11, 256 * 12)])
@pytest.mark.parametrize("words", [{}, {"offset": 0, "sx": 0, "gx": 0}, {"tracf": 1 + np.arange(72)}])
def test_components_of_sensors_in_one_gather(tmp_path, ending, codes, words):
    line = Line().with_words(**words)
    line.with_words(trid=np.array(codes)[line.number % len(codes)])
    path = written(tmp_path, line, ending)
    named = ", ".join(str(code // 256 if code > 255 else code) for code in codes)
    text = told(path)["components"]
    assert text.startswith(f"several components (TraceIdentificationCode {named}) lie within 3 gathers (a-shot1001")
    assert "--cable-header TraceIdentificationCode" in text
    # As long as they alternate, every trace is a gather of its own.
    assert "single" in told(path, cable_header="TraceIdentificationCode")
    path = written(tmp_path, line.sorted_by(line.shot, line["trid"], line.number), ending)
    assert "components" in told(path)
    assert told(path, cable_header="TraceIdentificationCode") == {}
    found = list(opened(path, cable_header="TraceIdentificationCode").gathers())
    assert len(found) == 3 * len(codes) and found[1].gather_id == f"a-shot1001-cable{codes[1]}"


@pytest.mark.parametrize(
    "codes", [1, 11, 14, np.repeat([11, 12, 13], 24), np.repeat([0, 1, 11], 24), np.arange(72) % 2]
)
def test_gathers_of_one_component_are_sound(tmp_path, codes):
    assert told(written(tmp_path, Line().with_words(trid=codes))) == {}


def filled(**words):
    """Shots without offsets whose CDP was filled in."""
    line = Line()
    return line.with_words(**{"offset": 0, "cdp": 1000 + 2 * line.shot + line.number} | words)


@BOTH
@pytest.mark.parametrize(
    "words", [{}, {"tracf": 0}, {"gx": 0, "sx": 0, "sy": 9, "gy": np.arange(72)}, {"sx": 0, "gx": 0}, {"gx": 0}]
)
def test_shots_without_offsets_are_no_sections(tmp_path, ending, words):
    assert told(written(tmp_path, filled(**words), ending)) == {}


@pytest.mark.parametrize("words", [{}, {"tracf": 0}, {"offset": 12}, {"gx": 0, "gy": np.arange(72)}])
@pytest.mark.parametrize("code", [2, 4])
def test_known_sources_and_receivers_that_change_show_shots(tmp_path, words, code):
    found = told(written(tmp_path, filled(**words), binary={SORTING: code}))
    assert not {"stacked", "sorting"} & set(found)


@pytest.mark.parametrize(
    "words", [{"offset": 250, "sx": 0, "gx": 0}, {"offset": 250, "gx": 0}, {"tracf": 1, "sx": 0, "gx": 0}]
)
def test_sections_of_several_lines_are_told(tmp_path, words):
    assert "offset stays the same while CDP counts on" in told(written(tmp_path, filled(**words)))["stacked"]


def test_a_file_that_is_one_section_without_places(tmp_path):
    line = Line(1, 40)
    path = written(tmp_path, line.with_words(offset=0, sx=0, gx=0, cdp=line.number + 1))
    assert list(told(path)) == ["stacked"]


@BOTH
def test_every_trace_a_gather_of_its_own(tmp_path, ending):
    line = Line(4).with_words(fldr=np.arange(96))
    text = told(written(tmp_path, line, ending))["single"]
    assert text.startswith("all 96 gathers (a-shot0, a-shot1, a-shot2, a-shot3 and 92 more) have one trace: ")
    assert "EnergySourcePoint holds 2001 to 2004; try --shot-header EnergySourcePoint" in text
    line = Line(48, 1)
    assert "the offset stays 100, as in a common-offset section" in told(written(tmp_path, line, ending))["single"]
    assert "single" not in told(written(tmp_path, Line(1, 1), ending))


def by_midpoint():
    line = Line(8)
    line.with_words(cdp=100 + 2 * line.shot + line.number)
    return line.sorted_by(line["cdp"], line["offset"])


def stacked():
    line = Line(40, 1)
    return line.with_words(offset=0, gx=line["sx"], cdp=1 + line.shot)


@pytest.mark.parametrize(
    ("line", "options", "code", "kind", "text"),
    [
        (by_midpoint, {}, 0, "single", "sorted by midpoint (CDP); sort them by shot"),
        (by_midpoint, {"shot_header": "CDP"}, 2, "restless", "while CDP stays the same, as in midpoint gathers"),
        (stacked, {}, 4, "single", "CDP counts on and the offset stays"),
        (stacked, {}, 4, "sorting", "sorted by midpoint, and stacked (TraceSortingCode 4, bytes 3229-3230)"),
        (
            lambda: stacked().with_words(fldr=1),
            {},
            0,
            "restless",
            "the source moves from trace to trace within 1 gather",
        ),
        (lambda: stacked().with_words(fldr=1, sx=0, gx=0), {}, 0, "stacked", "while CDP counts on"),
        (lambda: Line().with_words(sx=0, gx=0, gy=0), {}, 6, "sorting", "sorted by receiver (TraceSortingCode 6"),
        (
            lambda: Line(24, 1).with_words(fldr=1, gx=5, offset=499_995 + 25 * np.arange(24)),
            {},
            0,
            "restless",
            "while the receiver stays the same",
        ),
    ],
)
def test_sections_and_gathers_that_are_no_shots(tmp_path, line, options, code, kind, text):
    found = told(written(tmp_path, line(), binary={SORTING: code}), **options)
    assert text in found[kind] and ("shot" in found[kind] or kind == "single")


@pytest.mark.parametrize(
    ("words", "kind", "text"),
    [
        (
            lambda line: {"scalco": -100},
            "distances",
            "0.01 times the offsets, as a wrong SourceGroupScalar makes it, in 3",
        ),
        (lambda line: {"scalco": 10}, "distances", "10 times the offsets, as a wrong SourceGroupScalar makes it"),
        (lambda line: {"offset": line["offset"] * 3280 // 1000}, "distances", "0.305 times the offsets, as metres are"),
        (lambda line: {"offset": -line["offset"] * 1000}, "distances", "0.001 times the offsets"),
        (lambda line: {"offset": 100 + 12 * (23 - line.number)}, "reversed", "offsets run in the opposite order to"),
        (lambda line: {"offset": 800 + 12 * (23 - line.number), "gx": line["gx"] - 700}, "reversed", "in 3 gathers"),
        (
            lambda line: {
                "offset": 100 + 99 * np.tile(np.random.default_rng(1).permutation(24), 3),
                "gx": 499_900 + 25 * line.shot - 99 * line.number,
            },
            "distances",
            "less than half or more than twice the offsets of many traces in 3 gathers",
        ),
        (lambda line: {"scalco": 7}, "scalar", "SourceGroupScalar (bytes 71-72) holds 7, which is not a power of ten"),
        (lambda line: {"scalco": np.where(line.number % 2, -100, 1)}, "scalars", "-100 (36 traces), 1 (36 traces)"),
    ],
)
def test_coordinates_that_offsets_contradict(tmp_path, words, kind, text):
    line = Line()
    found = told(written(tmp_path, line.with_words(**words(line))))
    assert text in found[kind] and not {"moving", "restless", "cables"} & set(found)


@BOTH
@pytest.mark.parametrize("scalar", [-10, 10])
def test_a_scalar_of_shot_numbers_is_told(tmp_path, ending, scalar):
    """A shot point of 1001.5 is 10015 with the scalar -10."""
    line = Line()
    line.with_words(sp=10_015 + 10 * line.shot, spscalar=scalar)
    path = written(tmp_path, line, ending)
    assert told(path) == {}
    (remark,) = opened(path, shot_header="ShotPoint").remarks()
    assert not remark.is_warning and f"ShotPoint has the scalar {scalar} (bytes 201-202)" in remark.text
    path = written(tmp_path, line.with_words(spscalar=line.shot % 3 - 1), ending)
    assert opened(path, shot_header="ShotPoint").remarks() == []


def test_scalars_of_one_meaning_are_not_remarked_on(tmp_path):
    line = Line()
    assert told(written(tmp_path, line.with_words(scalco=np.where(line.number % 2, 0, 1)))) == {}


def test_gathers_that_lie_across_blocks(tmp_path):
    """A thousand gathers are one line; the word must hold in all of them."""
    line = Line(400, 30, 2)
    line.with_words(cable=line.streamer + 1)
    text = told(written(tmp_path, line, samples=4))["cables"]
    assert "within 400 gathers (a-shot1001, a-shot1002, a-shot1003, a-shot1004 and 396 more)" in text
    assert "byte 233 holds 1 to 2; try --cable-header 233" in text
    line["cable"][-1] = 9
    text = told(written(tmp_path, line, samples=4))["cables"]
    assert "233" not in text and "GroupY holds" not in text and "GroupY tells them apart" in text
    assert [gather.amplitude.shape for gather in opened(tmp_path / "a.segy").gathers()] == [(4, 60)] * 400


def test_words_are_those_that_are_listed_and_not_what_python_adds_to_a_class():
    class Words:
        __firstlineno__ = 3
        tracl, fldr = 1, 9
        name = "text"

    assert named_bytes(Words) == {"tracl": 1, "fldr": 9}
    assert header_word("1").kind == "i4" and not any(name.startswith("_") for name in NAMED)
