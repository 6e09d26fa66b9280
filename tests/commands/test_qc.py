"""`glowseis qc`: tables and maps of a line, and one line for whatever is wrong."""

import csv
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import glowseis
from glowseis.attributes import maps, quality
from glowseis.attributes.measuring import MARKS, NUMBERS, Settings
from glowseis.attributes.rows import BANDS, GATHERS, TRACES, place_of, shared_places
from glowseis.delivery.collecting import Found, faults_of
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source
from glowseis.survey.gather import Origin
from glowseis.survey.matching.bringing import by_offset, traces_taken
from glowseis.survey.simulate import Acquisition, simulate_recording
from tests.support.random_gathers import random_recording, stepped_recording

GATHERS_OF_LINE = 6


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    path = tmp_path_factory.mktemp("qc") / "=line.segy"
    survey = replace(Acquisition.of_size(112, 80), cables=1)
    recordings = [simulate_recording(index, 3, survey, (0, 0, 1)) for index in range(GATHERS_OF_LINE)]
    glowseis.write_gathers(path, recordings)
    return path


@pytest.fixture
def no_maps(monkeypatch):
    """Drawing takes longer than all else."""
    monkeypatch.setattr(quality, "draw_maps", lambda folder: [])


def cells(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_tables_and_maps_of_a_line(line, tmp_path, monkeypatch, command):
    monkeypatch.chdir(line.parent)
    out = tmp_path / "quality"
    done = command("qc", line.name, "--out", out, "--target", "0.1-0.4@1500")
    assert done.status == 0 and not done.error
    assert f"{GATHERS_OF_LINE} gathers, " in done.out and "noise bands in" in done.out
    assert done.out.splitlines()[-1].startswith("tables and ") and str(out) in done.out
    for name, columns in (("traces", TRACES), ("gathers", GATHERS), ("bands", BANDS)):
        whole, rows = pd.read_parquet(out / f"{name}.parquet"), cells(out / f"{name}.csv")
        assert list(whole) == list(rows[0]) == list(columns) and len(whole) == len(rows)
        assert {row["source"] for row in rows} == {f"'{text}" for text in set(whole["source"])}
        assert all(text.startswith("=line.segy") for text in whole["source"])
    traces, gathers = pd.read_parquet(out / "traces.parquet"), pd.read_parquet(out / "gathers.parquet")
    assert len(gathers) == GATHERS_OF_LINE and len(traces) == gathers["traces"].sum()
    for number, row in gathers.set_index("gather").iterrows():
        own = traces[traces["gather"] == number]
        assert row["noise_rms_median"] == pytest.approx(own["noise_rms"].median())
        assert row["dead"] == own["dead"].sum() and row["band_traces"] == (own["band"] > 0).sum()
    maps = {path.name for path in (out / "maps").iterdir()}
    assert maps == {f"{name}.png" for name in (*NUMBERS, "faults")}
    for path in (out / "maps").iterdir():
        with Image.open(path) as picture:
            assert min(picture.size) > 300 and len(set(picture.convert("L").getdata())) > 5


def test_a_second_run_into_the_same_folder_is_refused(line, tmp_path, command):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")
    done = command("qc", line, "--out", tmp_path / "out")
    assert done.status == 2 and done.error[0].endswith("the folder is not empty; give another --out or remove it")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_gathers_are_counted_that_have_nothing_to_measure(tmp_path, command, no_maps):
    random = np.random.default_rng(1)
    array = np.stack([random.standard_normal((200, 24)), np.zeros((200, 24))]).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    words = ("--axes", "gather,time,trace", "--sample-interval", "4")
    done = command("qc", tmp_path / "a.npy", "--out", tmp_path / "out", "--target", "8-9", *words)
    assert done.status == 0, done.error
    assert "1 gather without a live trace: a-gather2" in done.out
    assert "1 gather without first arrivals; without --noise the columns of these are empty: a-gather1" in done.out
    assert "2 gathers with traces without an offset, taken to be 25 m apart" in done.out
    assert "2 gathers, 48 traces: 24 dead, 0 weak" in done.out
    assert "warning: --target 8-9 lies outside the record of every live trace" in done.out
    rows = cells(tmp_path / "out" / "gathers.csv")
    assert [row["dead"] for row in rows] == ["0", "24"] and rows[1]["noise_rms_median"] == ""
    assert rows[1]["dead_in_a_row"] == "24"


def test_traces_in_disorder_are_measured_along_the_cable(line, tmp_path, command, no_maps):
    random = np.random.default_rng(2)
    shuffled, whole = [], [*open_source(line, ReadOptions()).gathers()]
    for recorded in whole:
        one = replace(recorded, amplitude=recorded.amplitude.copy())
        one.amplitude[:, 5] = 0
        order = random.permutation(len(one.geometry.channel))
        amplitude, geometry = one.amplitude[:, order], traces_taken(one.geometry, order)
        shuffled.append(replace(one, amplitude=amplitude, geometry=geometry))
        found, sorted_by = by_offset(shuffled[-1])
        np.testing.assert_array_equal(found.amplitude, one.amplitude)
        # What is handed over keeps the file's order.
        assert faults_of(one, Settings(), Found())["dead"][5]
        for fault, there in faults_of(one, Settings(), Found()).items():
            np.testing.assert_array_equal(faults_of(shuffled[-1], Settings(), Found())[fault], there[order])
        assert sorted_by is not None and by_offset(one) == (one, None)
    glowseis.write_gathers(tmp_path / "shuffled.segy", shuffled)
    glowseis.write_gathers(tmp_path / "sorted.segy", [by_offset(one)[0] for one in shuffled])
    names = ("sorted", "shuffled")
    first, again = (command("qc", tmp_path / f"{name}.segy", "--out", tmp_path / name) for name in names)
    assert first.status == again.status == 0 and "in disorder" not in first.out
    told = f"{GATHERS_OF_LINE} gathers with traces in disorder, measured in the order of their offsets: "
    assert told in again.out and again.out.splitlines()[-4:-1] == first.out.splitlines()[-4:-1]
    done = command("ingest", tmp_path / "shuffled.segy", "--out", tmp_path / "survey")
    assert done.status == 0 and f"warning: {GATHERS_OF_LINE} gathers with traces in disorder" in done.out


@pytest.mark.parametrize(
    ("words", "noise", "target", "leaking"),
    [
        (["--noise", "0.1-1.9", "--target", "2.2-4"], 1.0, 3.0, ""),
        (["--noise", "2.2-4", "--target", "0.1-1.9", "--module", "16"], 3.0, 1.0, "17-32"),
        (["--noise", "0.1-1.9", "--target", "0.1-1.9", "--zero-level", "2"], 5**0.5, 5**0.5, ""),
        (["--noise", "0.1-1.9", "--target", "0.1-1.9", "--module", "0"], 1.0, 1.0, ""),
    ],
)
def test_windows_modules_and_zero_are_those_that_were_given(tmp_path, command, no_maps, words, noise, target, leaking):
    glowseis.write_gathers(tmp_path / "a.segy", [stepped_recording(shot) for shot in range(2)])
    assert command("qc", tmp_path / "a.segy", "--out", tmp_path / "out", *words).status == 0
    for row in cells(tmp_path / "out" / "gathers.csv"):
        assert float(row["noise_rms_median"]) == pytest.approx(noise, rel=0.06)
        assert float(row["target_rms_median"]) == pytest.approx(target, rel=0.06)
        assert row["crossfeed_channels"] == leaking


def test_files_in_several_units_are_told(line, tmp_path, command, no_maps):
    names = []
    for factor in (1, 30, 100, 1e5):
        recordings = [*open_source(line, ReadOptions()).gathers()]
        names.append(tmp_path / f"times{factor:g}.segy")
        glowseis.write_gathers(names[-1], [replace(one, amplitude=one.amplitude * factor) for one in recordings[:2]])
    done = command("qc", *names[:2], "--out", tmp_path / "similar")
    assert done.status == 0 and "units probably differ" not in done.out
    done = command("qc", names[0], names[2], "--out", tmp_path / "hundredfold")
    assert done.status == 0 and f"warning: {names[2]} is 100 times as loud as {names[0]}" in done.out
    done = command("qc", *names, "--out", tmp_path / "mixed")
    told = f"warning: {names[3]} is 100,000 times as loud as {names[0]} (RMS of the target, medians "
    assert done.status == 0 and told in done.out and "their units probably differ" in done.out


def test_files_with_gathers_of_one_place_are_told(line, tmp_path, command, no_maps):
    """Streamers without a cable word, one file each, or shots that were fired again."""
    first = [*open_source(line, ReadOptions()).gathers()]
    again = [replace(one, amplitude=one.amplitude[::-1]) for one in first[2:]]
    names = [tmp_path / "a.segy", tmp_path / "b.segy", tmp_path / "c.segy"]
    other = [replace(one, geometry=replace(one.geometry, cable=2)) for one in first]
    for name, gathers in zip(names, (first, again, other), strict=True):
        glowseis.write_gathers(name, gathers)
    done = command("qc", *names, "--out", tmp_path / "out")
    told = f"warning: {len(again)} gathers with the same line, shot and cable as a gather in another file (line "
    place = f"{first[2].geometry.sail_line} shot {first[2].geometry.shot} cable 1 in {names[0]} and {names[1]})"
    assert done.status == 0 and told + place in done.out
    done = command("qc", names[0], names[2], "--out", tmp_path / "cables")
    assert done.status == 0 and "another file" not in done.out
    # Synthetic gathers have the places of their parents.
    made = [replace(one, origin=Origin((one.gather_id,), model="flow/1")) for one in first]
    assert shared_places(pd.DataFrame([place_of(1, first[0]), place_of(2, replace(made[0], source="x"))]), [2]) == []
    # Without line numbers each file is a line.
    nowhere = [replace(one, geometry=replace(one.geometry, sail_line=0)) for one in first]
    names = [tmp_path / "d.segy", tmp_path / "e.segy"]
    for name in names:
        glowseis.write_gathers(name, nowhere)
    done = command("qc", *names, "--out", tmp_path / "unnumbered")
    assert done.status == 0 and "another file" not in done.out
    _, (place,) = maps._places(tmp_path / "unnumbered" / "gathers.parquet", 100)
    assert place.column[: len(first)].max() < place.column[len(first) :].min()


@pytest.mark.parametrize(
    ("target", "noise", "differ"),
    [(100, 100, True), (100, 10, False), (10, 100, False), (100, np.nan, False), (2000, 1, True), (2000, np.nan, True)],
)
def test_units_differ_if_signal_and_noise_do(target, noise, differ):
    """A quiet sea or a far sea floor changes one of them."""
    levels = {"a.segy": [(0.5, 0.2), (2.0, np.nan), (1.0, 0.1)], "b.segy": [(target, 0.15 * noise)]}
    told = [*quality.Summary(levels=levels).lines(Settings())]
    assert any(f"b.segy is {target:,} times as loud as a.segy" in line for line in told) == differ


def test_one_gather_has_no_spread():
    one, two = ([*quality.Summary(noise_rms=noise).lines(Settings())][-1] for noise in ([0.25], [0.25, 0.5]))
    assert one == "noise before the first arrival, median of a gather: 0.25"
    assert two.endswith("median of a gather: 0.375 (5 to 95 % of the gathers: 0.2625 to 0.4875)")


@pytest.mark.slow
def test_a_line_of_one_shot_has_maps(tmp_path, command):
    glowseis.write_gathers(tmp_path / "one.segy", random_recording(1, samples=200, traces=20))
    done = command("qc", tmp_path / "one.segy", "--out", tmp_path / "out")
    assert done.status == 0, done.error
    assert "warning" not in done.out and len(list((tmp_path / "out" / "maps").iterdir())) == len(NUMBERS) + 1


def test_several_lines_and_intervals(tmp_path, command, no_maps):
    for number, interval_s in ((1, 0.004), (2, 0.002)):
        made = [random_recording(shot, samples=200, traces=20) for shot in range(3)]
        made = [replace(one, geometry=replace(one.geometry, sample_interval_s=interval_s)) for one in made]
        glowseis.write_gathers(tmp_path / "in" / f"{number}.segy", made)
    done = command("qc", tmp_path / "in", "--out", tmp_path / "out")
    assert done.status == 0, done.error
    gathers = pd.read_parquet(tmp_path / "out" / "gathers.parquet")
    assert gathers["sample_interval_s"].round(4).tolist() == [0.004] * 3 + [0.002] * 3
    assert gathers["gather_id"].is_unique


def told(command, tmp_path, *words):
    """The one line that a call is refused with; nothing is left behind."""
    done = command("qc", *words, "--out", tmp_path / "out")
    assert done.status == 2 and not done.out and not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".*"))
    (error,) = done.error
    return error.removeprefix("glowseis.qc: ")


def test_bad_input_is_told_in_one_line(line, tmp_path, command):
    assert "nowhere.segy: no such file" in told(command, tmp_path, "nowhere.segy")
    (tmp_path / "empty").mkdir()
    assert "no file in this folder ends in" in told(command, tmp_path, tmp_path / "empty")
    assert "given twice" in told(command, tmp_path, line, line)
    assert "--target 2-1: a window of no length" in told(command, tmp_path, line, "--target", "2-1")
    assert "--noise soon: neither a window" in told(command, tmp_path, line, "--noise", "soon")
    assert "--module 4: cross-feed" in told(command, tmp_path, line, "--module", "4")
    short = tmp_path / "short.npy"
    np.save(short, np.ones((9, 20), np.float32))
    assert "have no sample interval; pass --sample-interval" in told(command, tmp_path, short, "--axes", "time,trace")
    words = ("--axes", "time,trace", "--sample-interval", "4")
    assert "has 9 samples, too few to measure" in told(command, tmp_path, short, *words)
    (tmp_path / "survey").mkdir()
    (tmp_path / "survey" / "manifest.json").write_text("{}")
    assert "is a survey, whose gathers are pictures" in told(command, tmp_path, tmp_path / "survey")


def test_nothing_is_left_of_a_run_that_fails_in_the_middle(line, tmp_path, command):
    broken = tmp_path / "broken.segy"
    shutil.copy(line, broken)
    with broken.open("r+b") as file:
        file.truncate(broken.stat().st_size - 40_000)
    done = command("qc", line, broken, "--out", tmp_path / "out", "--strict")
    assert done.status == 2 and len(done.error) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.segy"]


def test_marks_are_columns_of_true_and_false(line, tmp_path, command, no_maps):
    assert command("qc", line, "--out", tmp_path / "out", "--module", "0").status == 0
    traces = pd.read_parquet(tmp_path / "out" / "traces.parquet")
    assert all(traces[name].dtype == bool for name in MARKS) and not traces["crossfeed"].any()
