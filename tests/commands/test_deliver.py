"""`glowseis deliver`: a kill list, a map and marked copies of graded files, and one line for whatever is wrong."""

import csv
import json
import shutil

import numpy as np
import pytest

from glowseis.delivery.record import read_record, record_path
from glowseis.survey.formats.segy import SegySource, write_segy
from glowseis.survey.formats.source import ReadOptions
from tests.support.graded_files import grades_of
from tests.support.random_gathers import random_recording
from tests.support.shot_files import Line, written
from tests.support.trace_files import swell

SHOTS, TRACES, SAMPLES = 4, 24, 120
DEAD, WILD = [5, 6], [8]
"""Traces of the second shot, from 0."""


@pytest.fixture
def line(tmp_path):
    """Four shots, numbered far to near; two dead channels and a wild one in shot 2, an auxiliary trace in shot 3."""
    shots = Line(SHOTS, TRACES)
    shots["tracf"] = TRACES - shots.number
    shots["trid"] = np.where((shots.shot == 2) & (shots.number == 0), 6, 1)
    amplitude = swell(SHOTS * TRACES, SAMPLES)
    amplitude[[TRACES + place for place in DEAD]] = 0
    amplitude[[TRACES + place for place in WILD]] *= 60
    words = shots.with_words(counit=1, scalco=-10)
    return written(tmp_path, words, amplitude=amplitude, code=1, interval_us=8000)


def test_bad_gathers_that_are_unlike_the_training_data_are_named(line, tmp_path, command):
    grades = grades_of(tmp_path / "grades.csv", [line], ("bad", "bad", "bad", "good"))
    head, *written = rows(grades)
    for number, unlike in enumerate(("1.2", "0.9", "1,5", "3")):
        written[number][head.index("unlike")] = unlike
    grades.write_text("".join(";".join(row) + "\n" for row in [head, *written]))
    done = command("deliver", grades, "--out", tmp_path / "out")
    assert done.status == 0, done.error
    names = [row[0] for row in written]
    assert (
        f"warning: 2 of the 3 gathers graded bad are unlike the training data (unlike > 1): {names[0]}, {names[2]}; "
        "look at them before you kill them" in done.out
    )


@pytest.mark.parametrize(
    ("bad", "prior", "left"),
    [
        ((0.6, 0.6, 0.6), None, 0),
        ((0.95, 0.6, 0.97), None, 2),
        ((0.98, 0.97, 0.96), None, 3),
        ((0.6, 0.6, 0.6), "66,31,2", 3),
    ],
)
def test_bad_grades_that_would_not_last_if_bad_gathers_were_rarer_are_told(line, tmp_path, command, bad, prior, left):
    grades = grades_of(tmp_path / "grades.csv", [line], ("bad", "bad", "bad", "good"))
    head, *written = rows(grades)
    for row, share in zip(written, bad, strict=False):
        row[head.index("probability_good") : head.index("probability_bad") + 1] = [
            1 - share,
            0,
            str(share).replace(".", ","),
        ]
    grades.write_text("".join(";".join(map(str, row)) + "\n" for row in [head, *written]))
    record = json.loads(record_path(grades).read_text())
    record_path(grades).write_text(json.dumps(record | {"how": {"prior": prior}}))
    done = command("deliver", grades, "--out", tmp_path / "out")
    assert done.status == 0, done.error
    told = (
        "warning: bad is the most probable grade of 3 gathers on the kill list; if bad gathers were 10 times as rare "
    )
    assert (f"{told}as assumed, it would still be so for only {left}." in done.out) is (left < 3)
    done = command("deliver", grades, "--out", tmp_path / "other", "--kill", "medium")
    assert "times as rare" not in done.out
    # A grade that was corrected by hand does not count.
    written[3][head.index("grade")] = "bad"
    grades.write_text("".join(";".join(map(str, row)) + "\n" for row in [head, *written]))
    done = command("deliver", grades, "--out", tmp_path / "corrected")
    assert ("most probable grade of 3 gathers" in done.out) is (left < 3)


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_all_that_is_handed_over(line, tmp_path, command):
    grades = grades_of(tmp_path / "grades.csv", [line], ("good", "medium", "bad", "unsure"))
    out = tmp_path / "out"
    done = command("deliver", grades, "--out", out, "--segy", "--grade-word", "181")
    assert done.status == 0 and not done.error
    assert sorted(path.name for path in out.iterdir()) == ["delivery.json", "grades.geojson", "kill.csv", "segy"]
    assert rows(out / "kill.csv") == [
        ["line", "shot", "cable", "first_channel", "last_channel", "reason"],
        # Traces 5, 6 and 8 of 24 that are numbered backwards.
        ["12", "1002", "1", "16", "16", "wild"],
        ["12", "1002", "1", "18", "19", "dead"],
        ["12", "1003", "1", "1", "23", "bad"],
    ]
    assert "kill.csv: 1 gather graded bad, and 2 dead and 1 wild channels of others, in 3 ranges" in done.out
    source = SegySource(out / "segy" / "a.segy", ReadOptions())
    numbers = [headers[:, 180:184].view(">i4")[:, 0].tolist() for _, headers in source.gather_headers()]
    assert [set(each) for each in numbers] == [{1}, {2}, {3}, {-1}]
    original, copy = (
        np.frombuffer(path.read_bytes(), np.uint8)[3600:].reshape(SHOTS * TRACES, -1) for path in (line, source.path)
    )
    places = {(int(row), int(column)) for row, column in np.argwhere(original != copy)}
    dead = {(TRACES + place, 29) for place in DEAD}
    assert {place for place in places if place[1] < 180} == dead
    assert {column for _, column in places - dead} <= set(range(180, 184))
    # The auxiliary trace has no grade.
    assert copy[2 * TRACES, 180:184].tolist() == [0, 0, 0, 0]
    assert (
        "segy/a.segy: grade in bytes 181-184, 2 traces newly marked dead (bytes 29-30: 2), every other byte" in done.out
    )
    assert "grade numbers: 0 not graded, 1 good, 2 medium, 3 bad, -1 unsure" in done.out
    read = json.loads((out / "grades.geojson").read_text())
    assert read["crs"] is None and len(read["features"]) == SHOTS
    second = read["features"][1]
    assert second["geometry"]["coordinates"] == [50_002.5, 0]
    told = second["properties"]
    assert (told["shot"], told["grade"], told["grade_number"], told["unlike"]) == (1002, "medium", 2, None)
    assert (told["dead_channels"], told["wild_channels"], told["probability_medium"]) == (2, 1, 0.6)
    about = json.loads((out / "delivery.json").read_text())
    assert about["header_words"] == [{"shot": "FieldRecord (byte 9)", "channel": "TraceNumber (byte 13)"}]
    assert "kill.csv numbers shots by FieldRecord (byte 9), channels by TraceNumber (byte 13)" in done.out
    assert about["grade_word"] == "bytes 181-184" and about["grade_numbers"]["bad"] == 3
    assert about["files"][0]["sha256"] == read_record(grades).files[0].sha256


def test_copies_are_made_only_if_asked_for_and_grades_may_kill_more(line, tmp_path, command):
    grades = grades_of(tmp_path / "grades.csv", [line], ("good", "medium", "bad", "unsure"))
    done = command("deliver", grades, "--out", tmp_path / "out", "--kill", "medium, unsure", "--crs", "EPSG:32631")
    assert done.status == 0 and not (tmp_path / "out" / "segy").exists()
    assert [row[1:] for row in rows(tmp_path / "out" / "kill.csv")[1:]] == [
        ["1002", "1", "1", "24", "medium"],
        ["1004", "1", "1", "24", "unsure"],
    ]
    read = json.loads((tmp_path / "out" / "grades.geojson").read_text())
    assert read["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32631"


def test_what_was_not_graded_has_its_dead_channels_killed(line, tmp_path, command):
    grades = grades_of(tmp_path / "grades.csv", [line], ("good",), without=("a-shot1002",))
    done = command("deliver", grades, "--out", tmp_path / "out", "--segy")
    told = "1 gather without a row in the table, such as those that classify leaves out: a-shot1002"
    assert done.status == 0 and told in done.out
    assert "apart" not in done.out
    assert [row[1:] for row in rows(tmp_path / "out" / "kill.csv")[1:]] == [
        ["1002", "1", "16", "16", "wild"],
        ["1002", "1", "18", "19", "dead"],
    ]
    assert len(json.loads((tmp_path / "out" / "grades.geojson").read_text())["features"]) == 3
    assert "grade in bytes 233-236" in done.out
    content = (tmp_path / "out" / "segy" / "a.segy").read_bytes()
    grade = np.frombuffer(content, np.uint8)[3600:].reshape(SHOTS * TRACES, -1)[:, 235]
    ungraded = {*range(TRACES, 2 * TRACES), 2 * TRACES}
    assert set(np.flatnonzero(grade == 0).tolist()) == ungraded and grade.max() == 1


def test_files_that_moved_are_found_where_they_are_said_to_be(line, tmp_path, command):
    grades = grades_of(tmp_path / "grades.csv", [line])
    (tmp_path / "archive").mkdir()
    shutil.move(line, tmp_path / "archive" / "a.segy")
    done = command("deliver", grades, "--out", tmp_path / "out")
    assert done.status == 2 and done.error == [
        f"glowseis.deliver: {line}: no such file; if it was moved since it was graded, give its folder with --files"
    ]
    assert command("deliver", grades, "--out", tmp_path / "out", "--files", tmp_path / "archive").status == 0
    assert len(rows(tmp_path / "out" / "kill.csv")) == 2


def test_files_of_one_name_are_copied_apart(line, tmp_path, command):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        shutil.copy(line, tmp_path / folder / "a.segy")
    files = [tmp_path / folder / "a.segy" for folder in ("one", "two")]
    grades = grades_of(tmp_path / "grades.csv", files, ("good", "medium", "bad", "unsure", "bad"))
    done = command("deliver", grades, "--out", tmp_path / "out", "--segy")
    assert done.status == 0, done.error
    assert sorted(path.name for path in (tmp_path / "out" / "segy").iterdir()) == ["one-a.segy", "two-a.segy"]
    # Shots 1003 of the first and 1001 and 1004 of the second are bad, shots 1002 have dead channels.
    (told,) = (line for line in done.out.splitlines() if "apart" in line)
    assert told.startswith("warning: kill.csv cannot tell several gathers of one line, shot and cable apart: line 12 ")
    assert [f"shot {shot} cable 1" in told for shot in range(1001, 1005)] == [True] * 4


def test_files_of_one_name_may_move(line, tmp_path, command):
    content = line.read_bytes()
    for folder, last in (("one", content[-1:]), ("two", b"\1")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.segy").write_bytes(content[:-1] + last)
    grades = grades_of(tmp_path / "grades.csv", [tmp_path / folder / "a.segy" for folder in ("one", "two")])
    (tmp_path / "one").rename(tmp_path / "three")
    (tmp_path / "two").rename(tmp_path / "four")
    words = ["--files", tmp_path / "four", "--files", tmp_path / "three"]
    done = command("deliver", grades, "--out", tmp_path / "out", *words)
    assert done.status == 0, done.error


def test_tables_whose_names_differ_in_their_ending_have_a_record_each(line, tmp_path, command):
    other = shutil.copy(line, tmp_path / "b.segy")
    tables = [grades_of(tmp_path / name, [file]) for name, file in (("g.csv", line), ("g.txt", other))]
    for table, name in zip(tables, ("a", "b"), strict=True):
        done = command("deliver", table, "--out", tmp_path / name, "--segy")
        assert done.status == 0 and (tmp_path / name / "segy" / f"{name}.segy").exists()


def test_a_record_of_an_earlier_glowseis_is_found(line, tmp_path, command):
    grades = grades_of(tmp_path / "grades.csv", [line])
    record_path(grades).rename(tmp_path / "grades.files.json")
    assert command("deliver", grades, "--out", tmp_path / "out").status == 0


def test_files_that_are_no_segy_have_a_kill_list(tmp_path, command):
    array = swell(2 * TRACES, SAMPLES).reshape(2, TRACES, SAMPLES).astype(np.float32)
    array[1, 4] = 0
    np.save(tmp_path / "a.npy", array)
    grades = grades_of(
        tmp_path / "g.csv", [tmp_path / "a.npy"], ("bad", "good"), axes="gather,trace,time", sample_interval_s=0.004
    )
    done = command("deliver", grades, "--out", tmp_path / "out", "--segy")
    assert done.status == 0, done.error
    assert [row[1:] for row in rows(tmp_path / "out" / "kill.csv")[1:]] == [
        ["1", "1", "1", "24", "bad"],
        ["2", "1", "5", "5", "dead"],
    ]
    assert "no grades.geojson: the files have no source coordinates" in done.out
    assert "1 file not copied, as only SEG-Y and Seismic Unix are: " in done.out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["delivery.json", "kill.csv"]


@pytest.mark.parametrize(("options", "killed"), [({}, []), ({"zero_level": 0.0}, ["5"])])
def test_faults_are_about_the_zero_that_the_grades_are_about(tmp_path, command, options, killed):
    one = random_recording(1, 200, TRACES)
    one.amplitude[:, 4] += 20
    write_segy(tmp_path / "a.segy", [one])
    grades = grades_of(tmp_path / "g.csv", [tmp_path / "a.segy"], ("good",), **options)
    assert command("deliver", grades, "--out", tmp_path / "out").status == 0
    assert [row[3] for row in rows(tmp_path / "out" / "kill.csv")[1:]] == killed


def test_our_own_files_keep_cable_and_line(tmp_path, command):
    write_segy(tmp_path / "own.segy", [random_recording(shot, samples=SAMPLES, traces=TRACES) for shot in range(3)])
    grades = grades_of(tmp_path / "g.csv", [tmp_path / "own.segy"])
    done = command("deliver", grades, "--out", tmp_path / "out", "--segy")
    assert done.status == 0 and "grade in bytes 231-232" in done.out
    done = command("deliver", grades, "--out", tmp_path / "again", "--segy", "--grade-word", 233)
    assert done.status == 2 and "--grade-word 233: its bytes 233-236 overlap the header word 233" in done.error[0]


def test_a_spreadsheets_copy_of_the_table_is_read(line, tmp_path, command):
    grades = grades_of(tmp_path / "grades.csv", [line])
    grades.write_text("\ufeff" + grades.read_text().replace(",", ";").replace("0.6", "0,6"), encoding="utf-8")
    assert command("deliver", grades, "--out", tmp_path / "out").status == 0
    read = json.loads((tmp_path / "out" / "grades.geojson").read_text())
    assert read["features"][0]["properties"]["probability_good"] == 0.6


def changed(path, **changes):
    """Change a record."""
    content = json.loads(record_path(path).read_text())
    record_path(path).write_text(json.dumps(content | changes))


@pytest.mark.parametrize(
    ("spoil", "words", "message"),
    [
        (
            lambda table, line: None,
            ("--kill", "awful"),
            "--kill awful: not a grade in {table}; choose from good, medium, bad",
        ),
        (lambda table, line: None, ("--crs", "utm31"), "--crs utm31: give an EPSG code"),
        (lambda table, line: None, ("--grade-word", "233"), "--grade-word goes with --segy; leave it out"),
        (
            lambda table, line: None,
            ("--segy", "--grade-word", "9"),
            "--grade-word 9: its bytes 9-12 overlap FieldRecord",
        ),
        (lambda table, line: None, ("--out", "{table}"), "{table}: exists already; give another --out"),
        (
            lambda table, line: table.unlink(),
            (),
            "{table}: no such file; give the CSV file that glowseis classify wrote",
        ),
        (lambda table, line: table.write_text("a,b\n1,2\n"), (), "not a table of grades: it has no column gather_id"),
        (lambda table, line: table.write_bytes(b"\xff\xfe\x00"), (), "{table}: cannot be read as CSV"),
        (
            lambda table, line: table.write_text(table.read_text().replace("medium,0.2", "awful,0.2")),
            (),
            "{table}, row 4: grade 'awful' is not one of good, medium, bad, unsure",
        ),
        (
            lambda table, line: table.write_text(table.read_text() + "a,b\n"),
            (),
            "row 6: has 2 cells, but the header has 11",
        ),
        (
            lambda table, line: table.write_text(table.read_text().replace("a-shot1001", "a-shot1009")),
            (),
            "gather a-shot1009 is not in {line} as it is read now",
        ),
        (
            lambda table, line: table.write_text(table.read_text().replace("a-shot1001", "a-shot1002")),
            (),
            "gather a-shot1002 has two rows",
        ),
        (
            lambda table, line: table.write_text(table.read_text().replace(str(line), "surveys/line12")),
            (),
            "none of its gathers comes from a file that",
        ),
        (lambda table, line: table.write_text(table.read_text().splitlines()[0]), (), "{table}: has no grades"),
        (
            lambda table, line: record_path(table).unlink(),
            (),
            "grades.csv.files.json: missing; classify writes it",
        ),
        (lambda table, line: record_path(table).write_text("{"), (), "grades.csv.files.json: cannot be read as JSON"),
        (lambda table, line: changed(table, labels=["a", "b"]), (), "has grades good, medium, bad, but"),
        (lambda table, line: changed(table, files=[{}]), (), "grades.csv.files.json: files.0.source: Field required"),
        (lambda table, line: changed(table, schema_version=2), (), "written by a newer glowseis"),
        (
            lambda table, line: line.write_bytes(line.read_bytes()[:-1] + b"\1"),
            (),
            "{line}: changed since it was graded; grade it again",
        ),
        (lambda table, line: line.write_bytes(b"short"), (), "{line}: changed since it was graded"),
    ],
)
def test_bad_input_is_told_in_one_line_and_nothing_is_left(line, tmp_path, command, spoil, words, message):
    table = grades_of(tmp_path / "grades.csv", [line])
    spoil(table, line)
    before = sorted(tmp_path.iterdir())
    words = [word.format(table=table) for word in words]
    done = command("deliver", table, "--out", tmp_path / "out", *words)
    assert done.status == 2 and not done.out and len(done.error) == 1
    assert message.format(table=table, line=line) in done.error[0]
    assert sorted(tmp_path.iterdir()) == before


def test_degrees_and_lengths_are_not_mixed(line, tmp_path, command):
    (tmp_path / "degrees").mkdir()
    shots = Line(2, TRACES).with_words(counit=3, scalco=-10_000, sx=23_456, sy=571_234, gx=23_456, gy=571_234)
    other = written(tmp_path / "degrees", shots, amplitude=swell(2 * TRACES, SAMPLES))
    grades = grades_of(tmp_path / "grades.csv", [line, other])
    done = command("deliver", grades, "--out", tmp_path / "out")
    assert done.status == 2 and "are degrees, those of" in done.error[0] and not (tmp_path / "out").exists()
    grades = grades_of(tmp_path / "degrees.csv", [other])
    done = command("deliver", grades, "--out", tmp_path / "out")
    assert done.status == 0 and "longitude and latitude as in the files, taken to be WGS 84" in done.out
    read = json.loads((tmp_path / "out" / "grades.geojson").read_text())
    assert "crs" not in read and read["features"][0]["geometry"]["coordinates"] == [2.3456, 57.1234]


def test_feet_and_metres_are_mixed_only_in_a_named_system(line, tmp_path, command):
    (tmp_path / "feet").mkdir()
    other = written(tmp_path / "feet", Line(2, TRACES), amplitude=swell(2 * TRACES, SAMPLES))
    content = bytearray(other.read_bytes())
    content[3254:3256] = (2).to_bytes(2, "big")
    other.write_bytes(content)
    grades = grades_of(tmp_path / "grades.csv", [line, other])
    done = command("deliver", grades, "--out", tmp_path / "out")
    assert done.status == 2 and not (tmp_path / "out").exists()
    assert "are feet, those of" in done.error[0] and "metres; a map cannot hold both" in done.error[0]
    assert command("deliver", grades, "--out", tmp_path / "out", "--crs", "EPSG:32631").status == 0
    done = command("deliver", grades_of(tmp_path / "feet.csv", [other]), "--out", tmp_path / "alone")
    assert done.status == 0 and "x and y in feet as in the files" in done.out


def test_channels_without_numbers_are_told(tmp_path, command):
    path = written(tmp_path, Line(2, TRACES).with_words(tracf=0), amplitude=swell(2 * TRACES, SAMPLES))
    grades = grades_of(tmp_path / "grades.csv", [path])
    done = command("deliver", grades, "--out", tmp_path / "out")
    assert done.status == 2 and "gather a-shot1002 of" in done.error[0] and "have the number 0" in done.error[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("live", [False, True])
def test_padding_is_not_in_the_list_unless_0_is_a_channel(tmp_path, command, live):
    shots = Line(2, TRACES)
    shots["tracf"] = np.where((shots.number == 3) & (live | (shots.shot == 0)), 0, shots.number + 1)
    amplitude = swell(2 * TRACES, SAMPLES)
    amplitude[3] = 0
    path = written(tmp_path, shots, amplitude=amplitude, code=1, interval_us=8000)
    out = tmp_path / "out"
    grades = grades_of(tmp_path / "grades.csv", [path], ("bad", "good"))
    done = command("deliver", grades, "--out", out, "--segy")
    if live:
        assert done.status == 2 and "but in gather a-shot1002 channel 0 is live" in done.error[0]
        return
    assert "1 dead trace with channel number 0, taken for padding and not in kill.csv: a-shot1001" in done.out
    assert [row[3:] for row in rows(out / "kill.csv")[1:]] == [["1", "3", "bad"], ["5", "24", "bad"]]
    assert "segy/a.segy: grade in bytes 233-236, 1 trace newly marked dead" in done.out
