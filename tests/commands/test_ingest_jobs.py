"""Files read ahead by others: the survey and all that is printed are those of one process."""

import signal
import threading
import time

import numpy as np
import pytest
from PIL import Image

from glowseis.survey.formats.segy import write_segy
from glowseis.survey.formats.segy_origin import SYNTHETIC, simulated_text
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.ingestion import apart, finished, ingest, parts
from tests.support.commands import finish, start
from tests.support.file_batches import OPTIONS, recording, write_batch
from tests.support.shot_files import Line, written
from tests.support.trace_files import swell


@pytest.fixture
def batch(tmp_path, monkeypatch):
    """A folder with all that the report tells, another with a file of the same name, and one of pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finished, "EVERY_S", 0.0)
    files = write_batch(tmp_path)
    line = Line()
    weights = np.where(line.shot == 2, 4, 3 * (line.number % 3) - 1)
    for name, words in (("e", {"trwf": weights}), ("f", {"trid": np.where(line.number == 7, 2, 1)})):
        amplitude = swell(72, 60)
        amplitude[5] = 0
        written(tmp_path, Line().with_words(**words), amplitude=amplitude).rename(files / f"{name}.segy")
    (tmp_path / "other").mkdir()
    write_segy(tmp_path / "other/a.segy", [recording(shot, line=0) for shot in (0, 4)])
    write_segy(tmp_path / "other/h.segy", [recording(shot, line=7) for shot in (0, 1)], simulated_text(3))
    write_segy(tmp_path / "other/i.segy", [recording(shot, line=8) for shot in (0, 1)], [SYNTHETIC])
    (tmp_path / "pages").mkdir()
    for number in range(2):
        levels = np.clip(np.random.default_rng(number).normal(128, 30, (40, 24)), 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(tmp_path / f"pages/page{number}.png")
    return files


SOURCES = ("in", "other", "pages")

LATER = ["b.segy", "c.segy", "d.npy", "e.segy", "f.segy"]
"""The files in the first of them after the first one."""


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Worker:
    """In place of a process, its work in this one; it seems to be at work still."""

    def __init__(self, work, *given):
        self._asked = 0
        work(*given)

    def is_alive(self):
        self._asked += 1
        assert self._asked < 50, "waited for although the part is there"
        return True

    def kill(self):
        pass

    join = kill


@pytest.fixture
def here(monkeypatch):
    """Work of other processes is done in this one; gives the numbers of files that each was given."""
    given = []

    def started(work, folder, share):
        given.append(len(share))
        return Worker(work, folder, share)

    monkeypatch.setattr(apart, "started", started)
    monkeypatch.setattr(apart, "as_worker", lambda **given: None)
    # Whoever uses parts waits until all are made.
    monkeypatch.setattr(apart, "AHEAD", 100)
    return given


@pytest.fixture
def same(command, tmp_path):
    """Whether an ingest in which others read ahead ends as one process alone does; gives how it ended."""

    def compare(*words, ahead=("--jobs", 3)):
        found = []
        for more in ((), ahead):
            done = command("ingest", *words, *more, "--out", "new")
            made = content(tmp_path / "new") if (tmp_path / "new").exists() else None
            found.append((done, made))
            if made:
                (tmp_path / "new").rename(tmp_path / f"made{len(list(tmp_path.glob('made*')))}")
        (alone, one), (done, many) = found
        assert (done.status, done.out, done.error) == (alone.status, alone.out, alone.error)
        assert one == many and not list(tmp_path.glob(".new*"))
        return done

    return compare


WORDS = [
    (),
    OPTIONS[2:4],
    (*OPTIONS[2:4], "--labelled-only"),
    ("--size", "64x32", "--fit", "resize", "--label", "good"),
    ("--size", "32x16", "--fit", "crop"),
    ("--strict",),
]


@pytest.mark.parametrize("words", WORDS)
def test_the_survey_and_the_report_are_those_of_one_process(batch, here, read_here, same, words):
    done = same(*SOURCES, *OPTIONS[:2], *OPTIONS[4:], *words)
    assert done.status == (2 if "--strict" in words else 0), done.error
    # The table of a synthetic file may have any name.
    assert here == [4, 3, 3] and set(read_here[11:]) <= {"i.segy"}
    if "--strict" not in words:
        assert "weighting factors" in done.out and "only zeros, kept" in done.out
        assert "--labelled-only" in words or "in-a-line0" in (batch.parent / "made0/gathers.csv").read_text()


def test_a_file_that_cannot_be_read_is_told_by_the_process_that_asked(batch, here, same, monkeypatch):
    content = (batch / "b.segy").read_bytes()
    (batch / "b.segy").write_bytes(content[:-100])
    (batch / "c.segy").write_bytes(b"no SEG-Y" * 1000)
    # Refused while it is read, at its second gather.
    one_sided = np.random.default_rng(1).normal(size=(2, 200, 100)).astype(np.float32)
    one_sided[1] = np.abs(one_sided[1])
    np.save(batch / "g.npy", one_sided)
    words = (*SOURCES, *OPTIONS[:2], *OPTIONS[4:])
    assert same(*words).status == 2
    done = same(*words, "--keep-going")
    assert done.status == 1 and "in/c.segy: left out" in done.error[0] and "one side" in done.error[-1]


def test_there_are_no_more_processes_than_files(batch, here, command):
    assert command("ingest", "in/a.segy", "in/b.segy", "--jobs", 5, "--out", "two").status == 0
    assert here == [1, 1]
    assert command("ingest", "in/a.segy", "--jobs", 5, "--out", "one").status == 0
    assert here == [1, 1]
    refused = command("ingest", "in", "--jobs", 0, "--out", "none")
    assert (refused.status, len(refused.error)) == (2, 1) and "--jobs" in refused.error[0]


def test_a_process_makes_few_parts_ahead(batch, tmp_path, monkeypatch):
    monkeypatch.setattr(apart, "as_worker", lambda **given: None)
    share = [
        (name, parts.Task(batch / f"{name}.segy", None, ReadOptions(), 1, (64, 32), "crop"))
        for name in ("a", "b", "c", "none", "e")
    ]
    monkeypatch.setattr(parts.Task, "key", lambda self: self.path.stem)
    folder = tmp_path / "parts"
    folder.mkdir()
    worker = threading.Thread(target=apart._work, args=(folder, share))
    worker.start()
    found = []
    for used in ("a", "b", "c", "none", "e"):
        end = time.monotonic() + 60
        while len(list(folder.glob("[!.]*"))) < min(apart.AHEAD, 5 - len(found)):
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(0.1)
        found.append(sorted(path.name for path in folder.glob("[!.]*")))
        (folder / used).unlink()
    worker.join()
    assert found == [["a", "b"], ["b", "c"], ["c", "none"], ["e", "none"], ["e"]]


def harmed(path, harm):
    content = bytearray(path.read_bytes())
    if harm == "torn":
        content = content[: len(content) * 2 // 3]
    elif harm == "empty":
        content = b""
    else:
        content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", ["torn", "empty", "changed"])
def test_what_is_wrong_in_a_part_is_read_from_its_file(batch, here, same, monkeypatch, harm):
    work = apart._work

    def harming(folder, share):
        work(folder, share)
        for key, _ in share:
            harmed(folder / key, harm)

    monkeypatch.setattr(apart, "_work", harming)
    assert same(*SOURCES, *OPTIONS).status == 0


def stopped_at(monkeypatch, name):
    """Reading is interrupted in the middle of a file."""
    read = ingest.read_source

    def stopped(source, *given):
        for number, found in enumerate(read(source, *given)):
            if source.path.name == name and number == 1:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(ingest, "read_source", stopped)


@pytest.mark.parametrize("change", ["", "file", "code"])
def test_whole_parts_of_a_stopped_ingest_are_used(batch, tmp_path, here, read_here, command, monkeypatch, change):
    with monkeypatch.context() as patched:
        stopped_at(patched, "b.segy")
        assert command("ingest", "in", *OPTIONS, "--jobs", 2, "--out", "new").status == 75
    there = list((tmp_path / ".new.writing/parts").iterdir())
    # That of a is used up, and that of b was not finished.
    assert len(there) == 5
    if change == "code":
        monkeypatch.setattr(parts, "code_digest", lambda: "another checkout")
    if change == "file":
        (batch / "c.segy").unlink()
        write_segy(batch / "c.segy", [recording(shot, line=2) for shot in range(4)])
    made, make = [], parts.Task.records
    monkeypatch.setattr(parts.Task, "records", lambda self: (made.append(self.path.name), make(self))[1])
    done = command("ingest", "in", *OPTIONS, "--jobs", 3, "--out", "new")
    assert done.status == 0 and "continued after 1 file and 3 gathers" in done.out
    assert sorted(made) == {"": [], "file": ["c.segy"], "code": LATER}[change]
    assert read_here == []
    assert command("ingest", "in", *OPTIONS, "--out", "whole").status == 0
    assert content(tmp_path / "new") == content(tmp_path / "whole")


def test_a_task_that_still_writes_at_the_end_leaves_nothing(batch, tmp_path, here, command, monkeypatch, late_writer):
    late_writer(tmp_path / ".new.writing/parts")
    done = command("ingest", "in", *OPTIONS, "--jobs", 2, "--out", "new")
    assert done.status == 0, done.error
    assert all(path.is_file() for path in (tmp_path / "new").iterdir()) and not list(tmp_path.glob(".*"))


def test_a_task_that_begins_at_the_end_makes_no_folder(batch, tmp_path, monkeypatch):
    task = parts.Task(batch / "a.segy", None, ReadOptions(), 1, (64, 32), "crop")
    folder = tmp_path / "parts"
    folder.mkdir()

    def removing(self):
        folder.rmdir()
        return "key"

    monkeypatch.setattr(parts.Task, "key", removing)
    with pytest.raises(FileNotFoundError):
        parts.make_part(task, folder, "key")
    assert not folder.exists()


def test_a_stopped_ingest_tells_of_all_its_files(batch, tmp_path, command, monkeypatch):
    with monkeypatch.context() as patched:
        stopped_at(patched, "f.segy")
        assert command("ingest", "in", *OPTIONS, "--out", "new").status == 75
    assert "weighting factors" in command("ingest", "in", *OPTIONS, "--out", "new").out


@pytest.mark.slow
def test_processes_read_ahead_and_one_that_dies_is_made_up_for(batch, same, read_here, monkeypatch):
    started, given = apart.started, []

    def one_dies(*words):
        given.append(started(*words))
        if len(given) == 2:
            given[-1].kill()
        return given[-1]

    monkeypatch.setattr(apart, "started", one_dies)
    assert same(*SOURCES, *OPTIONS).status == 0
    assert [process.exitcode for process in given][1] == -9 and len(read_here) == 11 + 1 + 3


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_an_ingest_that_is_killed_goes_on(tmp_path, monkeypatch, sent):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for number in range(12):
        shots = [recording(100 * number + shot, line=number) for shot in range(100)]
        write_segy(tmp_path / f"in/{number:02}.segy", shots)
    words = ("ingest", "in", "--jobs", 2, "--out", "new")
    process = start(*words, folder=tmp_path)
    there = tmp_path / ".new.writing/parts"
    end = time.monotonic() + 60
    while not (there.is_dir() and len(list(there.glob("[!.]*"))) > 1):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(sent)
    assert finish(process).status == (75 if sent == signal.SIGINT else -9)
    assert not (tmp_path / "new").exists() and list(there.iterdir())
    done = finish(start(*words, folder=tmp_path))
    assert done.status == 0, done.error
    whole = finish(start("ingest", "in", "--out", "whole", folder=tmp_path))
    assert whole.status == 0 and content(tmp_path / "new") == content(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "new", "whole"]
