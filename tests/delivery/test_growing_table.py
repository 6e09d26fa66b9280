"""A table of grades that grows file by file: rows are whole however its writer ended."""

from pathlib import Path

import pytest

from glowseis.delivery.growing_table import GrowingTable
from glowseis.delivery.record import graded_file, new_record, read_record, record_path
from glowseis.errors import InputError
from glowseis.survey.formats.source import ReadOptions

COLUMNS = ["gather_id", "source", "grade"]


def record(**changes):
    told = {"model": "m/1", "model_sha256": "0", "labels": ("good", "bad"), "how": {"prior": None}, "kind": None}
    return new_record(**(told | {"options": ReadOptions()} | changes))


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table with two files, and how it is opened."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.segy").write_text(name)

    def opened(columns=COLUMNS, **changes):
        return GrowingTable(tmp_path / "t.csv", columns, record(**changes))

    first = opened()
    first.add(file("a"), rows("a"))
    first.add(file("b"), rows("b", " (simulated by glowseis, seed 7)"))
    return opened


def file(name):
    return graded_file(Path(f"{name}.segy"))


def rows(name, suffix="", count=3, grade="good"):
    return [f'{name}-shot{shot},"{name}.segy{suffix}",{grade}' for shot in range(count)]


def lines(tmp_path):
    return (tmp_path / "t.csv").read_text().splitlines()


def test_rows_and_record_grow_together(table, tmp_path):
    assert lines(tmp_path) == ["gather_id,source,grade", *rows("a"), *rows("b", " (simulated by glowseis, seed 7)")]
    assert [one.source for one in read_record(tmp_path / "t.csv").files] == ["a.segy", "b.segy"]
    again = table()
    assert set(again.states()) == {tmp_path / "a.segy", tmp_path / "b.segy"}
    assert again.ids(tmp_path / "b.segy") == {"a-shot0", "a-shot1", "a-shot2"}
    before = (tmp_path / "t.csv").read_bytes()
    again.add(file("c"), rows("c"))
    assert (tmp_path / "t.csv").read_bytes() == before + "".join(f"{row}\n" for row in rows("c")).encode()


@pytest.mark.parametrize("left", ["", "c-shot0", 'c-shot0,"c.segy",good\nc-shot1,"c.se', 'c-shot0,"c.segy",good\n'])
def test_rows_that_the_record_does_not_name_are_removed(table, tmp_path, left):
    before = (tmp_path / "t.csv").read_bytes()
    with (tmp_path / "t.csv").open("a") as stream:
        stream.write(left)
    again = table()
    assert (tmp_path / "t.csv").read_bytes() == before
    again.add(file("c"), rows("c"))
    assert lines(tmp_path)[-3:] == rows("c")


def test_rows_of_a_file_that_changed_are_replaced(table, tmp_path):
    again = table()
    (tmp_path / "a.segy").write_text("changed")
    again.add(file("a"), rows("a", count=2, grade="bad"))
    assert lines(tmp_path)[1:] == [*rows("b", " (simulated by glowseis, seed 7)"), *rows("a", count=2, grade="bad")]
    states = table().states()
    assert states[tmp_path / "a.segy"][0] == 7 and len(states) == 2


def test_files_of_one_name_in_two_folders_are_not_mixed(table, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.segy").write_text("another")
    again = table()
    monkeypatch.chdir(tmp_path / "other")
    with pytest.raises(InputError, match=f"has rows of {tmp_path}/a.segy under this name; give another --out"):
        again.ids(Path("a.segy"))
    assert again.ids(tmp_path / "other" / "a.segy")


def test_what_could_not_be_graded_is_noted_and_tried_again(table, tmp_path):
    again = table()
    again.note(graded_file(Path("c.segy"), reason="c.segy: no SEG-Y"))
    assert (
        again.states().keys() == {tmp_path / f"{name}.segy" for name in "abc"} and again.graded(Path("c.segy")) is None
    )
    assert read_record(tmp_path / "t.csv").files[-1].reason == "c.segy: no SEG-Y"
    assert table().states().keys() == {tmp_path / "a.segy", tmp_path / "b.segy"}
    # A file that was graded and is broken now keeps its rows.
    again.note(graded_file(Path("a.segy"), reason="a.segy: no SEG-Y"))
    assert len(table().states()) == 2 and len(lines(tmp_path)) == 7


@pytest.mark.parametrize(
    ("spoil", "changes", "message"),
    [
        (None, {"model": "m/2"}, "was made with model m/1, now m/2; give another --out"),
        (None, {"model_sha256": "1"}, "was made with the model's checksum 0, now 1"),
        (None, {"how": {"prior": "1,2"}}, "was made with settings"),
        (None, {"options": ReadOptions(shot_header="9")}, "was made with options"),
        (None, {"columns": ["a"]}, "its first line is not as glowseis wrote it"),
        (lambda path: record_path(path).unlink(), {}, "t.csv.files.json: missing"),
        (
            lambda path: path.write_text(path.read_text().replace("a.segy", "x.segy")),
            {},
            "has no rows of a.segy, which",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_told(table, tmp_path, spoil, changes, message):
    if spoil:
        spoil(tmp_path / "t.csv")
    before = (tmp_path / "t.csv").read_bytes()
    with pytest.raises(InputError, match=message):
        table(**changes)
    assert (tmp_path / "t.csv").read_bytes() == before
