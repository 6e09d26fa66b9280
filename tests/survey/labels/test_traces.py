"""Traces that judges marked, in a file of their own."""

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.labels.traces import CHANNELS, COLUMNS, Marked, append_marks, channels_of, read_marks


def test_marks_are_added_replaced_and_taken_back(tmp_path):
    path = tmp_path / "traces" / "anna.csv"
    assert read_marks(path) == []
    first = Marked("a-1", 3, 9, "dead", "anna", "2026-11-27T14:03:00Z")
    assert append_marks(path, [first, Marked("a-1", 12, 12, "noisy", "=bert")]) == path.stat().st_size
    before = path.read_bytes()
    assert before.startswith(",".join(COLUMNS).encode()) and b"'=bert" in before
    append_marks(path, [Marked("a-1", 3, 9, "noisy", "Anna"), Marked("a-1", 12, 12, "", "=bert")])
    assert path.read_bytes().startswith(before)
    assert [(mark.first_trace, mark.last_trace, mark.kind, mark.judge) for mark in read_marks(path)] == [
        (3, 9, "noisy", "Anna")
    ]


@pytest.mark.parametrize(
    ("marks", "held"),
    [
        ("1-5 dead, 10-12 noisy, 1-5 noisy", "10-12 noisy, 1-5 noisy"),
        ("1-5 dead, 10-12 noisy, 1-5 ", "10-12 noisy"),
        ("1-5 dead, 2-5 noisy, 1-5 dead", "2-5 noisy, 1-5 dead"),
    ],
)
def test_the_last_mark_comes_last(tmp_path, marks, held):
    for mark in marks.split(", "):
        traces, kind = mark.split(" ")
        append_marks(tmp_path / "anna.csv", [Marked("a-1", *map(int, traces.split("-")), kind, "anna")])
    found = [f"{mark.first_trace}-{mark.last_trace} {mark.kind}" for mark in read_marks(tmp_path / "anna.csv")]
    assert ", ".join(found) == held


@pytest.mark.parametrize(
    ("channel", "traces", "channels"),
    [
        ([3, 4, 5, 6], (2, 3), (4, 5)),
        ([6, 5, 4, 3], (2, 4), (3, 5)),
        ([1, 2, 5, 6], (2, 3), (2, 5)),
        ([1, 2, 0, 3], (2, 4), (2, 3)),
        ([1, 2, 0, 3], (3, 3), ()),
        ([0, 0, 0, 0], (1, 4), ()),
        ([1, 3, 2, 4], (1, 2), ()),
        ([1, 2, 1, 2], (1, 2), ()),
    ],
)
def test_channels_of_marked_traces_are_told_if_they_are_theirs_alone(channel, traces, channels):
    assert channels_of(np.array(channel, np.int32), *traces) == channels


@pytest.mark.parametrize(
    "begun", ["", ",".join(COLUMNS) + "\na-1,1,1,dead,anna,\n", "kind;judge;gather_id;first_trace;last_trace;time\n"]
)
def test_channels_are_added_to_new_files_and_earlier_ones_go_on(tmp_path, begun):
    path = tmp_path / "anna.csv"
    path.write_text(begun)
    append_marks(path, [Marked("a-1", 3, 9, "dead", "anna", channels=(5, 11)), Marked("a-1", 4, 4, "dead", "anna")])
    assert [mark.last_trace for mark in read_marks(path)][-2:] == [9, 4]
    written = path.read_text()
    assert written.startswith(begun or ",".join((*COLUMNS, *CHANNELS)))
    assert [line.endswith(end) for line, end in zip(written.splitlines()[-2:], (",5,11", ",,"), strict=True)] == [
        not begun
    ] * 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a-1,0,3,dead,anna,", "row 2: traces 0 to 3: the first must be at least 1"),
        ("a-1,4,3,dead,anna,", "row 2: traces 4 to 3"),
        ("a-1,4,x,dead,anna,", "row 2: .*'x'"),
        ("a-1,1,2,deaf,anna,", "row 2: traces marked 'deaf': mark them as dead or noisy"),
        ("a-1,1,2,dead,,", "row 2: judge ''"),
        ("a/1,1,2,dead,anna,", "row 2: gather id"),
    ],
)
def test_a_wrong_cell_is_told_with_its_row(tmp_path, row, message):
    path = tmp_path / "anna.csv"
    path.write_text(f"{','.join(COLUMNS)}\n{row}\n")
    with pytest.raises(InputError, match=message):
        read_marks(path)


def test_an_empty_file_is_begun_and_blank_lines_are_told(tmp_path):
    path = tmp_path / "anna.csv"
    path.touch()
    assert read_marks(path) == []
    append_marks(path, [Marked("a-1", 1, 2, "dead", "anna")])
    assert [mark.gather_id for mark in read_marks(path)] == ["a-1"]
    path.write_text("\n\n")
    with pytest.raises(InputError, match="empty; it needs a row that names its columns") as raised:
        read_marks(path)
    assert "label" not in str(raised.value).removeprefix(str(path))


def test_another_table_is_neither_read_nor_added_to(tmp_path):
    path = tmp_path / "anna.csv"
    path.write_text("gather_id,first_trace\n")
    before = path.read_bytes()
    for act in (read_marks, lambda path: append_marks(path, [Marked("a-1", 1, 2, "dead", "anna")])):
        with pytest.raises(InputError, match="has no column last_trace"):
            act(path)
    assert path.read_bytes() == before
