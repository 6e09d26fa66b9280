import dataclasses
import json
import os
import re
import resource
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import segyio
from PIL import Image
from segyio import BinField, TraceField

from glowseis.command import run
from glowseis.ingest import main
from glowseis.interruption import CONTINUES
from glowseis.survey.formats.hdf5_layout import write_hdf5
from glowseis.survey.formats.segy import write_segy
from glowseis.survey.render import amplitudes, render_recording
from glowseis.survey.store import framing
from glowseis.survey.store.scanning import verify
from glowseis.survey.store.survey import open_survey
from tests.support.commands import CHECKOUT, ingest, ingest_apart
from tests.support.random_gathers import full_device, random_recording
from tests.support.shot_files import Line, written


def foreign_file(path, first=1.0, words=()):
    """A SEG-Y file of others, in 64-bit numbers."""
    spec = segyio.spec()
    spec.format, spec.samples, spec.tracecount = 6, range(50), 4
    with segyio.create(str(path), spec) as file:
        file.bin.update({BinField.Interval: 4000})
        for trace in range(4):
            file.header[trace] = {TraceField.FieldRecord: 1, TraceField.TraceNumber: 1 + trace, **dict(words)}
            file.trace[trace] = np.linspace(1, 2, 50)
    content = bytearray(path.read_bytes())
    content[3840:3848] = struct.pack(">d", first)
    path.write_bytes(content)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "line 1.segy"
    write_segy(path, [random_recording(shot, samples=70, traces=60) for shot in range(15)], [])
    return path


def test_a_survey_from_segy(tmp_path, source):
    out = tmp_path / "surveys" / "one"
    status, output, errors = ingest_apart(source, "--out", out, "--label", "bad")
    assert (status, errors) == (0, [])
    survey = open_survey(out)
    assert survey.size == (128, 64) and survey.manifest.counts == {"bad": 15}
    gather = survey.read("line-1-line3-shot4-cable2")
    assert (gather.geometry.shot, gather.geometry.sample_interval_s) == (4, 0.008)
    assert (gather.geometry.offset_m[0], gather.geometry.offset_m[-1]) == (-150, np.rint(-150 - 59 * 12.5))
    lines = output.splitlines()
    assert "line-1-line3-shot0-cable2" in lines[1] and "-150 to -888" in lines[1] and " 8 " in lines[1]
    assert lines[-3:] == [
        f"and 3 more, listed in {out / 'gathers.csv'}",
        "to 128x64: 15 padded",
        f"{out}: 15 gathers of 128x64 (15 bad)",
    ]


def test_crop_and_no_label(tmp_path, source):
    out = tmp_path / "one"
    assert ingest(source, "--out", out, "--size", "64x32")[2][0].endswith("--fit resize or a larger --size")
    assert not out.exists()
    status, output, _ = ingest(source, "--out", out, "--size", "64x32", "--fit", "crop", "--sample-interval", "2")
    assert status == 0 and output.splitlines()[-1].endswith("15 gathers of 64x32 (15 unlabelled)")
    assert "to 64x32: 15 cropped from up to 70x60" in output
    gather = open_survey(out).read(0)
    assert (gather.valid_samples, gather.valid_traces, gather.recorded_shape) == (64, 32, (70, 60))
    assert gather.geometry.sample_interval_s == 0.002


@pytest.mark.slow
def test_bad_input_is_one_line(tmp_path, source):
    (tmp_path / "grades.CSV").write_text("shot,label\n1,bad\n")
    (tmp_path / "empty.segy").write_bytes(b"")
    (tmp_path / "text.segy").write_text("shot,label\n" * 1000)
    (tmp_path / "cut.segy").write_bytes(source.read_bytes()[:3700])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    dead = random_recording(1)
    dead.amplitude[:] = 0
    dead.amplitude[2] = np.nan
    write_segy(tmp_path / "dead.segy", [dead], [])
    other = random_recording(0)
    other = dataclasses.replace(other, geometry=dataclasses.replace(other.geometry, sample_interval_s=0.002))
    write_segy(tmp_path / "fast.segy", [other], [])
    foreign_file(tmp_path / "huge.segy", first=1e300)
    broken = random_recording(1)
    broken.amplitude[3] = np.nan
    write_segy(tmp_path / "broken.segy", [broken])
    silent = written(tmp_path, Line().with_words(trid=2), amplitude=np.zeros((72, 60)))
    out = tmp_path / "out"
    cases = [
        ((tmp_path / "nowhere.segy", "--out", out), "no such file"),
        ((tmp_path / "empty.segy", "--out", out), "has 0 bytes"),
        ((tmp_path / "text.segy", "--out", out), "not SEG-Y"),
        ((source, tmp_path / "cut.segy", "--out", out), "cut.segy: cut short"),
        ((tmp_path / "full", "--out", out), "no file in this folder ends in .segy"),
        ((tmp_path / "dead.segy", "--out", out), "no gather is left to write: 1 without a live trace"),
        ((silent, "--out", out), "(72 traces declared dead: trace identification 2 or 3, bytes 29-30)"),
        ((source, "--out", tmp_path / "full"), "not empty"),
        ((source, "--out", source), "exists already"),
        ((source, source, "--out", out), "given twice"),
        ((source, "--out", out, "--size", "wide"), "write it like 896x640"),
        ((source, "--out", out, "--label", "bad\r"), r"label 'bad\\r': use 1 to 100 printable"),
        ((source, "--out", out, "--label", " bad "), "without blanks around"),
        ((source, "--out", out, "--label", "b" * 101), "use 1 to 100"),
        ((tmp_path / "fast.segy", source, "--out", out), "line 1.segy has .* 8 ms, .*fast.segy every 2 ms"),
        ((source, "--out", out, "--cable-header", "Cable"), "FieldRecord"),
        ((source, "--out", out, "--fit", "squash"), "choose pad, crop or resize"),
        ((source, "--out", out, "--fit", "resize"), "pass --size"),
        ((source, "--out", out, "--format", "gif"), "choose one of segy, su, hdf5, numpy, pictures"),
        ((source, "--out", out, "--labels", tmp_path / "none.csv"), "none.csv: no such file"),
        ((source, "--out", out, "--sample-interval", "inf"), "give 0.01 to 500"),
        ((source, "--out", out, "--sample-interval", "0"), "--sample-interval 0 is not a sample interval"),
        ((source, "--out", out, "--sample-interval", "0.004"), "in milliseconds"),
        ((source, "--out", out, "--sample-interval", "4000"), "in milliseconds"),
        ((source, "--out", out, "--sample-interval", "nan"), "in milliseconds"),
        ((source, "--out", out, "--axes", "trace,time"), "--axes is for files of the formats hdf5 and numpy"),
        ((tmp_path / "full" / "thesis.tex", "--out", out), "SEG-Y, because its extension is unknown; pass --format"),
        ((tmp_path / "grades.CSV", "--out", out), "a table, not a file of gathers; pass tables of labels to --labels"),
        ((tmp_path / "broken.segy", "--out", out), r"1 without a live trace \(.* traces have NaN or infinite"),
        ((source, "--out", out, "--labelled-only"), "no gather is left to write: 15 without a label"),
        ((source, "--out", out, "--shot-header", "Shot"), "FieldRecord"),
    ]
    # The bytes of a terminal that is not in UTF-8, and the first case once more as users run it.
    apart = [((source, "--out", out, "--label", b"caf\xe9"), r"label 'caf\\udce9'"), cases[0]]
    for call, (words, message) in [*((ingest, case) for case in cases), *((ingest_apart, case) for case in apart)]:
        status, output, errors = call(*words)
        assert status == 2 and output == "" and len(errors) == 1, (words, errors)
        assert errors[0].startswith("glowseis.ingest: ")
        assert re.search(message, errors[0]), errors
        assert not out.exists() and not (tmp_path / ".out.writing").exists()
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]


def test_missing_arguments_are_one_line(tmp_path, source):
    for words, message in (((source,), "out"), (("--out", tmp_path / "out"), "SOURCE|sources")):
        status, output, errors = ingest(*words)
        assert status == 2 and output == "" and len(errors) == 1, (words, errors)
        assert re.search(message, errors[0])


def test_no_space_left(tmp_path, source, monkeypatch, capsys):
    """On a full device, and under a limit on the size of files."""
    monkeypatch.setattr(framing, "open_shard", full_device)
    with pytest.raises(SystemExit) as left:
        run(main, [str(source), "--out", str(tmp_path / "out")])
    told = capsys.readouterr()
    assert left.value.code == 2 and told.out == ""
    assert "no space left" in told.err and len(told.err.splitlines()) == 1
    status, _, errors = ingest_apart(
        source,
        "--out",
        tmp_path / "out",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )
    assert status == 2 and len(errors) == 1 and "no space left" in errors[0] and str(tmp_path / "out") in errors[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["line 1.segy"]


def test_help_is_quick_and_shows_an_example():
    status, output, _ = ingest_apart("--help")
    assert status == 0 and "Example: python -m glowseis.ingest line12.segy --out" in output
    script = "import sys, glowseis.ingest; assert not {'tensorflow', 'segyio', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=CHECKOUT)


def test_manifest_says_where_it_came_from(tmp_path, source):
    ingest(source, "--out", tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["sources"] == [str(source)] and manifest["about"]["fit"] == "pad"
    words = ("--line-header", "EnergySourcePoint", "--labelled-only", "--label", "bad", "--size", "96x64")
    ingest(source, "--out", tmp_path / "two", *words)
    about = json.loads((tmp_path / "two" / "manifest.json").read_text())["about"]
    assert about | {"command": "ingest", "line_header": "EnergySourcePoint", "size": "96x64", "label": "bad"} == about
    assert about["labelled_only"] and about["shot_header"] == "FieldRecord" and about["sample_interval_s"] is None


def test_broken_and_dead_traces_are_told_and_gathers_without_a_live_one_left_out(tmp_path):
    path = tmp_path / "a.segy"
    recordings = [random_recording(shot, samples=50, traces=30) for shot in range(4)]
    recordings[0].amplitude[2, 5] = np.nan
    recordings[0].amplitude[3, 7] = np.inf
    recordings[1].amplitude[:, 9] = 0
    recordings[2].amplitude[:] = 0
    write_segy(path, recordings, [])
    status, output, errors = ingest(path, "--out", tmp_path / "out")
    assert (status, errors) == (0, [])
    name = "a-line3-shot{}-cable2".format
    lines = output.splitlines()
    wanted = f"2 traces of 1 gather with NaN or infinite samples, set to zero: {name(0)} (2, first trace 6)"
    assert wanted in lines
    assert f"1 trace of 1 gather with only zeros, kept: {name(1)} (1, first trace 10)" in lines
    assert f"1 gather left out, without a live trace: {name(2)}" in lines
    survey = open_survey(tmp_path / "out")
    assert survey.index["gather_id"].tolist() == [name(0), name(1), name(3)]
    assert survey.index["dead_traces"].tolist() == [2, 1, 0] and survey.index["broken_traces"].tolist() == [2, 0, 0]
    gather = survey.read(0)
    assert (gather.dead_traces, gather.broken_traces) == (2, 2) and (gather.image[:50, [5, 7]] == 128).all()


def test_numbers_beyond_32_bits_are_broken(tmp_path):
    path = tmp_path / "huge.segy"
    foreign_file(path, first=1e300)
    status, output, _ = ingest(path, "--out", tmp_path / "out")
    assert status == 0 and "1 trace of 1 gather with NaN or infinite samples, set to zero: huge-shot1" in output


def test_resize_warns_of_the_nyquist_frequency(tmp_path, source):
    status, output, errors = ingest(source, "--out", tmp_path / "out", "--size", "35x30", "--fit", "resize")
    assert (status, errors) == (0, [])
    line = "warning: 15 gathers resized from 70 to 35 rows: a row is 16 ms instead of 8, the Nyquist frequency "
    assert f"{line}31.25 Hz instead of 62.5" in output.splitlines()
    assert "to 35x30: 15 resized" in output
    gather = open_survey(tmp_path / "out").read(4)
    assert (gather.fit, gather.recorded_shape) == ("resize", (70, 60)) and len(gather.geometry.offset_m) == 60
    assert amplitudes(gather).shape == (70, 60) and gather.geometry.sample_interval_s == 0.008


def test_sources_of_one_name_get_their_folders_in_front(tmp_path):
    for folder, shots in (("d\u00e9 1", 2), ("day 2", 3)):
        (tmp_path / folder).mkdir()
        write_segy(tmp_path / folder / "line.segy", [random_recording(shot) for shot in range(shots)])
    write_hdf5(tmp_path / "day 2" / "other.h5", [random_recording(shot) for shot in range(2)])
    np.save(tmp_path / "other.npy", np.ones((1, 20, 10)))
    np.savez(tmp_path / "other.npz", np.ones((1, 20, 10)))
    sources = [tmp_path / name for name in ("d\u00e9 1", "day 2", "other.npy", "other.npz")]
    words = ("--axes", "gather,trace,time", "--sample-interval", "8")
    status, output, errors = ingest(*sources, "--out", tmp_path / "out", *words)
    assert (status, errors) == (0, [])
    names = open_survey(tmp_path / "out").index["gather_id"].tolist()
    parent = tmp_path.name
    assert names[:2] == ["d\u00e9-1-line-line3-shot0-cable2", "d\u00e9-1-line-line3-shot1-cable2"]
    assert names[2:5] == [f"day-2-line-line3-shot{shot}-cable2" for shot in range(3)]
    assert names[5:7] == ["day-2-line3-shot0", "day-2-line3-shot1"]
    assert names[7:] == [f"{parent}-other-gather1", f"{parent}-other-gather1-2"]
    assert f"1 gather renamed because their ids were taken: {parent}-other-gather1-2" in output


def test_labels_from_a_table(tmp_path, source):
    (tmp_path / "labels.csv").write_text(
        "file;shot;remark;label\n"
        "line 1.segy;3;;bad\nline 1.segy;4;calm;good\nline 1.segy;3;again;bad\n"
        "line 1.segy;99;;good\nline 1.segy;5;;\n"
    )
    status, output, errors = ingest(
        source, "--out", tmp_path / "out", "--labels", tmp_path / "labels.csv", "--labelled-only"
    )
    assert (status, errors) == (0, [])
    survey = open_survey(tmp_path / "out")
    assert survey.manifest.counts == {"good": 1, "bad": 1}
    assert survey.index["label"].tolist() == ["bad", "good"] and survey.index["shot"].tolist() == [3, 4]
    lines, table = output.splitlines(), tmp_path / "labels.csv"
    assert f"{table}: 1 row that no gather matches: file line 1.segy shot 99" in lines
    assert f"{table}: 1 row without a label: file line 1.segy shot 5" in lines
    assert f"{table}: 1 row given before: file line 1.segy shot 3" in lines
    names = [f"line-1-line3-shot{shot}-cable2" for shot in (0, 1, 2, 6)]
    assert f"{table}: no row for 12 gathers: {', '.join(names)} and 8 more" in lines
    assert any(line.startswith("13 gathers left out, without a label: ") for line in lines)
    words = ("--labels", tmp_path / "labels.csv", "--label", "medium")
    status, output, _ = ingest(source, "--out", tmp_path / "two", *words)
    assert status == 0 and open_survey(tmp_path / "two").manifest.counts == {"good": 1, "medium": 13, "bad": 1}


def test_every_format_at_once(tmp_path):
    """A folder of all formats, with blanks and accents in their names."""
    folder = tmp_path / "Donn\u00e9es d'\u00e9t\u00e9"
    folder.mkdir()
    write_segy(folder / "a \u00e9.segy", [random_recording(0, label="")])
    write_hdf5(folder / "b \u00e9.h5", [random_recording(1, label="good")])
    np.save(folder / "c \u00e9.npy", random_recording(2).amplitude[np.newaxis])
    np.savez_compressed(folder / "d \u00e9.npz", random_recording(3).amplitude[np.newaxis])
    levels = render_recording(random_recording(4), 40, 24).image
    for number, ending in enumerate(("png", "tif", "JPG")):
        Image.fromarray(levels).save(folder / f"e{number} \u00e9.{ending}", quality=100)
    (folder / "notes.txt").write_text("")
    words = ("--axes", "gather,time,trace", "--sample-interval", "8", "--size", "40x24")
    status, output, errors = ingest(folder, "--out", tmp_path / "out", *words)
    assert (status, errors) == (0, [])
    survey = open_survey(tmp_path / "out")
    verify(survey)
    assert survey.index["gather_id"][1] == "line3-shot1"
    assert [Path(source).name[:1] for source in survey.index["source"]] == list("abcdeee")
    assert survey.index["shot"].tolist() == [0, 1, 1, 1, 1, 2, 3]
    for row in range(4):
        wanted = render_recording(random_recording(row), 40, 24)
        assert np.array_equal(survey.read(row).image, wanted.image)
    # Zero and clip of a picture are measured anew, in whole levels.
    assert np.abs(survey.read(4).image.astype(int) - levels).max() <= 1
    assert np.array_equal(survey.read(4).image, survey.read(5).image)
    assert np.abs(survey.read(6).image.astype(int) - levels).mean() < 3
    assert survey.labels == ("good",) and "to 40x24: 7 as recorded" in output


def test_angles_are_remarked_on(tmp_path):
    path = tmp_path / "a.segy"
    foreign_file(path, words={TraceField.CoordinateUnits: 3})
    status, output, errors = ingest(path, "--out", tmp_path / "out")
    assert (status, errors) == (0, [])
    assert f"1 gather without usable coordinates (missing, or in degrees): {path}" in output
    assert np.isnan(open_survey(tmp_path / "out").read(0).geometry.source_x_m)


def test_shots_torn_apart_are_remarked_on(tmp_path):
    """Traces sorted by channel: each is a gather of its own, which the user must hear of."""
    traces = [random_recording(shot, traces=1) for shot in (1, 2, 1, 2, 1)]
    write_segy(tmp_path / "a.segy", traces)
    status, output, errors = ingest(tmp_path / "a.segy", "--out", tmp_path / "out", "--size", "64x32")
    assert (status, errors) == (0, [])
    (line,) = (line for line in output.splitlines() if line.startswith("warning: "))
    assert "3 gathers of a shot that came before" in line and "--shot-header" in line
    write_segy(tmp_path / "b.segy", traces[:2])
    status, output, errors = ingest(tmp_path / "b.segy", "--out", tmp_path / "two", "--size", "64x32")
    assert (status, errors) == (0, []) and "warning" not in output


def test_cables_become_gathers_of_their_own(tmp_path):
    path = tmp_path / "a.segy"
    foreign_file(path)
    status, _, errors = ingest(path, "--out", tmp_path / "out", "--cable-header", "TraceNumber")
    assert (status, errors) == (0, [])
    assert open_survey(tmp_path / "out").index["cable"].tolist() == [1, 2, 3, 4]


@pytest.mark.slow
def test_file_names_that_are_no_text(tmp_path, source):
    out = tmp_path / os.fsdecode(b"out\xe9")
    path = source.rename(tmp_path / "a\r.segy")
    status, output, errors = ingest_apart(path, "--out", os.fsencode(out), "--label", "b\u00fcse")
    assert (status, errors) == (0, []) and r"out\xe9: 15 gathers" in output
    survey = open_survey(out)
    assert len(survey) == 15 and survey.labels == ("b\u00fcse",)
    assert survey.manifest.sources == (f"{tmp_path}/a\\r.segy",) == tuple(survey.index["source"].unique())


@pytest.mark.slow
def test_a_terminated_command_cleans_up(tmp_path):
    path = tmp_path / "a.segy"
    write_segy(path, (random_recording(shot, samples=300, traces=60) for shot in range(1500)), [])
    out = tmp_path / "out"
    call = [sys.executable, "-m", "glowseis.ingest", path, "--out", out]
    with subprocess.Popen(call, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(tmp_path.glob(".out.writing/*.tfrecord")):
            time.sleep(0.01)
        process.terminate()
        output, error = process.communicate(timeout=60)
    assert (process.returncode, output, error) == (75, "", f"glowseis.ingest: {CONTINUES}\n")
    assert [each.name for each in tmp_path.iterdir()] == ["a.segy"]
