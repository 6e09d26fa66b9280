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
from random_gathers import full_device, random_recording
from segyio import BinField, TraceField

from glowseis.command import run
from glowseis.ingest import main
from glowseis.survey import framing
from glowseis.survey.formats.segy import write_segy
from glowseis.survey.records import open_survey

ROOT = Path(__file__).parent.parent


def command(*words, **settings):
    """Run the command as a user does; gives exit status, output and the lines of errors."""
    words = [word if isinstance(word, bytes) else str(word) for word in words]
    call = [sys.executable, "-m", "glowseis.ingest", *words]
    done = subprocess.run(call, check=False, cwd=ROOT, capture_output=True, text=True, **settings)
    return done.returncode, done.stdout, done.stderr.splitlines()


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
    status, output, errors = command(source, "--out", out, "--label", "bad")
    assert (status, errors) == (0, [])
    survey = open_survey(out)
    assert survey.size == (128, 64) and survey.manifest.counts == {"bad": 15}
    gather = survey.read("line-1-line3-shot4-cable2")
    assert (gather.geometry.shot, gather.geometry.sample_interval_s) == (4, 0.008)
    assert (gather.geometry.offset_m[0], gather.geometry.offset_m[-1]) == (-150, np.rint(-150 - 59 * 12.5))
    lines = output.splitlines()
    assert "line-1-line3-shot0-cable2" in lines[1] and "-150 to -888" in lines[1] and " 8.0 " in lines[1]
    assert lines[-2:] == [f"and 3 more, listed in {out / 'gathers.csv'}", f"{out}: 15 gathers of 128x64 (15 bad)"]


def test_crop_and_no_label(tmp_path, source):
    out = tmp_path / "one"
    assert command(source, "--out", out, "--size", "64x32")[2][0].endswith("pass --fit crop or a larger --size")
    assert not out.exists()
    status, output, _ = command(source, "--out", out, "--size", "64x32", "--fit", "crop", "--sample-interval", "2")
    assert status == 0 and output.splitlines()[-1].endswith("15 gathers of 64x32 (15 unlabelled)")
    gather = open_survey(out).read(0)
    assert (gather.valid_samples, gather.valid_traces, gather.recorded_shape) == (64, 32, (70, 60))
    assert gather.geometry.sample_interval_s == 0.002


def test_bad_input_is_one_line(tmp_path, source):
    (tmp_path / "empty.segy").write_bytes(b"")
    (tmp_path / "text.segy").write_text("shot,label\n" * 1000)
    (tmp_path / "cut.segy").write_bytes(source.read_bytes()[:-50])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    bad = random_recording(1)
    bad.amplitude[2, 5] = np.nan
    write_segy(tmp_path / "nan.segy", [random_recording(0), bad], [])
    other = random_recording(0)
    other = dataclasses.replace(other, geometry=dataclasses.replace(other.geometry, sample_interval_s=0.002))
    write_segy(tmp_path / "fast.segy", [other], [])
    foreign_file(tmp_path / "huge.segy", first=1e300)
    out = tmp_path / "out"
    cases = [
        ((tmp_path / "nowhere.segy", "--out", out), "no such file"),
        ((tmp_path / "empty.segy", "--out", out), "has 0 bytes"),
        ((tmp_path / "text.segy", "--out", out), "not SEG-Y"),
        ((source, tmp_path / "cut.segy", "--out", out), "cut.segy: cut short"),
        ((tmp_path, "--out", out), "is a folder"),
        ((tmp_path / "nan.segy", "--out", out), "nan-line3-shot1-cable2.*NaN or infinite.*trace 6"),
        ((source, "--out", tmp_path / "full"), "not empty"),
        ((source, "--out", source), "exists already"),
        ((source, source, "--out", out), "given twice"),
        ((source, "--out", out, "--size", "wide"), "write it like 896x640"),
        ((source, "--out", out, "--label", "bad\r"), r"label 'bad\\r': use 1 to 100 printable"),
        ((source, "--out", out, "--label", b"caf\xe9"), r"label 'caf\\udce9'"),
        ((source, "--out", out, "--label", " bad "), "without blanks around"),
        ((source, "--out", out, "--label", "b" * 101), "use 1 to 100"),
        ((tmp_path / "fast.segy", source, "--out", out), "line 1.segy has .* 8 ms, .*fast.segy every 2 ms"),
        ((tmp_path / "huge.segy", "--out", out), "huge-shot1 .*NaN or infinite.*trace 1"),
        ((source, "--out", out, "--cable-header", "Cable"), "FieldRecord"),
        ((source, "--out", out, "--fit", "squash"), "choose pad or crop"),
        ((source, "--out", out, "--shot-header", "Shot"), "FieldRecord"),
    ]
    for words, message in cases:
        status, output, errors = command(*words)
        assert status == 2 and output == "" and len(errors) == 1, (words, errors)
        assert errors[0].startswith("glowseis.ingest: ")
        assert re.search(message, errors[0]), errors
        assert not out.exists() and not (tmp_path / ".out.writing").exists()
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]


def test_missing_arguments_are_one_line(tmp_path, source):
    for words, message in (((source,), "out"), (("--out", tmp_path / "out"), "SOURCE|sources")):
        status, output, errors = command(*words)
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
    status, _, errors = command(
        source,
        "--out",
        tmp_path / "out",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )
    assert status == 2 and len(errors) == 1 and "no space left" in errors[0] and str(tmp_path / "out") in errors[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["line 1.segy"]


def test_help_is_quick_and_shows_an_example():
    status, output, _ = command("--help")
    assert status == 0 and "Example: python -m glowseis.ingest line12.segy --out" in output
    script = "import sys, glowseis.ingest; assert not {'tensorflow', 'segyio', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_manifest_says_where_it_came_from(tmp_path, source):
    command(source, "--out", tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["sources"] == [str(source)] and manifest["about"] == {"command": "ingest", "fit": "pad"}


def test_angles_are_remarked_on(tmp_path):
    path = tmp_path / "a.segy"
    foreign_file(path, words={TraceField.CoordinateUnits: 3})
    status, output, errors = command(path, "--out", tmp_path / "out")
    assert (status, errors) == (0, [])
    assert f"{path}: 1 gathers without coordinates, which are angles there" in output
    assert np.isnan(open_survey(tmp_path / "out").read(0).geometry.source_x_m)


def test_cables_become_gathers_of_their_own(tmp_path):
    path = tmp_path / "a.segy"
    foreign_file(path)
    status, _, errors = command(path, "--out", tmp_path / "out", "--cable-header", "TraceNumber")
    assert (status, errors) == (0, [])
    assert open_survey(tmp_path / "out").index["cable"].tolist() == [1, 2, 3, 4]


def test_file_names_that_are_no_text(tmp_path, source):
    out = tmp_path / os.fsdecode(b"out\xe9")
    path = source.rename(tmp_path / "a\r.segy")
    status, output, errors = command(path, "--out", os.fsencode(out), "--label", "b\u00fcse")
    assert (status, errors) == (0, []) and r"out\xe9: 15 gathers" in output
    survey = open_survey(out)
    assert len(survey) == 15 and survey.labels == ("b\u00fcse",)
    assert survey.manifest.sources == (f"{tmp_path}/a\\r.segy",) == tuple(survey.index["source"].unique())


def test_a_terminated_command_cleans_up(tmp_path):
    path = tmp_path / "a.segy"
    write_segy(path, (random_recording(shot, samples=300, traces=60) for shot in range(1500)), [])
    out = tmp_path / "out"
    call = [sys.executable, "-m", "glowseis.ingest", path, "--out", out]
    with subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(tmp_path.glob(".out.writing/*.tfrecord")):
            time.sleep(0.01)
        process.terminate()
        output, error = process.communicate(timeout=60)
    assert (process.returncode, output, error) == (143, "", "glowseis.ingest: terminated\n")
    assert [each.name for each in tmp_path.iterdir()] == ["a.segy"]
