"""Files of a folder that have not changed for a while."""

import os

import pytest

from glowseis.survey.ingestion.settling import Settling


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def write(path, text, modified_s):
    path.write_text(text)
    os.utime(path, (modified_s, modified_s))
    return (len(text), modified_s * 10**9)


def test_a_file_settles_once_it_is_unchanged_for_as_long(folder):
    settling = Settling(folder, None, 10.0)
    state = write(folder / "a.segy", "1", 100)
    assert settling.settled(0.0) == [] and settling.settled(9.9) == []
    assert settling.settled(10.0) == [(folder / "a.segy", state)]
    # It is told again until it is done.
    assert settling.settled(11.0) == [(folder / "a.segy", state)]
    settling.done(folder / "a.segy", state)
    assert settling.settled(30.0) == []


@pytest.mark.parametrize(("text", "modified_s"), [("12", 100), ("1", 101), ("2", 100.5)])
def test_a_change_begins_anew(folder, text, modified_s):
    settling = Settling(folder, None, 10.0)
    state = write(folder / "a.segy", "1", 100)
    settling.settled(0.0)
    changed = write(folder / "a.segy", text, modified_s)
    assert changed != state and settling.settled(10.0) == [] and settling.settled(19.0) == []
    assert [path.name for path, _ in settling.settled(20.0)] == ["a.segy"]
    settling.done(folder / "a.segy", changed)
    write(folder / "a.segy", "123", 200)
    assert settling.settled(40.0) == [] and len(settling.settled(50.0)) == 1


def test_a_file_that_went_away_begins_anew(folder):
    settling = Settling(folder, None, 10.0)
    write(folder / "a.segy", "1", 100)
    settling.settled(0.0)
    (folder / "a.segy").unlink()
    assert settling.settled(5.0) == []
    write(folder / "a.segy", "1", 100)
    assert settling.settled(10.0) == [] and settling.settled(15.0) == [] and len(settling.settled(20.0)) == 1


def test_what_is_done_hidden_or_no_gathers_does_not_count(folder):
    done = write(folder / "a.segy", "1", 100)
    for name in (".b.segy", "c.txt", "d.npy"):
        write(folder / name, "1", 100)
    (folder / "e.segy").mkdir()
    settling = Settling(folder, "segy", 1.0, {folder / "a.segy": done})
    assert settling.settled(0.0) == [] and settling.settled(2.0) == []
    others = Settling(folder, None, 1.0, {folder / "a.segy": done})
    others.settled(0.0)
    assert [path.name for path, _ in others.settled(2.0)] == ["d.npy"]


def test_files_come_in_the_order_in_which_they_were_changed(folder):
    settling = Settling(folder, None, 1.0)
    for name, modified_s in (("a.segy", 300), ("b.segy", 100), ("c.segy", 200), ("d.segy", 100)):
        write(folder / name, "1", modified_s)
    settling.settled(0.0)
    assert [path.stem for path, _ in settling.settled(1.0)] == ["b", "d", "c", "a"]
