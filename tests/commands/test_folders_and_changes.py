"""Files that change while commands read them, and what lies in folders beside files of gathers."""

import os

import pytest

from glowseis.errors import InputError
from glowseis.reporting.origin import sources_table
from glowseis.survey.formats.segy import SegySource
from glowseis.survey.formats.segy_writer import write_segy
from glowseis.survey.formats.source import file_state
from glowseis.survey.store.survey import open_survey
from tests.support.random_gathers import random_recording


def appended(path):
    with path.open("ab") as file:
        file.write(b"more")


def overwritten(path):
    content = bytearray(path.read_bytes())
    content[-4:] = b"\1\2\3\4"
    path.write_bytes(content)
    os.utime(path, (1, 1))


def replaced(path):
    new = path.with_name("new")
    write_segy(new, [random_recording(9)])
    os.replace(new, path)


CHANGES = (appended, overwritten, replaced, os.unlink)


@pytest.fixture
def line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("line")
    for name in ("a", "b"):
        write_segy(tmp_path / "line" / f"{name}.segy", [random_recording(shot) for shot in range(2)], [])
    return tmp_path / "line"


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("module", ("ingest", "qc"))
def test_a_file_that_changes_while_it_is_read_is_told(line, monkeypatch, command, module, change):
    gathers = SegySource.gathers

    def reading(self):
        yield from gathers(self)
        if self.path.name == "a.segy":
            change(self.path)

    monkeypatch.setattr(SegySource, "gathers", reading)
    done = command(module, "line", "--out", "out")
    assert done.status == 2 and not os.path.exists("out")
    assert done.error[0].endswith(
        "line/a.segy: changed while it was read; run the command again when the file is complete"
    )


def test_a_file_that_changes_is_left_out_by_keep_going(line, monkeypatch, command):
    gathers = SegySource.gathers

    def reading(self):
        yield from gathers(self)
        if self.path.name == "b.segy" and len(os.listdir("line")) == 2:
            appended(self.path)
            (line / "changed.txt").touch()

    monkeypatch.setattr(SegySource, "gathers", reading)
    done = command("ingest", "line", "--out", "out", "--keep-going")
    assert done.status == 1 and "line/b.segy: left out: changed while it was read" in done.error[0]
    assert set(open_survey(line.parent / "out").index["source"].str.split(",").str[0]) == {"line/a.segy"}


def test_a_report_has_no_checksum_of_a_file_that_changed(line):
    path = line / "a.segy"
    before = file_state(path)
    assert sources_table([], {path: before}).frame["SHA-256"].str.len().tolist() == [64]
    appended(path)
    with pytest.raises(InputError, match=r"a\.segy: changed while it was read"):
        sources_table([], {path: before})


def test_a_link_to_a_file_that_is_not_there_is_told(line, command):
    (line / "c.segy").symlink_to("/elsewhere/c.segy")
    (line / "d.SGY").symlink_to("d.SGY")
    done = command("ingest", "line", "--out", "out")
    assert done.status == 2 and "line/c.segy: a link to a file that is not there; mount its disk" in done.error[0]
    done = command("ingest", "line", "--out", "out", "--keep-going")
    assert done.status == 1 and [one.split(":")[0] for one in done.error] == ["line/c.segy", "line/d.SGY"]
    assert len(open_survey(line.parent / "out")) == 4


def test_what_is_not_read_in_a_folder_is_told(line, command):
    for name in ("labels.csv", "log.txt", ".hidden.seg"):
        (line / name).touch()
    done = command("ingest", "line", "--out", "out")
    assert done.status == 0 and "not read" not in done.out
    (line / "c.seg").touch()
    (line / "d.segy").mkdir()
    (line / "e\n.segy.part").touch()
    done = command("ingest", "line", "--out", "again")
    told = "line: folders and files with other extensions were not read: c.seg, d.segy, e\\n.segy.part; give"
    assert done.status == 0 and told in done.out
