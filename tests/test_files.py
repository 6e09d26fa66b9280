"""Files appear whole or not at all, one writer at a time; JSON is read up to a size."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from portalocker import portalocker

from glowseis import files
from glowseis.errors import InputError, StoppedError
from glowseis.files import (
    check_output,
    is_writers,
    private_file,
    read_json,
    read_record,
    resumable_file,
    resumable_folder,
    whole_file,
    whole_folder,
    write_json,
)
from glowseis.locks import NO_LOCKS, locked
from tests.support.commands import CHECKOUT

BUSY = "another process is at work"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path, text, **settings):
    with whole_file(path, **settings) as unfinished:
        unfinished.write_text(text)


def test_a_private_file_is_its_users_alone_and_goes(tmp_path):
    path, other = tmp_path / "below" / "a.html", tmp_path / "other"
    other.write_text("kept")
    path.parent.mkdir()
    path.symlink_to(other)
    before = os.umask(0)
    try:
        with private_file(path, "secret"):
            assert path.read_text() == "secret" and path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
    assert names(path.parent) == [] and other.read_text() == "kept"


def test_a_file_takes_the_place_of_an_older_one_only_if_asked_to(tmp_path):
    path = tmp_path / "below" / "a.txt"
    write(path, "old")
    with pytest.raises(InputError, match="exists already"):
        write(path, "new")
    assert path.read_text() == "old"
    write(path, "new", replace=True)
    assert path.read_text() == "new" and names(path.parent) == ["a.txt"]
    with pytest.raises(InputError, match="is a folder"):
        write(path.parent, "new", replace=True)


def test_a_file_that_came_meanwhile_is_left_alone(tmp_path):
    with pytest.raises(InputError, match="exists already"), whole_file(tmp_path / "a.txt") as unfinished:
        unfinished.write_text("mine")
        (tmp_path / "a.txt").write_text("another's")
    assert (tmp_path / "a.txt").read_text() == "another's" and names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("wrong", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full"), ValueError("a mistake")])
def test_a_writer_that_fails_leaves_the_older_file(tmp_path, wrong):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(wrong)), whole_file(path, replace=True) as unfinished:
        unfinished.write_text("ha")
        raise wrong
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_what_a_killed_writer_left_is_none_of_the_next_ones(tmp_path):
    (tmp_path / ".a.txt.writing").mkdir()
    (tmp_path / ".a.txt.writing" / "a.txt").write_text("ha")
    (tmp_path / ".a.txt.lock").touch()
    assert all(is_writers(entry) for entry in tmp_path.iterdir())
    with whole_file(tmp_path / "a.txt", replace=True) as unfinished:
        assert not unfinished.exists()
        unfinished.write_text("whole")
    assert names(tmp_path) == ["a.txt"] and not is_writers(tmp_path / "a.txt")


def test_what_a_link_leads_to_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.txt").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "a.txt")
    write(tmp_path / "link", "new", replace=True)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "disk" / "a.txt").read_text() == "new"
    assert names(tmp_path) == ["disk", "link"] and names(tmp_path / "disk") == ["a.txt"]


def test_writers_of_the_same_file_wait_for_each_other(tmp_path):
    path, begun = tmp_path / "a.json", threading.Event()

    def second():
        begun.set()
        write_json(path, {"writer": 2})

    other = threading.Thread(target=second)
    with whole_file(path, replace=True) as unfinished:
        other.start()
        begun.wait()
        with pytest.raises(InputError, match=r"a\.json: another process is writing it"):
            write(path, "")
        unfinished.write_text('{"writer": 1}')
        other.join(0.2)
        assert other.is_alive()
    other.join()
    assert read_json(path) == {"writer": 2} and names(tmp_path) == ["a.json"]


def test_a_lock_keeps_others_out_and_leaves_nothing(tmp_path):
    lock = tmp_path / "below" / "it.lock"
    for _ in range(2):
        with locked(lock, BUSY):
            with pytest.raises(InputError, match=f"^{BUSY}$"), locked(lock, BUSY):
                pass
            assert lock.exists()
        assert names(lock.parent) == []
    with pytest.raises(KeyError), locked(lock, BUSY):
        raise KeyError
    assert names(lock.parent) == []


def test_a_holder_that_is_killed_lets_the_next_one_in(tmp_path):
    lock = tmp_path / "it.lock"
    hold = "import sys, time, pathlib; from glowseis.locks import locked\n"
    hold += "with locked(pathlib.Path(sys.argv[1]), ''): print('in', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", hold, lock], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "in\n"
    with pytest.raises(InputError, match=BUSY), locked(lock, BUSY):
        pass
    threading.Timer(0.3, holder.kill).start()
    with locked(lock, BUSY, wait=True):
        assert holder.wait() == -signal.SIGKILL


def test_a_lock_whose_holder_just_ended_is_taken_anew(tmp_path, monkeypatch):
    """Between the second one's opening of the file and its lock."""
    lock, flock = tmp_path / "it.lock", portalocker.LOCKER

    def ended(number, how):
        monkeypatch.setattr(portalocker, "LOCKER", flock)
        lock.unlink()
        flock(number, how)

    monkeypatch.setattr(portalocker, "LOCKER", ended)
    with locked(lock, BUSY), pytest.raises(InputError, match=BUSY), locked(lock, BUSY):
        pass


@pytest.mark.parametrize("number", NO_LOCKS)
def test_where_the_file_system_knows_no_locks_the_work_goes_on(tmp_path, monkeypatch, number):
    def refuse(lock, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(portalocker, "LOCKER", refuse)
    write(tmp_path / "a.txt", "whole")
    with locked(tmp_path / "it.lock", BUSY), locked(tmp_path / "it.lock", BUSY):
        pass
    assert names(tmp_path) == ["a.txt"]


def test_a_lock_that_fails_otherwise_is_an_error(tmp_path, monkeypatch):
    def fail(lock, how):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(portalocker, "LOCKER", fail)
    with pytest.raises(OSError, match="Input/output error"), locked(tmp_path / "it.lock", BUSY):
        pass


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_full_disk_keeps_what_was_finished(tmp_path, number):
    out, work = tmp_path / "survey", {"seed": 7}
    said = rf"survey: {os.strerror(number)}; what is finished is kept: .*run the same command again to continue"
    for shot in range(3):
        with pytest.raises(InputError, match=said), resumable_folder(out, work) as (folder, keep):
            assert len(list(folder.glob("shot*"))) == shot
            (folder / f"shot{shot}").touch()
            keep()
            raise OSError(number, os.strerror(number))
        assert names(tmp_path) == [".survey.writing"]
    with resumable_folder(out, work):
        pass
    assert names(out) == ["shot0", "shot1", "shot2"]


@pytest.mark.parametrize("wrong", [MemoryError, RuntimeError, SystemExit])
def test_an_error_of_any_kind_keeps_what_was_finished(tmp_path, wrong):
    out = tmp_path / "survey"
    with pytest.raises(wrong), resumable_folder(out, {}) as (folder, keep):
        (folder / "shot0").touch()
        keep()
        raise wrong
    with resumable_folder(out, {}) as (folder, _):
        assert (folder / "shot0").exists()
    assert names(out) == ["shot0"]


def test_a_last_rename_that_fails_keeps_what_was_finished(tmp_path, monkeypatch):
    out = tmp_path / "survey"

    def busy(*_):
        raise OSError(errno.EBUSY, "Device or resource busy")

    with pytest.raises(InputError, match="busy; what is finished is kept"), resumable_folder(out, {}) as (folder, keep):
        (folder / "shot0").touch()
        keep()
        monkeypatch.setattr(os, "rename", busy)
    monkeypatch.undo()
    with resumable_folder(out, {}) as (folder, _):
        assert (folder / "shot0").exists()


def test_a_disk_that_fails_to_say_whose_work_it_was_keeps_the_work(tmp_path, monkeypatch):
    out = tmp_path / "survey"
    with pytest.raises(StoppedError), resumable_folder(out, {}) as (folder, keep):
        (folder / "shot0").touch()
        keep()
        raise KeyboardInterrupt

    def unreadable(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("glowseis.files.read_json", unreadable)
    with pytest.raises(OSError, match="Input/output"), resumable_folder(out, {}):
        pass
    monkeypatch.undo()
    with resumable_folder(out, {}) as (folder, _):
        assert (folder / "shot0").exists()


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(
    ("wrong", "raised", "message"),
    [
        (
            KeyboardInterrupt(),
            StoppedError,
            r"a\.csv: stopped; run the same command again to continue; to give up, rem",
        ),
        (
            OSError(errno.ENOSPC, "full"),
            InputError,
            r"a\.csv: full; what is finished is kept: fix that, and run the same",
        ),
        (InputError("a gather is broken"), None, "a gather is broken"),
    ],
)
def test_work_on_a_file_goes_on_from_what_it_kept(tmp_path, wrong, raised, message, kept):
    out, work = tmp_path / "a.csv", {"model": "m/1"}
    expected = raised if kept and raised else type(wrong)
    with (
        pytest.raises(expected, match=message if expected is raised or raised is None else None),
        resumable_file(out, work) as (folder, keep),
    ):
        (folder / "a.csv").write_text("half")
        if kept:
            keep()
        (folder / "notes").write_text("one\n")
        raise wrong
    assert names(tmp_path) == ([".a.csv.writing"] if kept and raised else [])
    if not kept or raised is None:
        return
    with pytest.raises(InputError, match=r"other work was stopped there \(model was \"m/1\", now \"m/2\"\)"):
        resumable_file(out, {"model": "m/2"}).__enter__()
    with resumable_file(out, work) as (folder, _):
        assert (folder / "notes").read_text() == "one\n"
        (folder / "a.csv").write_text("whole")
    assert names(tmp_path) == ["a.csv"] and out.read_text() == "whole"
    with pytest.raises(InputError, match="exists already"):
        resumable_file(out, work).__enter__()
    with pytest.raises(InputError, match="is a folder"):
        resumable_file(tmp_path, work).__enter__()


def test_a_mount_point_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path)
    with pytest.raises(InputError, match="is a mount point, which cannot be replaced"):
        check_output(tmp_path)


def test_a_disk_that_is_full_from_the_start_is_left_as_it_was(tmp_path):
    with pytest.raises(OSError, match="full"), resumable_folder(tmp_path / "survey", {}) as (folder, _):
        (folder / "half").touch()
        raise OSError(errno.ENOSPC, "full")
    assert names(tmp_path) == []


def test_what_a_writer_killed_within_work_left_is_not_in_the_output(tmp_path):
    with pytest.raises(StoppedError), resumable_folder(tmp_path / "survey", {}) as (folder, keep):
        keep()
        (folder / ".state.json.writing").mkdir()
        (folder / ".state.json.lock").touch()
        raise KeyboardInterrupt
    with resumable_folder(tmp_path / "survey", {}) as (folder, _):
        (folder / "whole").touch()
    assert names(tmp_path / "survey") == ["whole"]


def test_json_comes_back(tmp_path):
    content = {"gathers": [1, 2.5, None, "é"], "text": "a\nb"}
    for indent in (2, None):
        write_json(tmp_path / "a.json", content, indent=indent)
        assert read_json(tmp_path / "a.json") == read_record(tmp_path / "a.json") == content
    assert (tmp_path / "a.json").read_text() == '{"gathers":[1,2.5,null,"\\u00e9"],"text":"a\\nb"}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Expecting value"),
        (b'{"a": ', "Expecting value"),
        (b"\xff\xfe\xfa", "decode"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' * 100_000, "nested too deeply"),
        (b"1" * 5_000, "integer string conversion"),
    ],
)
def test_what_is_no_json_is_told_in_one_line(tmp_path, content, said):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_json(path)
    with pytest.raises(InputError, match=rf"^{path}: cannot be read \(.*{said}.*\); remove it") as caught:
        read_record(path)
    assert "\n" not in str(caught.value)


def test_a_record_is_a_json_object(tmp_path):
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(InputError, match=r"cannot be read \(it is not a JSON object\); remove it"):
        read_record(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\)"):
        read_record(tmp_path / "b.json")


def test_json_is_read_up_to_a_size(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.touch()
    # A terabyte of nothing.
    os.truncate(path, 1 << 40)
    monkeypatch.setattr(files, "MOST_JSON_BYTES", 1 << 20)
    for endless in (path, "/dev/zero"):
        with pytest.raises(InputError, match=f"^{endless}: is larger than 1 MiB, .*; give another file or remove it"):
            read_json(files.Path(endless))
    path.write_text('"' + "x" * ((1 << 20) - 2) + '"')
    assert len(read_json(path)) == (1 << 20) - 2


def test_whoever_still_writes_into_an_unfinished_output_leaves_nothing(tmp_path, late_writer):
    out = tmp_path / "out"
    late_writer(tmp_path / ".out.writing")
    with pytest.raises(InputError), whole_folder(out):
        raise InputError("no")
    assert names(tmp_path) == []
    with resumable_file(out, {"model": "m/1"}) as (folder, _):
        (folder / "out").write_text("x")
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("out", ["http://host/out.csv", "s3://bucket/survey", "S3://bucket/survey", "file:///out.csv"])
def test_results_are_not_written_to_addresses(tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError,
        match=f"^{out}: is an address; only sources, surveys and labels may be elsewhere, so give a path here",
    ):
        check_output(Path(out))
    check_output(Path("c:/out.csv"))
    assert not list(tmp_path.iterdir())
