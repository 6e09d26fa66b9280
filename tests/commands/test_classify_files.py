"""Several files graded: what was stopped goes on, and what cannot be read is told or left out."""

import shutil

import numpy as np
import pandas as pd
import pytest

from glowseis.delivery.record import read_record
from glowseis.errors import InputError
from glowseis.export.classifier import SavedClassifier
from glowseis.survey.formats.segy import write_segy
from glowseis.survey.ingestion import ingest
from tests.support.field_files import field_file
from tests.support.random_gathers import random_recording


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """Three files of four gathers each."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate("abc"):
        write_segy(tmp_path / f"{name}.segy", [random_recording(10 * number + shot, 30, 20) for shot in range(4)])
    return [f"{name}.segy" for name in "abc"]


def looks(monkeypatch, stop_at=None):
    """The numbers of windows that a classifier looks at, each time; it may be interrupted."""
    look, counts = SavedClassifier.look, []

    def looking(self, images):
        if len(counts) == stop_at:
            raise KeyboardInterrupt
        counts.append(len(images))
        return look(self, images)

    monkeypatch.setattr(SavedClassifier, "look", looking)
    return counts


def test_what_was_stopped_goes_on_where_it_was(graded, lines, tmp_path, monkeypatch, command):
    words = [graded.folder / "grader", *lines, "--batch", 4]
    whole = command("classify", *words, "--out", "whole.csv")
    assert whole.status == 0
    with monkeypatch.context() as patched:
        looks(patched, stop_at=7)
        done = command("classify", *words, "--out", "new.csv")
    kept = tmp_path / ".new.csv.writing"
    assert done.status == 75 and done.error == [
        f"glowseis.classify: new.csv: stopped; run the same command again to continue; to give up, remove {kept}"
    ]
    assert not (tmp_path / "new.csv").exists()
    # As if it had been killed in the middle of a line.
    with (kept / "new.csv.kept").open("a") as file:
        file.write('{"key": "1')
    counts = looks(monkeypatch)
    done = command("classify", *words, "--out", "new.csv")
    assert done.status == 0 and sum(counts) == 4 * 5
    assert "continued after 7 gathers graded before" in done.out
    mine, other = (pd.read_csv(tmp_path / name) for name in ("new.csv", "whole.csv"))
    numbers = mine.select_dtypes("number").columns
    np.testing.assert_allclose(mine[numbers], other[numbers], atol=1e-6)
    assert mine.drop(columns=numbers).equals(other.drop(columns=numbers))
    told = [line for line in done.out.replace("new.csv", "whole.csv").splitlines() if "continued after" not in line]
    assert told == whole.out.splitlines()
    assert read_record(tmp_path / "new.csv") == read_record(tmp_path / "whole.csv")
    assert not kept.exists()


def test_what_changed_meanwhile_is_graded_anew(graded, lines, tmp_path, monkeypatch, command):
    words = [graded.folder / "grader", *lines, "--batch", 4, "--out", "new.csv"]
    with monkeypatch.context() as patched:
        looks(patched, stop_at=7)
        assert command("classify", *words).status == 75
    (tmp_path / "a.segy").unlink()
    write_segy(tmp_path / "a.segy", [random_recording(90 + shot, 30, 20) for shot in range(4)])
    counts = looks(monkeypatch)
    assert command("classify", *words).status == 0 and sum(counts) == 4 * 9
    done = command("classify", graded.folder / "grader", *lines, "--out", "whole.csv")
    assert done.status == 0
    assert pd.read_csv("new.csv")["gather_id"].tolist() == pd.read_csv("whole.csv")["gather_id"].tolist()


@pytest.mark.slow
def test_another_models_work_does_not_go_on(graded, lines, tmp_path, monkeypatch, command):
    with monkeypatch.context() as patched:
        looks(patched, stop_at=7)
        assert command("classify", graded.folder / "grader", *lines, "--batch", 4).status == 75
    shutil.copytree(graded.folder / "grader", tmp_path / "other")
    done = command("classify", tmp_path / "other", *lines)
    assert done.status == 2 and "grades.csv: other work was stopped there (model was" in done.error[0]


def test_files_that_cannot_be_read_are_left_out_if_asked_for(graded, lines, tmp_path, command):
    (tmp_path / "b1.segy").write_bytes(b"no SEG-Y" * 1000)
    words = [graded.folder / "grader", "a.segy", "nowhere.segy", "b1.segy", "b.segy"]
    done = command("classify", *words, "--out", "new.csv")
    assert done.status == 2 and done.error[0].startswith("glowseis.classify: nowhere.segy: no such file")
    assert not (tmp_path / "new.csv").exists()
    done = command("classify", *words, "--out", "new.csv", "--keep-going")
    assert done.status == 1 and len(done.error) == 2
    assert done.error[0].startswith("nowhere.segy: left out: no such file")
    assert done.error[1].startswith("b1.segy: left out: not SEG-Y but text")
    assert command("classify", graded.folder / "grader", "a.segy", "b.segy", "--out", "whole.csv").status == 0
    assert (tmp_path / "new.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    reasons = {one.source: one.reason for one in read_record(tmp_path / "new.csv").files}
    assert reasons["a.segy"] == reasons["b.segy"] == "" and reasons["nowhere.segy"].startswith("nowhere.segy: no such")
    done = command("classify", graded.folder / "grader", "nowhere.segy", "b1.segy", "--out", "no.csv", "--keep-going")
    assert done.status == 2 and "none of 2 files can be read: nowhere.segy: no such file" in done.error[0]
    words = [graded.folder / "grader", graded.survey.path, "nowhere.segy", "--out", "survey.csv", "--keep-going"]
    done = command("classify", *words)
    assert done.status == 1 and len(pd.read_csv("survey.csv")) == 37


def test_a_file_that_fails_in_the_middle_is_left_out_whole(graded, lines, tmp_path, monkeypatch, command):
    read = ingest.read_source

    def failing(source, *given):
        with ingest.blamed_on(source.path):
            for number, found in enumerate(read(source, *given)):
                if source.path.name == "b.segy" and number == 2:
                    raise InputError("b.segy: cannot be read at byte 5; copy it again")
                yield found

    counts = looks(monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr(ingest, "read_source", failing)
        words = [graded.folder / "grader", *lines, "--out", "new.csv", "--batch", 4]
        assert command("classify", *words).status == 2 and not list(tmp_path.glob("*.csv"))
        counts.clear()
        done = command("classify", *words, "--keep-going")
    assert done.status == 1 and done.error == ["b.segy: left out: cannot be read at byte 5; copy it again"]
    # None was graded twice; the last gather before the error may not have been graded at all.
    assert sum(counts) in (4 * (4 + 1 + 4), 4 * (4 + 2 + 4))
    table = pd.read_csv("new.csv")
    assert table["source"].tolist() == ["a.segy"] * 4 + ["c.segy"] * 4


def test_a_file_that_changes_while_it_is_graded_is_told(graded, lines, tmp_path, monkeypatch, command):
    look = SavedClassifier.look

    def looking(self, images):
        with (tmp_path / "a.segy").open("ab") as file:
            file.write(b"more")
        return look(self, images)

    monkeypatch.setattr(SavedClassifier, "look", looking)
    done = command("classify", graded.folder / "grader", "a.segy", "--out", "new.csv")
    assert (
        done.status == 2
        and "a.segy: changed while it was read; run the command again when the file is complete" in done.error[0]
    )
    assert not list(tmp_path.glob("*.csv")) and not list(tmp_path.glob("*.json"))


def test_a_refusal_names_what_the_headers_show(graded, tmp_path, command):
    field_file(tmp_path / "mixed.segy", shots=(1, 2, 3, 4) * 8)
    done = command("classify", graded.folder / "grader", tmp_path / "mixed.segy", "--out", tmp_path / "new.csv")
    assert done.status == 2 and "no gather is left to grade: 32 left out" in done.error[0]
    assert "; warning: " in done.error[0] and "have one trace: sort them by shot" in done.error[0]
