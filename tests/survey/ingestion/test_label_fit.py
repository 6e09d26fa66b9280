"""Whether labels and files belong together, and what the command says where they do not."""

import dataclasses

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.formats.hdf5_layout import write_hdf5
from glowseis.survey.formats.segy import write_segy
from glowseis.survey.formats.trace_source import TraceSource
from glowseis.survey.gather import Origin
from glowseis.survey.severity import by_severity, of_unknown_severity
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.random_gathers import random_gather, random_recording


@pytest.fixture
def ingest(command, tmp_path, monkeypatch):
    """Ingest files with a table of labels, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(table, *words):
        (tmp_path / "grades.csv").write_text(table)
        return command("ingest", *words, "--labels", "grades.csv", "--out", "out", "--size", "64x64")

    return call


def refused(done):
    assert done.status == 2 and len(done.error) == 1, done.error
    return done.error[0]


def foreign(path, shots):
    """A file of another maker: FieldRecord counts from 1, EnergySourcePoint has the shots."""
    write_segy(path, map(random_recording, shots), numbered=True)
    content = path.read_bytes()
    path.write_bytes(b"\x40" * 3200 + content[3200:])


def test_the_header_word_that_holds_the_shots_is_named(ingest, tmp_path):
    foreign(tmp_path / "line.segy", (101, 102, 103))
    table = "shot,label\n101,bad\n103,good\n"
    told = refused(ingest(table, "line.segy"))
    assert told.endswith(
        "grades.csv: no row fits any gather: its shots are 101 to 103, the gathers' 1 to 3 (FieldRecord); "
        "EnergySourcePoint holds 101 to 103; try --shot-header EnergySourcePoint"
    )
    assert not (tmp_path / "out").exists()
    done = ingest(table, "line.segy", "--shot-header", "EnergySourcePoint")
    assert done.status == 0 and open_survey(tmp_path / "out").index["label"].tolist() == ["bad", "", "good"]


def test_a_word_that_counts_traces_is_not_advised_where_some_shots_fit(ingest, tmp_path):
    write_segy(tmp_path / "own.segy", [random_recording(shot) for shot in (1, 2, 3)])
    done = ingest("shot,label\n2,bad\n3,bad\n4,good\n5,good\n", "own.segy")
    assert done.status == 0 and "2 rows that no gather matches: shot 4, shot 5" in done.out
    assert "--shot-header" not in done.out


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "shot,label\n77,bad\n",
            "its shots are 77, the gathers' 1 to 3 (FieldRecord); name their word by --shot-header",
        ),
        (
            "shot,label\n9,bad\n",  # a number of traces, too
            "its shots are 9, the gathers' 1 to 3 (FieldRecord); name their word by --shot-header",
        ),
        ("line,shot,label\n9,1,bad\n", "its lines are 9, the gathers' 3; name their word by --line-header"),
        ("shot,cable,label\n1,7,bad\n", "its cables are 7, the gathers' 2; name their word by --cable-header"),
        ("file,label\nother.sgy,bad\n", "its files are 'other.sgy', the sources 'own.segy'; write their names"),
        ("gather_id,label\nx,bad\n", "its gather ids are 'x', the gathers' 'own-line3-shot1-cable2'"),
        ("line,shot,label\n3,9,bad\n9,1,good\n", "no gather matches a row in all columns, such as line 3 shot 9"),
    ],
)
def test_no_row_fits(ingest, tmp_path, table, message):
    write_segy(tmp_path / "own.segy", [random_recording(shot) for shot in (1, 2, 3)])
    told = refused(ingest(table, "own.segy"))
    assert "grades.csv: no row fits any gather: " in told and message in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["ingest", "classify"])
def test_ids_that_no_header_gives_are_refused_before_anything_is_loaded(command, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_segy(tmp_path / folder / "own.segy", [random_recording(shot) for shot in (1, 2, 3)])
    monkeypatch.setattr(TraceSource, "gathers", lambda source: pytest.fail("amplitudes were read"))
    monkeypatch.setattr("glowseis.command.import_tensorflow", lambda **given: pytest.fail("TensorFlow was imported"))
    (tmp_path / "grades.csv").write_text("gather_id,label\nown-line3-shot1-cable2,bad\n")
    done = command(name, "a/own.segy", "b/own.segy", "--labels", "grades.csv", "--out", "out")
    assert "its gather ids are 'own-line3-shot1-cable2', the gathers' 'a-own-line3-shot1-cable2'" in refused(done)
    assert not (tmp_path / "out").exists()


def test_ids_from_headers_are_those_that_gathers_get(ingest, tmp_path):
    for folder in ("a", "a/a"):
        (tmp_path / folder).mkdir()
        write_segy(tmp_path / folder / "own.segy", [random_recording(shot) for shot in (1, 2)])
    named = "a-own-line3-shot2-cable2-2"
    done = ingest(f"gather_id,label\n{named},bad\n", "a/own.segy", "a/a/own.segy")
    assert done.status == 0, done.error
    index = open_survey(tmp_path / "out").index
    assert index["gather_id"][index["label"] == "bad"].tolist() == [named]


def test_no_row_fits_files_without_shots(ingest, tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(1).normal(size=(2, 40, 24)).astype("f4"))
    words = ("a.npy", "--axes", "gather,time,trace", "--sample-interval", "4")
    told = refused(ingest("shot,label\n101,bad\n", *words))
    assert "its shots are 101, the gathers' 1 to 2, which are counted because the files have none" in told
    # Each file counts its own.
    np.save(tmp_path / "b.npy", np.ones((1, 40, 24), "f4") * np.arange(24, dtype="f4"))
    told = refused(ingest("shot,label\n1,bad\n", *words[:1], "b.npy", *words[1:]))
    assert "row 2: shot 1 fits gathers of several files, a.npy and b.npy; add a column file" in told


def test_rows_by_shot_and_synthetic_gathers(ingest, tmp_path):
    child = dataclasses.replace(random_recording(1), gather_id="child", origin=Origin(("a", "b"), 0.5, 1, "m/1"))
    write_hdf5(tmp_path / "new.h5", [child])
    told = refused(ingest("shot,label\n1,bad\n", "new.h5"))
    assert "all are synthetic, and rows by shot are for recorded ones; add a column file" in told
    write_hdf5(tmp_path / "old.h5", [random_recording(1)])
    done = ingest("shot,label\n1,bad\n", "old.h5", "new.h5")
    assert done.status == 0 and open_survey(tmp_path / "out").index["label"].tolist() == ["bad", "good"]


def test_another_word_that_holds_more_shots_is_remarked_on(ingest, tmp_path):
    foreign(tmp_path / "line.segy", (3, 4, 5, 6))
    done = ingest("shot,label\n3,bad\n4,good\n5,good\n6,good\n", "line.segy")
    assert done.status == 0
    assert "warning: grades.csv: 2 of its 4 shots match FieldRecord, and 4 match EnergySourcePoint" in done.out


def test_labels_that_differ_in_capitals_alone(tmp_path):
    gathers = (random_gather(shot, label=label) for shot, label in enumerate(("bad", "good", "Bad")))
    with pytest.raises(InputError, match="labelled 'Bad', others 'bad'; use one spelling"):
        write_survey(tmp_path / "s", gathers, (64, 32), {})


def test_severity_whatever_the_capitals(tmp_path):
    assert by_severity(["BAD", "poor", "Good", "Medium", "fair"]) == ("Good", "Medium", "BAD", "fair", "poor")
    assert of_unknown_severity(["BAD", "poor", "Good", "fair"]) == ["fair", "poor"]
    gathers = (random_gather(shot, label=label) for shot, label in enumerate(("Bad", "Good", "MEDIUM")))
    write_survey(tmp_path / "s", gathers, (64, 32), {})
    assert open_survey(tmp_path / "s").labels == ("Good", "MEDIUM", "Bad")
