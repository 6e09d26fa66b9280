"""Batches of files: those that cannot be read are left out if asked for, and a batch that was stopped goes on."""

import json

import numpy as np
import pytest
from PIL import Image

from glowseis.errors import InputError
from glowseis.survey.formats.segy import write_segy
from glowseis.survey.ingestion import finished, ingest
from glowseis.survey.store.scanning import verify
from glowseis.survey.store.survey import open_survey
from tests.support.file_batches import OPTIONS, recording, write_batch


@pytest.fixture
def batch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finished, "EVERY_S", 0.0)
    return write_batch(tmp_path)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stopping(monkeypatch, at, error=KeyboardInterrupt):
    """Let reading stop in the middle of some file; gives the files that were read."""
    read, files = ingest.read_source, []

    def stopped(source, *given):
        files.append(source.path.name)
        for number, found in enumerate(read(source, *given)):
            if source.path.name == at and number == 1:
                raise error
            yield found

    monkeypatch.setattr(ingest, "read_source", stopped)
    return files


@pytest.mark.parametrize("first", ["d.npy", "a.segy"])
@pytest.mark.parametrize("at", ["b.segy", "c.segy"])
def test_an_ingest_that_was_stopped_goes_on_after_whole_files(batch, tmp_path, monkeypatch, command, at, first):
    order = [first, *(name for name in ("a.segy", "b.segy", "c.segy", "d.npy") if name != first)]
    words = [f"in/{name}" for name in order]
    whole = command("ingest", *words, *OPTIONS, "--out", "whole")
    assert whole.status == 0, whole.error
    with monkeypatch.context() as patched:
        stopping(patched, at)
        done = command("ingest", *words, *OPTIONS, "--out", "new")
    assert done.status == 75 and done.error == [
        "glowseis.ingest: new: stopped; run the same command again to continue; to give up, remove "
        f"{tmp_path / '.new.writing'}"
    ]
    files = stopping(monkeypatch, "none")
    done = command("ingest", *words, *OPTIONS, "--out", "new")
    assert done.status == 0 and files == order[order.index(at) :]
    assert content(tmp_path / "new") == content(tmp_path / "whole")
    verify(open_survey(tmp_path / "new"))
    assert "new: continued after " in done.out
    lines = [line for line in done.out.replace("new", "whole").splitlines() if "continued after" not in line]
    assert lines == whole.out.splitlines()


def test_nothing_is_kept_of_a_file_that_changed(batch, monkeypatch, command):
    with monkeypatch.context() as patched:
        stopping(patched, "c.segy")
        assert command("ingest", "in", *OPTIONS, "--out", "new").status == 75
    write_segy(batch / "e.segy", [recording(shot, line=0) for shot in range(3)])
    (batch / "e.segy").rename(batch / "a.segy")
    files = stopping(monkeypatch, "none")
    done = command("ingest", "in", *OPTIONS, "--out", "new")
    assert done.status == 0 and files[0] == "a.segy" and "continued after" not in done.out


@pytest.mark.parametrize("table", ["a.csv", "gathers.csv"])
def test_nothing_is_kept_of_a_file_whose_table_changed(batch, monkeypatch, command, table):
    with monkeypatch.context() as patched:
        stopping(patched, "c.segy")
        assert command("ingest", "in", *OPTIONS, "--out", "new").status == 75
    (batch / table).write_text("gather_id\n")
    files = stopping(monkeypatch, "none")
    done = command("ingest", "in", *OPTIONS, "--out", "new")
    assert done.status == 0 and files[0] == "a.segy"


def test_gathers_do_not_keep_labels_that_changed(batch, tmp_path, monkeypatch, command):
    with monkeypatch.context() as patched:
        stopping(patched, "c.segy")
        assert command("ingest", "in", *OPTIONS, "--out", "new").status == 75
    labels = tmp_path / "labels.csv"
    labels.write_text(labels.read_text().replace("shot0-cable2,bad", "shot0-cable2,medium"))
    assert command("ingest", "in", *OPTIONS, "--out", "new").status == 0
    assert open_survey(tmp_path / "new").index["label"].tolist()[:3] == ["medium", "bad", ""]


def test_another_request_does_not_go_on(batch, tmp_path, monkeypatch, command):
    with monkeypatch.context() as patched:
        stopping(patched, "c.segy")
        assert command("ingest", "in", *OPTIONS, "--out", "new").status == 75
    done = command("ingest", "in", *OPTIONS, "--out", "new", "--size", "64x64")
    assert done.status == 2 and "new: other work was stopped there (size was" in done.error[0]


@pytest.fixture
def faulty(batch):
    """One file more that is no SEG-Y, one cut short, one that is missing."""
    (batch / "b1.segy").write_bytes(b"no SEG-Y" * 1000)
    (batch / "e.segy").write_bytes(b"")
    return ["in", "nowhere.segy"]


def test_files_that_cannot_be_read_are_left_out_if_asked_for(faulty, batch, tmp_path, command):
    done = command("ingest", *faulty, *OPTIONS, "--out", "new")
    assert done.status == 2 and len(done.error) == 1 and not (tmp_path / "new").exists()
    done = command("ingest", *faulty, *OPTIONS, "--out", "new", "--keep-going")
    assert done.status == 1 and len(done.error) == 3
    assert done.error[0].startswith("in/b1.segy: left out: not SEG-Y but text")
    assert done.error[1].startswith("in/e.segy: left out: ") and done.error[2].startswith(
        "nowhere.segy: left out: no such"
    )
    survey = open_survey(tmp_path / "new")
    left_out = survey.manifest.about["left_out"]
    assert sorted(left_out) == ["in/b1.segy", "in/e.segy", "nowhere.segy"]
    words = [f"in/{name}" for name in ("a.segy", "b.segy", "c.segy", "d.npy")]
    assert command("ingest", *words, *OPTIONS, "--out", "whole").status == 0
    assert survey.index.equals(open_survey(tmp_path / "whole").index)
    assert command("ingest", "in", *OPTIONS, "--out", "again", "--keep-going", "--format", "numpy").status == 0


@pytest.mark.parametrize("at", ["a.segy", "c.segy", "d.npy"])
def test_a_file_that_fails_in_the_middle_is_left_out_whole(batch, tmp_path, monkeypatch, command, at):
    words = [f"in/{name}" for name in ("a.segy", "b.segy", "c.segy", "d.npy")]
    with monkeypatch.context() as patched:
        read = ingest.read_source

        def failing(source, *given):
            with ingest.blamed_on(source.path):
                for number, found in enumerate(read(source, *given)):
                    if source.path.name == at and number == 1:
                        raise InputError(f"in/{at}: cannot be read at byte 5; copy it again")
                    yield found

        patched.setattr(ingest, "read_source", failing)
        done = command("ingest", *words, *OPTIONS, "--out", "new")
        assert done.status == 2 and done.error == [f"glowseis.ingest: in/{at}: cannot be read at byte 5; copy it again"]
        assert not (tmp_path / "new").exists() and not (tmp_path / ".new.writing").exists()
        done = command("ingest", *words, *OPTIONS, "--out", "new", "--keep-going")
    assert done.status == 1 and done.error == [f"in/{at}: left out: cannot be read at byte 5; copy it again"]
    words.remove(f"in/{at}")
    options = OPTIONS if at != "d.npy" else OPTIONS[2:]
    assert command("ingest", *words, *options, "--out", "whole").status == 0
    mine, other = open_survey(tmp_path / "new"), open_survey(tmp_path / "whole")
    assert mine.index.equals(other.index)
    verify(mine)


def test_nothing_that_can_be_read_is_told(batch, tmp_path, command):
    (batch / "b1.segy").write_bytes(b"no SEG-Y" * 1000)
    done = command("ingest", "in/b1.segy", "nowhere.segy", "--out", "new", "--keep-going")
    assert done.status == 2 and done.error[0].startswith(
        "glowseis.ingest: none of 2 files can be read: in/b1.segy: not SEG-Y"
    )
    assert not (tmp_path / "new").exists()


def test_the_note_of_what_is_finished_is_no_part_of_a_survey(batch, tmp_path, command):
    assert command("ingest", "in", *OPTIONS, "--out", "new").status == 0
    assert sorted(content(tmp_path / "new")) == ["gathers-00000.tfrecord", "gathers.csv", "manifest.json"]
    assert "left_out" not in json.loads((tmp_path / "new" / "manifest.json").read_text())["about"]


def write_pictures(folder, pages, broken, ending):
    """Pictures of these numbers of pages, one of them cut in its pixels or, if `broken` is a pair, in its header."""
    folder.mkdir()
    number, cut = broken if isinstance(broken, tuple) else (broken, 0)
    for place, count in enumerate(pages, start=1):
        levels = [np.random.default_rng(10 * place + page).normal(128, 20, (64, 64)) for page in range(count)]
        images = [Image.fromarray(level.clip(0, 255).astype(np.uint8)) for level in levels]
        more = {"save_all": True, "append_images": images[1:]} if count > 1 else {}
        images[0].save(folder / f"p{place}{ending}", **more)
    path = folder / f"p{number}{ending}"
    path.write_bytes(path.read_bytes()[: cut or -200])


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("ending", "pages", "broken", "shots"),
    [
        (".png", (1,) * 5, 3, [1, 2, 4, 5]),
        (".png", (1,) * 5, (1, 20), [2, 3, 4, 5]),
        (".tif", (1, 1, 1, 1), (2, 20), [1, 3, 4]),
        (".tif", (2, 3, 2), (3, 20), [1, 2, 3, 4, 5]),
    ],
)
def test_pictures_after_one_that_is_left_out_keep_their_shots(
    tmp_path, monkeypatch, command, ending, pages, broken, shots, jobs
):
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / "in", pages, broken, ending)
    labels = {1: "good", 2: "medium", 3: "bad", 4: "medium", 5: "good"}
    (tmp_path / "labels.csv").write_text("shot,label\n" + "".join(f"{shot},{name}\n" for shot, name in labels.items()))
    done = command("ingest", "in", "--labels", "labels.csv", "--keep-going", "--jobs", jobs, "--out", "new")
    assert done.status == 1 and len(done.error) == 1 and ": left out: " in done.error[0], done.error
    index = open_survey(tmp_path / "new").index
    assert index["shot"].tolist() == shots and index["label"].tolist() == [labels[shot] for shot in shots]
    # What is said of the labels is what was done with them.
    missing = len(labels) - len(shots)
    assert ("that no gather matches" in done.out) == bool(missing)
    assert not missing or f"{missing} row{'s' * (missing > 1)} that no gather matches" in done.out


def test_pages_that_cannot_be_counted_are_not_guessed(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / "in", (2, 2, 2), (2, 20), ".tif")
    done = command("ingest", "in", "--keep-going", "--out", "new")
    assert done.status == 2 and len(done.error) == 1 and "in/p2.tif: its pages cannot be counted" in done.error[0]


def test_a_broken_tiff_file_without_others_counts_as_one_shot(tmp_path, command):
    write_pictures(tmp_path / "in", (1, 1), (2, 20), ".png")
    (tmp_path / "in/p2.png").rename(tmp_path / "in/a.tif")
    done = command("ingest", tmp_path / "in", "--keep-going", "--out", tmp_path / "new")
    assert done.status == 1 and open_survey(tmp_path / "new").index["shot"].tolist() == [2]
