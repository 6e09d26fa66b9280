"""Labels from files of their own laid over those of a survey's records."""

import dataclasses
import os

import numpy as np
import pytest

import glowseis
from glowseis.errors import InputError
from glowseis.survey.labels.adding import Judgement, append, seconds
from glowseis.survey.labels.overlay import SILENT, UNDECIDED, open_survey, read_overlay
from glowseis.survey.store.scanning import verify
from glowseis.survey.store.survey import write_survey
from tests.support.random_gathers import random_gather, random_survey

COUNT = 12


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Shots 0 to 11 of line 3, cable 2, as `line3-shotN`: good and bad by turns."""
    return random_survey(tmp_path_factory.mktemp("labels") / "survey", COUNT)


@pytest.fixture
def written(tmp_path):
    """Write a file of labels by its rows."""

    def write(name, *rows):
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        return path

    return write


def labels_of(survey):
    return survey.index["label"].tolist()


def test_labels_act_wherever_a_survey_is_used_and_its_files_stay(survey, tmp_path):
    before = {file.name: file.read_bytes() for file in survey.path.iterdir()}
    path = survey.path / "labels" / "anna.csv"
    append(path, [Judgement("line3-shot0", "medium", "anna"), Judgement("line3-shot1", "unsure", "anna")])
    found = glowseis.open_survey(survey.path, labels=[path])
    assert labels_of(found) == ["medium", "", *labels_of(survey)[2:]]
    assert found.labels == ("good", "medium", "bad") and found.manifest.counts == {"good": 5, "medium": 1, "bad": 5}
    assert found.read("line3-shot0").label == "medium" and found.read(1).label == "" and found.read(2).label == "good"
    assert found.select(labels=["medium"]).tolist() == [0]
    some = found.only([0, 2])
    assert some.read(0).label == "medium" and some.manifest.counts == {"good": 1, "medium": 1}
    assert some.checksum != survey.only([0, 2]).checksum
    verify(found)
    path.unlink()
    path.parent.rmdir()
    assert {file.name: file.read_bytes() for file in survey.path.iterdir()} == before
    write_survey(tmp_path / "copy", (found.read(row) for row in range(COUNT)), found.size, {})
    assert labels_of(open_survey(tmp_path / "copy")) == labels_of(found)


def test_a_survey_knows_of_what_judges_could_give_no_label(survey, written):
    path = written("anna", "gather_id,label,judge", "line3-shot0,unsure,a", "line3-shot2,bad,a", "line3-shot2,good,b")
    found = open_survey(survey.path, [path], "majority")
    assert found.unsure == found.only([0, 2]).unsure == {"line3-shot0", "line3-shot2"} and not survey.unsure
    assert found.relabelled(["good"] * COUNT, ["x"]).unsure == found.unsure
    bare = dataclasses.replace(read_overlay(survey, [path]), survey=survey.relabelled([""] * COUNT, ["none"]))
    # No label differs, and yet it is not the same.
    assert bare.survey.checksum == dataclasses.replace(bare, judge="majority").laid_over().checksum
    assert dataclasses.replace(bare, judge="majority").laid_over().unsure == found.unsure


def test_a_judgement_that_was_taken_back_counts_no_more(survey, tmp_path):
    path = tmp_path / "anna.csv"
    times = [f"2026-11-27T10:00:0{second}Z" for second in range(4)]
    said = [("bad", times[0]), ("good", times[1]), ("bad", times[0])]
    append(path, [Judgement("line3-shot0", label, "anna", time=time) for label, time in said])
    found = read_overlay(survey, [path])
    assert found.given[:2].tolist() == [[1], [0]] and found.classes[found.votes[0, 0]] == "bad"
    assert found.times[0, 0] == seconds(times[1]) and found.times[1, 0] == -np.inf
    append(path, [Judgement("line3-shot0", "medium", "anna", time=times[2])])
    assert read_overlay(survey, [path]).given[0, 0] == 2
    append(path, [Judgement("line3-shot0", "", "anna", time=times[3])])
    assert read_overlay(survey, [path]).given[0, 0] == 0


def test_a_file_may_do_no_more_than_take_back_labels_of_another(survey, written):
    given = written("given", "gather_id,label,judge", "line3-shot0,bad,Anna", "line3-shot1,bad,anna")
    back, empty = (written(judge, "gather_id,label,judge", f"line3-shot0,,{judge}") for judge in ("anna", "ben"))
    found = read_overlay(survey, [given, back])
    assert found.given[:2].tolist() == [[0], [1]] and found.replaced == 1
    for files in ([back], [given, empty]):
        with pytest.raises(InputError, match=rf"{files[-1].name}: has no label in any row"):
            read_overlay(survey, files)


def test_the_checksum_follows_from_what_the_labels_mean(survey, written):
    plain = written("anna", "gather_id,label", "line3-shot0,bad", "line3-shot2,medium")
    again = written("b", "Label;CABLE;First Shot;last-shot;note", "Medium;2;2;;x", "BAD;2;0;1;y", "BAD;2;3;3;z")
    other = written("c", "gather_id,label", "line3-shot0,bad")
    nothing = written("d", "gather_id,label,judge", "line3-shot0,good,e", "line3-shot1,medium,e", "line3-shot1,,e")
    one, two, three = (open_survey(survey.path, [path]) for path in (plain, again, other))
    assert one.checksum == two.checksum != survey.checksum and len({one.checksum, three.checksum}) == 2
    assert one.relabelling.files == (str(plain),) and one.relabelling.checksum == two.relabelling.checksum
    same = open_survey(survey.path, [nothing])
    assert same.checksum == survey.checksum and same.relabelling is None


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_as_people_make_them(survey, tmp_path, separator, encoding):
    rows = [
        ["Sail Line", "First shot", "LAST SHOT", "Cable", "Class"],
        ["3.0", "2", "5", "2", " Medium "],
        ["3", "11", "", "2", "BAD"],
    ]
    path = tmp_path / "anna.csv"
    path.write_bytes("\r\n".join(["My labels", "", *map(separator.join, rows), ""]).encode(encoding))
    found = labels_of(open_survey(survey.path, [path]))
    assert found[2:6] == ["medium"] * 4 and found[11] == "bad" and found[6:11] == labels_of(survey)[6:11]


def test_a_judges_last_word_counts(survey, written):
    log = written(
        "log",
        "gather_id,label,judge,time",
        "line3-shot0,bad,anna,2026-01-01T10:00:00Z",
        "line3-shot1,medium,anna,",
        "line3-shot0,medium,Anna,2026-01-01T10:00:00+02:00",
        "line3-shot1,,anna,2026-01-02",
        "line3-shot2,bad,anna,2026-01-03",
    )
    early = written("early", "gather_id,label,judge,time", "line3-shot2,medium,anna,2026-01-01T09:00:00Z")
    untimed = written("untimed", "gather_id,label,judge", "line3-shot2,medium,anna")
    one = read_overlay(survey, [log])
    # Within a file its order counts, whatever the clock said.
    assert one.judges == ("anna",) and one.replaced == 2 and one.labels[:3].tolist() == ["medium", "bad", "bad"]
    assert read_overlay(survey, [log, early]).labels[2] == "bad"
    assert read_overlay(survey, [early, log]).labels[2] == "bad"
    assert read_overlay(survey, [log, untimed]).labels[2] == "medium"
    assert read_overlay(survey, [untimed, log]).labels[2] == "bad"


@pytest.fixture
def three(written):
    """Three judges; shot 0: most say bad, 1: all differ, 2: one is unsure, 3: all are, 4: one alone, 5: two agree."""
    return [
        written("anna", "shot,label", "0,bad", "1,good", "2,unsure", "3,unsure", "4,medium", "5,bad"),
        written("ben", "shot,label", "0,bad", "1,medium", "2,medium", "3,unsure"),
        written("cleo", "shot,label", "0,good", "1,bad", "5,bad"),
    ]


def test_judges_who_disagree(survey, three, written):
    with pytest.raises(InputError) as refused:
        open_survey(survey.path, three)
    assert "judges disagree about 2 gathers, the first line3-shot0 (anna bad, ben bad, cleo good)" in str(refused.value)
    assert "choose with --judge majority, or --judge NAME, from anna, ben, cleo" in str(refused.value)
    most = read_overlay(survey, three, "majority")
    assert most.labels[:6].tolist() == ["bad", "", "medium", "", "medium", "bad"]
    assert np.flatnonzero(most.disputed).tolist() == [0, 1] and np.flatnonzero(most.undecided).tolist() == [1]
    assert most.votes[:4, 0].tolist() == [2, 0, UNDECIDED, UNDECIDED] and most.votes[4, 1] == SILENT
    assert labels_of(most.laid_over())[6:] == labels_of(survey)[6:] and most.laid_over().relabelling.judge == "majority"
    assert read_overlay(survey, three, "Cleo").labels[:6].tolist() == ["good", "bad", "medium", "", "medium", "bad"]
    # Who is named decides where others agree, too, and is not asked where silent.
    assert read_overlay(survey, three, "anna").labels[:6].tolist() == ["bad", "good", "", "", "medium", "bad"]
    with pytest.raises(InputError, match="--judge dora: nobody of that name judged; choose majority or anna, ben,"):
        read_overlay(survey, three, "dora")
    fourth = read_overlay(survey, [*three, written("dora", "shot,label", "6,bad")], "dora")
    assert fourth.labels[:7].tolist() == ["", "", "medium", "", "medium", "bad", "bad"]
    two = read_overlay(survey, three[1:], "majority")
    assert two.undecided[:2].all() and two.labels[:2].tolist() == ["", ""]


def test_an_unlabelled_survey_takes_classes_of_its_own(tmp_path, written):
    bare = random_survey(tmp_path / "bare", 4, labels=("",))
    found = open_survey(bare.path, [written("a", "shot,label", "0,swell", "1,calm", "2,swell")])
    assert found.labels == ("calm", "swell")
    with pytest.raises(InputError, match=r"b.csv, row 3: label 'Swell' is 'swell' elsewhere; use one spelling"):
        open_survey(bare.path, [written("b", "shot,label", "0,swell", "1,Swell")])
    with pytest.raises(InputError, match=r"c.csv, row 3: label 'swell' is none of the survey's classes, good, medium"):
        open_survey(bare.path, [written("c", "shot,label", "0,Bad", "1,swell")])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["gather_id,label", "x-1,bad"], "is for another survey: .* has none of what it names, such as x-1; give"),
        (["line,shot,label", "4,1,bad"], "has none of what it names, such as line 4 shot 1"),
        (["gather_id,shot,label", "line3-shot0,1,bad"], "has none of what it names"),
        (
            ["gather_id,label", "line3-shot0,bad", "x-1,bad", "x-2,bad", "x-1,good", "x-3,bad", "x-4,bad"],
            "row 3: .* lacks 4 of the 5 gathers or ranges that it names, the first x-1, x-2, x-3; remove their rows",
        ),
        (["first shot,last shot,label", "0,5,bad", "12,20,bad"], "row 3: .* lacks 1 of the 2 .* shot 12 to 20; remove"),
        (["first shot,last shot,label", "5,1,bad"], "row 2: its last shot 1 comes before its first 5; swap them"),
        (["first shot,last shot,label", ",1,bad"], "row 2: its first_shot is empty"),
        (["first shot,label", "1,bad"], "a range of shots needs both first_shot and last_shot"),
        (["shot,first shot,last shot,label", "1,1,1,bad"], "needs both first_shot and last_shot, and no column shot"),
        (
            ["gather_id,label", "line3-shot0,bda"],
            "row 2: label 'bda' is none of the survey's classes, good, medium, bad,",
        ),
        (["gather_id,label,Label", "line3-shot0,bad,bad"], "has the column label twice; remove one"),
        (["gather_id,label"], "has no rows below its header"),
        ([], "empty; it needs a row that names its columns"),
        (["file,shot,label", "a.segy,1,bad"], "not by file; replace that column"),
        (["gather_id,label,judge", "line3-shot0,bad,", "line3-shot1,bad,a"], "row 2: its judge is empty; fill it in"),
        (["gather_id,label,judge", "line3-shot0,bad,majority"], "row 2: judge 'majority': that word stands for most"),
        (["gather_id,label,time", "line3-shot0,bad,27.11.2026"], "row 2: time '27.11.2026' is not ISO 8601"),
        (["gather_id,label,time", "line3-shot0,bad,0001-01-01T00:00+01:00"], r"row 2: time '0001-01-01T00:00\+01"),
    ],
)
def test_a_file_that_does_not_fit_is_told(survey, written, rows, message):
    path = written("wrong", *rows)
    before = path.read_bytes()
    with pytest.raises(InputError, match=message) as refused:
        open_survey(survey.path, [path])
    assert str(refused.value).startswith(str(path)) and path.read_bytes() == before


def test_files_and_judges_that_do_not_fit_are_told(survey, written, tmp_path):
    path = written("a", "shot,label", "0,bad")
    (tmp_path / "link.csv").symlink_to(path)
    with pytest.raises(InputError, match=r"link.csv: is given twice to --labels"):
        open_survey(survey.path, [path, tmp_path / "link.csv"])
    with pytest.raises(InputError, match="--judge anna: chooses among the judges of --labels; give that too"):
        open_survey(survey.path, judge="anna")
    os.rename(path, tmp_path / "majority.csv")
    with pytest.raises(InputError, match=r"majority.csv: judge 'majority': that word .*, or add a column judge"):
        open_survey(survey.path, [tmp_path / "majority.csv"])


def test_a_shot_that_may_mean_several_gathers_is_told(tmp_path, written):
    gathers = [random_gather(shot, line=line) for line in (3, 4) for shot in (0, 1)]
    write_survey(tmp_path / "two", gathers, (64, 32), {})
    with pytest.raises(InputError, match=r"row 2: shot 0 fits gathers of several sail lines, 3 and 4; add a column"):
        open_survey(tmp_path / "two", [written("a", "shot,label", "0,bad")])
    by_line = open_survey(tmp_path / "two", [written("b", "line,label", "4,bad")])
    assert labels_of(by_line) == ["good", "good", "bad", "bad"]
    other = dataclasses.replace(gathers[1], geometry=gathers[0].geometry)
    write_survey(tmp_path / "twice", [gathers[0], other], (64, 32), {})
    with pytest.raises(InputError, match=r"row 2: line 3 shot 0 .* of one line, shot and cable, .*; name them by"):
        open_survey(tmp_path / "twice", [written("c", "line,shot,label", "3,0,bad")])
