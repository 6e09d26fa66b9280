"""What ingest and classify tell of headers, each kind once, and what --strict makes of it."""

import re

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.formats.hdf5_layout import write_hdf5
from glowseis.survey.formats.segy import write_segy
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.ingestion.ingest import gathers_of, ingest
from glowseis.survey.ingestion.request import Request
from glowseis.survey.store.survey import open_survey
from tests.support.commands import ingest as command
from tests.support.random_gathers import random_recording
from tests.support.shot_files import Line, written


def test_mended_traces_are_one_line_a_kind(tmp_path):
    line = Line(7)
    codes = np.select([line.number == 0, (line.number > 20) & (line.shot == 3)], [6, 2], 1)
    path = written(tmp_path, line.with_words(trid=codes, delrt=4 * (line.number == 9)))
    lines = ingest(Request([path]), tmp_path / "out")
    names = "a-shot1001: 1, a-shot1002: 1, a-shot1003: 1, a-shot1004: 1 and 3 more"
    assert f"auxiliary traces left out: 7 in 7 gathers ({names}); --keep-auxiliary keeps them" in lines
    assert "traces declared dead by their header, set to zero: 3 in 1 gather (a-shot1004: 3)" in lines
    assert f"traces shifted to one start time because their delays differ: 7 in 7 gathers ({names})" in lines
    assert not any("only zeros" in line or line.startswith("warning") for line in lines)
    told = []
    assert len(list(gathers_of(Request([path]), told))) == 7
    assert set(told) < set(lines) and len(told) == 4


def test_dead_traces_that_no_header_declares_are_told_beside_others(tmp_path):
    line = Line(1)
    amplitude = np.random.default_rng(0).normal(size=(24, 60))
    amplitude[[5, 6]] = 0
    path = written(tmp_path, line.with_words(trid=np.where(line.number == 9, 2, 1)), amplitude=amplitude)
    lines = ingest(Request([path]), tmp_path / "out")
    assert "2 traces of 1 gather with only zeros, kept: a-shot1001 (2)" in lines


def test_a_kind_is_one_line_for_many_files(tmp_path):
    paths = []
    for number in range(7):
        path = written(tmp_path, Line(2, 24, 2))
        paths.append(path.rename(tmp_path / f"line{number}.segy"))
    lines = ingest(Request([*paths]), tmp_path / "out")
    (warning,) = (line for line in lines if line.startswith("warning: "))
    assert warning.startswith(f"warning: {paths[0]}: channel numbers (TraceNumber) repeat within 2 gathers")
    assert warning.endswith(f" (also {', '.join(map(str, paths[1:5]))} and 2 more)")


def test_strict_refuses_what_would_be_a_warning(tmp_path):
    path = written(tmp_path, Line(2, 24, 2).with_words(trwf=100))
    out = tmp_path / "out"
    status, output, errors = command(path, "--out", out, "--strict")
    assert status == 2 and output == "" and len(errors) == 1
    assert "a.segy: TraceWeightingFactor" in errors[0] and "(refused by --strict and 1 more warning)" in errors[0]
    assert [each.name for each in tmp_path.iterdir()] == ["a.segy"]
    status, output, errors = command(path, "--out", out)
    assert (status, errors) == (0, []) and output.count("warning: ") == 2
    told = []
    with pytest.raises(InputError, match="refused by --strict"):
        list(gathers_of(Request([path], strict=True), told))
    status, output, errors = command(path, "--out", tmp_path / "two", "--cable-header", "GroupY")
    assert (status, errors) == (0, []) and output.count("warning: ") == 1
    assert open_survey(tmp_path / "two").index["gather_id"][3] == "a-shot1002-cable100"


def test_strict_waits_for_warnings_that_need_the_amplitudes(tmp_path):
    """Weights that amplitudes do not follow, shots split, a Nyquist frequency that falls."""
    line = Line(2)
    followed = written(tmp_path, line.with_words(trwf=line.number % 3)).rename(tmp_path / "weights.segy")
    write_segy(tmp_path / "torn.segy", [random_recording(shot, traces=24) for shot in (1, 2, 1)])
    out = tmp_path / "out"
    for request, text in (
        (Request([followed], strict=True), "weighting factors"),
        (Request([tmp_path / "torn.segy"], strict=True), "a shot that came before"),
        (Request([written(tmp_path, Line())], size="30x24", fit="resize", strict=True), "Nyquist"),
    ):
        with pytest.raises(InputError, match=f"{text}.*refused by --strict"):
            ingest(request, out)
        assert not out.exists() and not (tmp_path / ".out.writing").exists()


def test_strict_leaves_sound_files_alone(tmp_path):
    path = written(tmp_path, Line().with_words(trid=np.where(Line().number, 1, 9)), tail=bytes(512))
    lines = ingest(Request([path], strict=True), tmp_path / "out")
    assert any(re.search("512 bytes of zeros", line) for line in lines)
    assert open_survey(tmp_path / "out").manifest.about["strict"]


@pytest.mark.parametrize("ending", [".segy", ".su"])
@pytest.mark.parametrize(
    ("interval_us", "message"),
    [
        (4, r"0.004 ms \(4 microseconds\), which no marine recording has; if you meant 4 ms, pass --sample-interval 4"),
        (2, "if you meant 2 ms, pass --sample-interval 2"),
        (16, "if you meant 16 ms, pass --sample-interval 16, or --sample-interval 0.016 if it is right"),
        (99, "0.099 ms .*; pass --sample-interval, or --sample-interval 0.099 if it is right"),
    ],
)
def test_intervals_in_another_unit(tmp_path, ending, interval_us, message):
    path = written(tmp_path, Line(), ending, interval_us=interval_us)
    with pytest.raises(InputError, match=message):
        ingest(Request([path]), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    ingest(Request([path], ReadOptions(sample_interval_s=0.004)), tmp_path / "out")


@pytest.mark.parametrize(("interval_us", "meant"), [(4e6, 4), (0.004, 4), (2e6, 2)])
def test_intervals_of_revision_two_in_another_unit(tmp_path, interval_us, meant):
    binary = {(3501, "B"): 2, (3273, "d"): interval_us, (3217, "H"): 0}
    path = written(tmp_path, Line().with_words(dt=0), binary=binary)
    with pytest.raises(InputError, match=f"if you meant {meant} ms, pass --sample-interval {meant}"):
        ingest(Request([path]), tmp_path / "out")


def test_intervals_of_other_formats_in_another_unit(tmp_path):
    recording = random_recording(1)
    object.__setattr__(recording.geometry, "sample_interval_s", 4.0)
    write_hdf5(tmp_path / "a.h5", [recording])
    with pytest.raises(InputError, match=r"a.h5: has a sample interval of 4000 ms .* if you meant 4 ms"):
        ingest(Request([tmp_path / "a.h5"]), tmp_path / "out")


def test_a_long_interval_is_a_warning(tmp_path):
    path = written(tmp_path, Line(), interval_us=40_000)
    lines = ingest(Request([path]), tmp_path / "out")
    assert any(line.startswith("warning: ") and "a sample interval of 40 ms is long" in line for line in lines)


def test_what_we_write_is_not_remarked_on(tmp_path):
    write_segy(tmp_path / "a.segy", [random_recording(shot, traces=24) for shot in range(3)])
    ingest(Request([tmp_path / "a.segy"], strict=True), tmp_path / "out")


def test_options_of_traces_concern_files_of_traces(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((1, 20, 10)))
    for options, name in ((ReadOptions(samples=5), "samples"), (ReadOptions(keep_auxiliary=True), "keep-auxiliary")):
        with pytest.raises(InputError, match=f"--{name} is for files of the formats segy and su"):
            ingest(Request([tmp_path / "a.npy"], options), tmp_path / "out")


@pytest.mark.parametrize("ending", [".segy", ".su", ".h5"])
def test_an_interval_given_for_all_sources_is_not_silent_about_those_that_have_one(tmp_path, ending):
    if ending == ".h5":
        path = tmp_path / "a.h5"
        write_hdf5(path, [random_recording(1, 30, 24)])
    else:
        path = written(tmp_path, Line(), ending)
    (own_s,) = {each.geometry.sample_interval_s for each in gathers_of(Request([path], size="64x32", fit="crop"), [])}
    for asked_s in (own_s, 2 * own_s):
        lines = []
        list(gathers_of(Request([path], ReadOptions(sample_interval_s=asked_s), strict=True), lines))
        told = f"gives a sample interval of {own_s * 1e3:g} ms; read with {asked_s * 1e3:g} ms, as --sample-interval"
        assert any(told in line for line in lines) == (asked_s != own_s)
