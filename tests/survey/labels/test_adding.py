"""Rows added to files of labels."""

import csv
import errno
import multiprocessing
import os
import signal
import time

import pytest

from glowseis.errors import InputError
from glowseis.survey.labels import adding
from glowseis.survey.labels.adding import COLUMNS, Judgement, append

MANY = 40


def rows_of(path, delimiter=","):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_rows_are_added_and_none_is_changed(tmp_path):
    path = tmp_path / "labels" / "anna.csv"
    append(path, [Judgement("a-1", "bad", "anna", "swell, far;\nhalf", "2026-11-27T14:03:00Z")])
    before = path.read_bytes()
    append(path, [Judgement("a-2", "unsure", "anna", "=1+1"), Judgement("a-1", "", "anna")])
    assert path.read_bytes().startswith(before) and before.startswith(",".join(COLUMNS).encode())
    one, two, three = rows_of(path)
    assert list(one.values()) == ["a-1", "bad", "anna", "2026-11-27T14:03:00Z", "swell, far; half"]
    assert two["note"] == "'=1+1" and three["label"] == "" and one["time"] < two["time"] <= three["time"]
    assert os.listdir(path.parent) == ["anna.csv"]


def test_a_file_that_a_spreadsheet_saved_keeps_its_form(tmp_path):
    path = tmp_path / "anna.csv"
    path.write_bytes("\ufeffJudge;Remark;Gather ID;Label\r\nanna;ü;a-1;bad".encode())
    append(path, [Judgement("a-2", "good", "anna")])
    assert path.read_bytes() == "\ufeffJudge;Remark;Gather ID;Label\r\nanna;ü;a-1;bad\r\nanna;;a-2;good\r\n".encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"gather_id,label\n", "has no column judge, so labels cannot be added to it"),
        (b"line,first shot,last shot,cable,label,judge\n", "has no column gather_id"),
        (b"gather_id,line,shot,cable,label,reason,judge\n", "has a column line beside gather_id"),
        (b"gather_id,file,label,judge\n", "has a column file beside gather_id"),
        ("gather_id,label,judge\n".encode("utf-16"), "is UTF-16"),
        (b"gather_id,label,judge,judge\n", "has a column twice"),
        (b"PK\x03\x04", "zip archive"),
    ],
)
def test_a_file_to_which_nothing_can_be_added_stays(tmp_path, content, message):
    path = tmp_path / "anna.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        append(path, [Judgement("a-1", "bad", "anna")])
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "words", [("../a", "bad", "anna"), ("a", "bad ", "anna"), ("a", "bad", ""), ("a", "bad", "Majority")]
)
def test_what_cannot_be_written_is_refused(words):
    with pytest.raises(InputError):
        Judgement(*words)


def _add_many(path, judge):
    for number in range(MANY):
        append(path, [Judgement(f"{judge}-{number}", "bad", judge, "x" * 300)])


def test_many_writers_at_once_lose_nothing(tmp_path, monkeypatch):
    path, write = tmp_path / "labels.csv", adding._write

    def slowly_at_first(path, content):
        # All come before the file does.
        time.sleep(0 if path.exists() else 0.2)
        write(path, content)

    monkeypatch.setattr(adding, "_write", slowly_at_first)
    spawned = [multiprocessing.get_context("fork").Process(target=_add_many, args=(path, judge)) for judge in "abcd"]
    for process in spawned:
        process.start()
    for process in spawned:
        process.join()
    found = [row["gather_id"] for row in rows_of(path)]
    assert sorted(found) == sorted(f"{judge}-{number}" for judge in "abcd" for number in range(MANY))
    for judge in "abcd":
        assert [name for name in found if name.startswith(judge)] == [f"{judge}-{number}" for number in range(MANY)]


def _add_for_ever(path, told):
    for number in range(10**9):
        append(path, [Judgement(f"a-{number}", "bad", "anna", "x" * 300)])
        os.write(told, f"{number}\n".encode())


def test_a_writer_that_is_killed_loses_nothing_that_was_added(tmp_path):
    for attempt in range(5):
        path = tmp_path / f"{attempt}.csv"
        read, write = os.pipe()
        process = multiprocessing.get_context("fork").Process(target=_add_for_ever, args=(path, write))
        process.start()
        os.close(write)
        first = os.read(read, 1)
        time.sleep(0.01 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with os.fdopen(read) as file:
            told = (first.decode() + file.read()).split()
        append(path, [Judgement("last", "good", "anna")])
        found = rows_of(path)
        names = [row["gather_id"] for row in found]
        assert names[:-1] == [f"a-{number}" for number in range(len(names) - 1)] and names[-1] == "last"
        assert len(names) - 1 >= len(told) and all(row["note"] in ("x" * 300, "") for row in found)


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "anna.csv"
    append(path, [Judgement("a-1", "bad", "anna")])
    before, write = path.read_bytes(), os.write

    def full(descriptor, content):
        if len(content) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, content[:20])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space") as raised:
            append(path, [Judgement("a-2", "bad", "anna")])
        with pytest.raises(OSError, match="No space"):
            append(tmp_path / "bert.csv", [Judgement("a-2", "bad", "bert")])
    assert raised.value.filename == str(path) and path.read_bytes() == before
    append(path, [Judgement("a-2", "bad", "anna")])
    assert [row["gather_id"] for row in rows_of(path)] == ["a-1", "a-2"]
    assert os.listdir(tmp_path) == ["anna.csv"]
