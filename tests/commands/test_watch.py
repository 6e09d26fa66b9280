"""`glowseis classify FOLDER --watch`: files are graded once they are complete, each once, whatever happens then."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from glowseis.delivery.record import read_record
from glowseis.export.classifier import SavedClassifier
from glowseis.export.folders import ABOUT
from glowseis.judging.combination import mean_of_windows
from glowseis.judging.gathers import Seen
from glowseis.run import graded_lines, watching
from glowseis.survey.formats.segy import SegySource, write_segy
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.ingestion.settling import looks
from tests.support.commands import CHECKOUT
from tests.support.random_gathers import random_recording

LABELS = ("good", "medium", "bad")
SETTLE_S = 10.0


class StandIn(SavedClassifier):
    """A classifier without a network."""

    def look(self, images):
        share = np.full((len(images), 3), 0.1, np.float32)
        share[np.arange(len(images)), images.sum(axis=(1, 2), dtype=np.int64) % 3] = 0.8
        return Seen(share, np.log(share), None)


class Folder:
    """A folder that is watched by a clock that stands still between looks."""

    def __init__(self, tmp_path, monkeypatch, command):
        self.path, self.table = tmp_path / "in", tmp_path / "grades.csv"
        self.path.mkdir()
        model = tmp_path / "model"
        (model / ABOUT).parent.mkdir(parents=True)
        (model / "saved_model.pb").write_bytes(b"stand-in")
        (model / ABOUT).write_text(json.dumps({"kind": "classifier"}))
        self._words = [model, "in", "--watch", "--settle", SETTLE_S, "--out", "grades.csv"]
        self.now_s, self._command, self._patch, self.loaded = 0.0, command, monkeypatch, 0
        monkeypatch.chdir(tmp_path)
        for module in (graded_lines, watching):
            monkeypatch.setattr(module, "load_classifier", self._load)
        monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: self.now_s))

    def _load(self, path):
        self.loaded += 1
        return StandIn("stand-in/1", LABELS, (24, 16), {}, None, mean_of_windows(3))

    def named(self, name):
        self._words[1] = name

    def write(self, name, first=0, count=3):
        (self.path / name).unlink(missing_ok=True)
        write_segy(self.path / name, [random_recording(first + shot, 30, 20) for shot in range(count)])
        return self.path / name

    def watch(self, *events, words=()):
        """Watch while things happen, one after another, each followed by a look 6 seconds later, until Ctrl-C."""

        def script(folder, settle_s):
            assert settle_s == SETTLE_S
            yield
            for event in events:
                event()
                self.now_s += 6
                yield
            raise KeyboardInterrupt

        self._patch.setattr(watching, "looks", script)
        return self._command("classify", *self._words, *words)

    def rows(self):
        return pd.read_csv(self.table)


def nothing():
    pass


STOPPED = "glowseis.classify: grades.csv: stopped; its rows are complete, run the same command again to continue"


@pytest.fixture
def folder(tmp_path, monkeypatch, command):
    return Folder(tmp_path, monkeypatch, command)


def test_files_are_graded_once_they_are_complete(folder):
    folder.write("a.segy")
    content = folder.write("b.segy", 10).read_bytes()
    (folder.path / "b.segy").unlink()
    half = content[: len(content) // 2 + 100]
    shown = []

    def grow(size):
        def write():
            shown.append(list(folder.rows()["gather_id"]))
            (folder.path / "b.segy").write_bytes(content[:size])

        return write

    done = folder.watch(
        nothing, nothing, *(grow(len(half) + 50 * step) for step in range(4)), grow(len(content)), nothing, nothing
    )
    assert done.status == 75 and done.error == [STOPPED]
    # a.segy was graded at the second look after it had appeared, b.segy not while it grew.
    assert [len(rows) for rows in shown] == [3] * 5
    assert folder.rows()["source"].tolist() == ["in/a.segy"] * 3 + ["in/b.segy"] * 3
    assert "watching in: a file is graded once it is unchanged for 10 s" in done.out
    counts = folder.rows()["grade"].value_counts()
    assert counts.sum() == 6 and "in/a.segy: 3 gathers graded: " in done.out
    assert folder.loaded == 1
    assert [one.source for one in read_record(folder.table).files] == ["in/a.segy", "in/b.segy"]


@pytest.mark.parametrize(
    "words",
    [("--prior", "0,0,1"), ("--fit", "resize"), ("--fit", "crop", "--size", "16x12"), ("--zero-level", "0.5")],
)
def test_the_table_is_that_of_grading_without_watching(folder, command, monkeypatch, words):
    monkeypatch.setattr(StandIn, "fractions", lambda self: np.full(3, 1 / 3))
    folder.write("a.segy")
    assert command("classify", "model", "in", "--out", "plain.csv").status == 0
    assert command("classify", "model", "in", "--out", "whole.csv", *words).status == 0
    assert folder.watch(nothing, nothing, words=words).status == 75
    plain, whole = ((folder.table.parent / f"{name}.csv").read_text() for name in ("plain", "whole"))
    assert folder.table.read_text() == whole != plain
    assert "--prior" not in words or folder.rows()["grade"].tolist() == ["bad"] * 3


def test_a_file_cut_in_a_trace_is_not_graded_until_it_is_whole(folder):
    content = folder.write("a.segy").read_bytes()

    def write(size):
        return lambda: (folder.path / "a.segy").write_bytes(content[:size])

    done = folder.watch(write(len(content) - 100), nothing, nothing, nothing)
    assert done.status == 75 and len(folder.rows()) == 0 and len(done.error) == 2
    assert done.error[0].startswith("in/a.segy: left out: cut short: trace 60 has only ")
    assert done.error[0].endswith("it will be graded once it has changed and is complete")
    (file,) = read_record(folder.table).files
    assert file.reason.startswith("in/a.segy: cut short") and file.sha256 == ""
    done = folder.watch(write(len(content)), nothing, nothing)
    assert done.error == [STOPPED] and len(folder.rows()) == 3
    (file,) = read_record(folder.table).files
    assert not file.reason and file.sha256


def test_what_is_no_segy_is_told_once_and_again_when_it_changed(folder):
    def junk(text):
        return lambda: (folder.path / "c.segy").write_bytes(text * 1000)

    folder.write("d.segy")
    done = folder.watch(junk(b"no SEG-Y"), *[nothing] * 4, junk(b"neither!"), *[nothing] * 3)
    assert len(done.error) == 3 and all("in/c.segy: left out: not SEG-Y" in line for line in done.error[:2])
    assert folder.rows()["source"].tolist() == ["in/d.segy"] * 3


def test_nothing_is_graded_twice_after_a_restart_and_what_changed_is_told(folder, monkeypatch):
    folder.write("a.segy")
    folder.write("b.segy", 10)
    assert folder.watch(nothing, nothing).status == 75
    before = folder.table.read_bytes()
    # The same content with another time, as of a copy.
    os.utime(folder.path / "b.segy", (1, 1))
    with monkeypatch.context() as patched:
        patched.setattr(StandIn, "look", None)
        done = folder.watch(nothing, nothing)
    assert done.status == 75 and folder.table.read_bytes() == before and "; 2 files graded before" in done.out
    folder.write("a.segy", 40, 2)
    done = folder.watch(nothing, nothing)
    assert "in/a.segy: changed since it was graded; graded again" in done.out and done.error == [STOPPED]
    rows = folder.rows()
    assert rows["source"].tolist() == ["in/b.segy"] * 3 + ["in/a.segy"] * 2
    assert rows["shot"].tolist() == [10, 11, 12, 40, 41]
    assert {one.source: one.modified_ns for one in read_record(folder.table).files}["in/b.segy"] == 10**9


@pytest.mark.parametrize("name", ["../here/in", "link"])
def test_a_folder_of_another_name_is_the_same(folder, tmp_path, monkeypatch, name):
    folder.write("a.segy")
    folder.write("b.segy", 10)
    assert folder.watch(nothing, nothing).status == 75
    before = folder.rows()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path.parent / "here").unlink(missing_ok=True)
    (tmp_path.parent / "here").symlink_to(tmp_path)
    folder.named(name)
    os.utime(folder.path / "b.segy", (1, 1))
    with monkeypatch.context() as patched:
        patched.setattr(StandIn, "look", None)
        assert folder.watch(nothing, nothing).status == 75
    folder.write("a.segy", 40, 2)
    done = folder.watch(nothing, nothing)
    assert f"{name}/a.segy: changed since it was graded; graded again" in done.out and done.error == [STOPPED]
    rows = folder.rows()
    assert rows["shot"].tolist() == [10, 11, 12, 40, 41] and before["shot"].tolist() == [0, 1, 2, 10, 11, 12]
    assert len(read_record(folder.table).files) == 2


def test_a_file_that_changes_while_it_is_graded_is_graded_later(folder, monkeypatch):
    path = folder.write("a.segy")
    look = StandIn.look

    def looking(self, images):
        if folder.now_s < 20:
            os.utime(path, (folder.now_s, folder.now_s))
        return look(self, images)

    monkeypatch.setattr(StandIn, "look", looking)
    done = folder.watch(*[nothing] * 6)
    assert len(done.error) == 2 and "in/a.segy: left out: changed while it was read" in done.error[0]
    assert len(folder.rows()) == 3 and not read_record(folder.table).files[0].reason


def test_a_file_that_changes_while_another_is_graded_settles_again(folder, monkeypatch):
    folder.write("a.segy")
    other = folder.write("b.segy", 10)
    os.utime(other, (2**31, 2**31))
    look, seen = StandIn.look, []

    def looking(self, images):
        if not seen:
            os.utime(other, (2**31 + 9, 2**31 + 9))
        seen.append(len(images))
        return look(self, images)

    monkeypatch.setattr(StandIn, "look", looking)
    done = folder.watch(*[nothing] * 5)
    assert done.error == [STOPPED] and len(folder.rows()) == 6 and sum(seen) == 24


def test_an_interruption_leaves_whole_files(folder, monkeypatch):
    folder.write("a.segy")
    folder.write("b.segy", 10, 40)
    look, windows = StandIn.look, []

    def looking(self, images):
        # 12 windows of a.segy, then 16 at a time of b.segy.
        if sum(windows) == 12 + 5 * 16:
            raise KeyboardInterrupt
        windows.append(len(images))
        return look(self, images)

    with monkeypatch.context() as patched:
        patched.setattr(StandIn, "look", looking)
        done = folder.watch(nothing, nothing)
    assert done.status == 75 and folder.rows()["source"].tolist() == ["in/a.segy"] * 3
    windows.clear()
    monkeypatch.setattr(StandIn, "look", lambda self, images: windows.append(len(images)) or look(self, images))
    assert folder.watch(nothing, nothing).status == 75 and len(folder.rows()) == 43
    # Five times four gathers were not looked at again.
    assert sum(windows) == 4 * (40 - 20)
    there = sorted(path.name for path in folder.table.parent.iterdir())
    assert there == ["grades.csv", "grades.csv.files.json", "in", "model"]


def test_ids_stay_apart(folder):
    folder.write("a.segy")
    (folder.path / "a.sgy").write_bytes((folder.path / "a.segy").read_bytes())
    folder.watch(nothing, nothing)
    assert folder.rows()["gather_id"].is_unique and len(folder.rows()) == 6


def test_files_that_differ_in_their_ending_are_delivered(folder, command):
    folder.write("a.segy")
    folder.write("a.sgy", 20, 2)
    folder.watch(nothing, nothing)
    folder.write("a.segy", 40, 4)
    folder.watch(nothing, nothing)
    assert folder.rows()["gather_id"].is_unique and len(folder.rows()) == 6
    done = command("deliver", folder.table, "--out", "out", "--segy", "--grade-word", 181)
    assert done.status == 0, done.error
    for name, table in folder.rows().groupby("source"):
        copy = SegySource(folder.table.parent / "out" / "segy" / Path(name).name, ReadOptions())
        numbers = [headers[0, 180:184].view(">i4")[0] for _, headers in copy.gather_headers()]
        assert numbers == [LABELS.index(grade) + 1 for grade in table["grade"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("more",), "--watch needs one folder of files, not several sources"),
        (("--labels", "labels.csv"), "--labels scores grades at the end, and --watch has none"),
        (("--size", "24x16"), "--size 24x16 needs --fit"),
        (("--format", "tape"), "--format tape is unknown"),
        (("--settle", "0"), "Invalid value for '--settle'"),
    ],
)
def test_bad_input_is_told_in_one_line(folder, words, message):
    done = folder.watch(words=words)
    assert done.status == 2 and len(done.error) == 1 and message in done.error[0] and not folder.table.exists()


def test_a_table_of_something_else_is_told(folder):
    folder.table.write_text("mine")
    done = folder.watch()
    assert done.status == 2 and "grades.csv.files.json: missing" in done.error[0] and folder.table.read_text() == "mine"


def test_one_table_has_one_writer(folder):
    def another():
        done = subprocess.run(
            [sys.executable, "-c", LOCKING], check=False, cwd=folder.table.parent, capture_output=True, text=True
        )
        assert "another process" in done.stdout

    assert folder.watch(another).status == 75


LOCKING = """
from pathlib import Path
from glowseis.errors import InputError
from glowseis.locks import locked
try:
    with locked(Path(".grades.csv.watch.lock"), "another process"):
        print("free")
except InputError as wrong:
    print(wrong)
"""

LOOKING = """
from pathlib import Path
from glowseis import command
from glowseis.survey.ingestion import settling

settling.LONGEST_S = 1000.0

def main() -> None:
    for number, _ in enumerate(settling.looks(Path("."), 2000.0)):
        command.say(f"look {number}")

command.run(main, [])
"""


def test_a_look_follows_a_change_at_once_and_a_signal_ends_it(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(
        [sys.executable, "-c", LOOKING],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    patience = threading.Timer(60, process.kill)
    patience.start()
    assert process.stdout.readline() == "look 0\n"
    # The folder is watched a moment after the first look.
    for number in range(100):
        (tmp_path / f"{number}.segy").write_bytes(b"1")
        if select.select([process.stdout], [], [], 0.2)[0]:
            break
    assert process.stdout.readline() == "look 1\n"
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate()
    patience.cancel()
    assert process.returncode == 143 and error.count("\n") == 1 and "terminated" in error


def test_a_folder_is_looked_at_without_changes_too(tmp_path):
    seen = looks(tmp_path, 0.1)
    assert [len(next(seen) or ()) for _ in range(3)] == [0, 0, 0]
    seen.close()
