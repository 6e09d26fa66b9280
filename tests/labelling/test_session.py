"""A judge's session: what comes next, what is on the disk, what is taken back, what is told."""

import csv
import dataclasses
import os
import shutil
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

import glowseis
from glowseis.errors import InputError
from glowseis.labelling.order import along_lines, at_random, from_file
from glowseis.labelling.session import NotYetError, Session
from glowseis.labelling.start import begin, labels_beside, summary_line
from glowseis.survey.gather import Origin
from glowseis.survey.labels.adding import Judgement, append
from glowseis.survey.store.survey import write_survey
from tests.support.random_gathers import random_survey

COUNT = 8


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Shots 0 to 7 of line 3, as `line3-shotN`: good and unlabelled by turns."""
    return random_survey(tmp_path_factory.mktemp("labelling") / "survey", COUNT, labels=("good", ""))


@pytest.fixture
def session(survey, tmp_path):
    return Session(survey, tmp_path / "labels" / "anna.csv", "anna", along_lines(survey))


def again(session):
    return Session(session.survey, session.labels, session.judge, along_lines(session.survey))


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def shot(number):
    return f"line3-shot{number}"


def test_gathers_come_in_order_and_every_decision_is_on_the_disk(session):
    assert session.coming(3) == [shot(1), shot(3), shot(5)] and session.coming(99)[4] == shot(0)
    assert session.classes == ("good", "medium", "bad")
    assert session.label(shot(1), "bad", "swell") == "" and session.label(shot(3), "unsure") == ""
    found = rows_of(session.labels)
    assert [(row["gather_id"], row["label"], row["judge"], row["note"]) for row in found] == [
        (shot(1), "bad", "anna", "swell"),
        (shot(3), "unsure", "anna", ""),
    ]
    assert session.coming(2) == again(session).coming(2) == [shot(5), shot(7)]
    progress = again(session).progress()
    assert progress["judged"] == 2 and progress["of"] == COUNT
    assert progress["counts"] == {"good": 0, "medium": 0, "bad": 1, "unsure": 1}
    laid = glowseis.open_survey(session.survey.path, labels=[session.labels])
    assert laid.read(shot(1)).label == "bad" and laid.read(shot(3)).label == ""


def test_judgements_are_taken_back_one_by_one_also_those_of_an_earlier_session(session):
    for number, label in ((1, "good"), (3, "bad"), (1, "medium")):
        session.label(shot(number), label, known="good" if (number, label) == (1, "medium") else "")
    later = again(session)
    told = later.take_back("")
    assert (told.gather_id, told.label) == (shot(1), "good") and "medium taken back; good counts again" in told.line
    assert later.revealed(shot(1))["label"] == again(session).revealed(shot(1))["label"] == "good"
    later = again(session)
    assert (later.take_back("").gather_id, later.take_back("").gather_id) == (shot(3), shot(1))
    assert later.take_back("") is None
    assert again(session).coming(2) == later.coming(2) == [shot(1), shot(3)]
    assert later.progress()["counts"] == {"good": 0, "medium": 0, "bad": 0, "unsure": 0}
    assert len(rows_of(session.labels)) == 6


def test_what_a_page_takes_back_is_taken_back_once_and_nothing_else(session):
    for number, label in ((1, "good"), (3, "bad"), (3, "medium")):
        session.label(shot(number), label, known="bad" if label == "medium" else "")
    meant = session.last
    session.label(shot(5), "good")
    told = session.take_back(shot(5), 0, meant)
    assert told.gather_id == shot(3) and told.label == "bad" and "medium taken back; bad counts again" in told.line
    rows = rows_of(session.labels)
    for one in (session, again(session)):
        told = one.take_back(shot(3), 0, meant)
        assert (told.gather_id, told.label) == (shot(3), "bad") and "nothing else is taken back" in told.line
    assert rows_of(session.labels) == rows
    meant = again(session).last
    assert session.take_back(shot(5), 0, meant).gather_id == shot(5)
    # Judged anew, it is another judgement.
    session.label(shot(5), "bad")
    assert "nothing else" in session.take_back(shot(5), 0, meant).line and session.revealed(shot(5))["label"] == "bad"
    session.mark(shot(5), 2, 4, "dead")
    assert "dead, traces 2 to 4" in session.take_back(shot(5), 1, session.last).line
    assert "mark had been taken back" in session.take_back(shot(5), 1, session.last).line
    assert session.revealed(shot(5))["label"] == "bad"


def test_what_is_known_is_shown_after_judging_alone(survey, tmp_path):
    order = tmp_path / "next.csv"
    order.write_text(f"reason,gather_id\nleast certain,{shot(4)}\n,{shot(2)}\nagain,{shot(4)}\n")
    session = begin(survey.path, tmp_path / "anna.csv", "anna", order, "line")
    assert session.coming(5) == [shot(4), shot(2)]
    with pytest.raises(NotYetError, match="judge it first"):
        session.revealed(shot(4))
    session.label(shot(4), "bad")
    assert session.revealed(shot(4)) == {"label": "bad", "record": "good", "reason": "least certain"}
    session.take_back("")
    with pytest.raises(NotYetError):
        session.revealed(shot(4))


def test_a_second_look_comes_again_without_what_was_said_before(survey, tmp_path):
    labels, order = tmp_path / "anna.csv", tmp_path / "next.csv"
    begin(survey.path, labels, "anna", None, "line").label(shot(1), "good")
    order.write_text(f"gather_id,reason\n{shot(1)},second look\n{shot(3)},random\n")
    session = begin(survey.path, labels, "anna", order, "line")
    assert session.coming(5) == [shot(1), shot(3)] and session.progress()["judged"] == 0
    with pytest.raises(NotYetError):
        session.revealed(shot(1))
    assert session.label(shot(1), "bad") == ""
    assert session.revealed(shot(1)) == {"label": "bad", "record": "", "reason": "second look"}
    assert session.coming(5) == begin(survey.path, labels, "anna", order, "line").coming(5) == [shot(3)]
    assert "was judged bad in another window" in session.label(shot(1), "good")
    assert "bad counts again" in session.take_back("").line
    told = session.take_back("")
    assert (told.line, told.label) == (f"{shot(1)}: bad taken back", "") and summary_line(session).startswith("0 gath")
    for one in (session, begin(survey.path, labels, "anna", order, "line")):
        assert one.coming(5) == [shot(1), shot(3)]
        with pytest.raises(NotYetError):
            one.revealed(shot(1))
    laid = glowseis.open_survey(survey.path, labels=[labels])
    assert laid.read(shot(1)).label == "good"
    assert one.take_back("").line == f"{shot(1)}: taken back" and summary_line(one).startswith("0 gathers")


def test_an_order_knows_what_had_been_judged_whenever_its_file_is_changed(survey, tmp_path):
    labels, order = tmp_path / "anna.csv", tmp_path / "next.csv"
    first = datetime.now(UTC) - timedelta(minutes=5)
    append(
        labels,
        [Judgement(shot(1), "good", "anna", time=first.isoformat()), Judgement(shot(3), "good", "anna", time="")],
    )
    looked = [f"{shot(1)},second look,{first.isoformat(timespec='seconds')}", f"{shot(3)},second look,"]
    order.write_text("\n".join(["gather_id,reason,judged", *looked]) + "\n")
    session = begin(survey.path, labels, "anna", order, "line")
    assert session.coming(5) == [shot(1), shot(3)]
    for number in (1, 3):
        session.label(shot(number), "good")
    os.utime(order, (2e9, 2e9))
    assert begin(survey.path, labels, "anna", order, "line").coming(5) == []
    # Somebody's local time without its zone is still to come.
    ahead = datetime.now(UTC) + timedelta(hours=8)
    order.write_text(f"gather_id,reason,judged\n{shot(1)},second look,{ahead.isoformat()}\n")
    session = begin(survey.path, labels, "anna", order, "line")
    assert session.coming(5) == [shot(1)]
    session.label(shot(1), "good")
    assert session.coming(5) == []
    order.write_text(f"gather_id,reason,judged\n{shot(1)},second look,yesterday\n")
    with pytest.raises(InputError, match=r"row 2: judged 'yesterday' is not a time as ISO 8601, such as "):
        begin(survey.path, labels, "anna", order, "line")


def test_synthetic_gathers_that_a_list_names_are_not_shown(survey, tmp_path):
    made = dataclasses.replace(survey.read(1), gather_id="made", origin=Origin((shot(1),), model="flow/1"))
    write_survey(tmp_path / "both", [survey.read(0), made], survey.size, {})
    order = tmp_path / "next.csv"
    order.write_text(f"gather_id\nmade\n{shot(0)}\n")
    assert begin(tmp_path / "both", tmp_path / "anna.csv", "anna", order, "line").coming(5) == [shot(0)]


def test_a_request_that_comes_again_adds_nothing(session, survey, tmp_path):
    for one in (session, session, again(session)):
        assert one.label(shot(1), "bad", " =swell\n") == "" and one.revealed(shot(1))["label"] == "bad"
    assert len(rows_of(session.labels)) == 1 and session.added == 1
    for label, note in (("bad", "other"), ("good", "other"), ("bad", "other")):
        session.label(shot(1), label, note)
    assert [row["label"] for row in rows_of(session.labels)] == ["bad", "bad", "good", "bad"]
    # A second look is a judgement of its own, even if it says the same.
    order = [(shot(1), "second look")]
    looking = Session(survey, session.labels, "anna", order, {shot(1): time.time()})
    for _ in range(2):
        looking.label(shot(1), "bad", "other", known="bad")
    assert len(rows_of(session.labels)) == 5


def test_another_window_loses_nothing_and_is_told(session):
    other = again(session)
    session.label(shot(1), "good")
    assert other.coming(1) == [shot(3)]
    assert "was judged good in another window in the meantime; now bad counts" in other.label(shot(1), "bad")
    assert other.label(shot(1), "bad") == "" and session.revealed(shot(1))["label"] == "bad"
    for _ in range(3):
        session.take_back("")
    assert "was taken back in another window" in other.label(shot(1), "good", known="bad")


def test_a_label_that_gets_in_between_is_seen(session, monkeypatch):
    session.label(shot(1), "good")

    def overtaken(path, judgements):
        append(path, [Judgement(shot(3), "bad", "anna")])
        return append(path, judgements)

    with monkeypatch.context() as patched:
        patched.setattr("glowseis.labelling.session.append", overtaken)
        session.label(shot(5), "good")
    assert session.coming(1) == [shot(7)] and session.progress()["counts"]["bad"] == 1


def test_two_windows_and_two_judges_at_once_lose_nothing(session, survey):
    order = along_lines(survey)
    sessions = [session, again(session), Session(survey, session.labels, "bert", order)]

    def work(one):
        for gather_id, _ in order:
            one.label(gather_id, "bad", f"from {id(one)}")
            one.mark(gather_id, 1, 2, "dead")

    threads = [threading.Thread(target=work, args=(one,)) for one in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows_of(session.labels)) == len(rows_of(session.marks)) == 3 * COUNT
    for one in sessions:
        assert one.coming(1) == [] and one.progress()["counts"]["bad"] == COUNT


def test_marks_are_kept_beside_and_taken_back_first(session):
    session.label(shot(1), "good")
    session.mark(shot(3), 2, 4, "dead")
    session.mark(shot(3), 6, 9, "noisy")
    assert [(mark.first_trace, mark.kind) for mark in again(session).marked(shot(3))] == [(2, "dead"), (6, "noisy")]
    assert session.marks == session.labels.parent / "traces" / "anna.csv"
    assert [(row["first_channel"], row["last_channel"]) for row in rows_of(session.marks)] == [("2", "4"), ("6", "9")]
    assert session.take_back(shot(3)).line.startswith("noisy, traces 6 to 9")
    assert session.take_back(shot(3)).line.startswith("dead, traces 2 to 4")
    assert session.marked(shot(3)) == [] and session.take_back(shot(3)).gather_id == shot(1)
    with pytest.raises(InputError, match="has 24 traces; there is no trace 25"):
        session.mark(shot(3), 2, 25, "dead")
    with pytest.raises(InputError, match="no gather 'x'"):
        session.mark("x", 2, 3, "dead")


def test_a_full_disk_leaves_the_file_as_it_was_and_the_gather_to_be_judged(session, monkeypatch):
    session.label(shot(1), "good")
    before = session.labels.read_bytes()

    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("glowseis.survey.labels.adding._write", full)
        for act in (lambda: session.label(shot(3), "bad"), lambda: session.take_back("")):
            with pytest.raises(OSError, match="No space"):
                act()
    assert session.labels.read_bytes() == before and session.coming(1) == [shot(3)]
    session.label(shot(3), "bad")
    assert session.coming(1) == [shot(5)] and session.added == 2


@pytest.mark.parametrize("wrong", ["gather", "label"])
def test_what_cannot_be_judged_is_refused(session, wrong):
    with pytest.raises(InputError, match="no gather 'x'" if wrong == "gather" else "label 'worse': choose one of good"):
        session.label(*(("x", "bad") if wrong == "gather" else (shot(1), "worse")))
    assert not session.labels.exists()


def test_a_survey_made_anew_meanwhile_gets_no_label(survey, tmp_path):
    path = tmp_path / "copy"
    shutil.copytree(survey.path, path)
    session = begin(path, None, "anna", None, "line")
    session.label(shot(1), "good")
    shutil.rmtree(path)
    random_survey(path, COUNT, labels=("bad", ""))
    for _ in range(2):
        with pytest.raises(InputError, match="was rebuilt since this page was opened, so nothing is added to"):
            session.label(shot(3), "good")
    assert session.labels == labels_beside(path, "anna") and len(rows_of(session.labels)) == 1
    later = begin(path, None, "anna", None, "line")
    assert "was rebuilt since labels were last added" in later.warning
    later.label(shot(3), "good")
    assert not begin(path, None, "anna", None, "line").warning
    session.labels.write_text("gather_id,label,judge\nother-1,good,anna\n")
    with pytest.raises(InputError, match="is for another survey"):
        begin(path, None, "anna", None, "line")


def test_a_file_that_was_spoilt_meanwhile_is_told_and_not_added_to(session):
    session.label(shot(1), "good")
    session.labels.write_text("gather_id,label,judge\n" + f"{shot(1)},worse,anna\n")
    before = session.labels.read_bytes()
    for _ in range(2):
        with pytest.raises(InputError, match="label 'worse' is none of the survey's classes"):
            session.label(shot(3), "good")
    assert session.labels.read_bytes() == before


def test_pace_leaves_breaks_out(session):
    session.labels.parent.mkdir()
    times = ("14:00:00", "14:00:06", "14:00:18", "15:00:00", "15:00:06")
    rows = [f"{shot(number)},good,anna,2026-11-27T{time}Z," for number, time in enumerate(times)]
    session.labels.write_text("\n".join(["gather_id,label,judge,time,note", *rows]) + "\n")
    assert again(session).progress()["minutes_per_hundred"] == pytest.approx(8 / 60 * 100)


def test_orders(survey, tmp_path):
    drawn, stored = at_random(survey), along_lines(survey)
    assert drawn == at_random(survey) and sorted(one for one, _ in drawn) == sorted(one for one, _ in stored)
    assert {one for one, _ in drawn[:4]} == {shot(number) for number in (1, 3, 5, 7)}
    for content, message in (
        ("gather_id\n", "names no recorded gather"),
        (f"gather_id\n{shot(1)}\nx\n", "row 3: .*no gather 'x'"),
        ("shot\n1\n", "has no column gather_id"),
    ):
        (tmp_path / "next.csv").write_text(content)
        with pytest.raises(InputError, match=message):
            from_file(survey, tmp_path / "next.csv")


def test_beginning_is_refused_in_a_line(survey, tmp_path):
    (tmp_path / "line.segy").write_bytes(b"")
    (tmp_path / "own.json").write_text('{"vessel": "Amalie"}')
    (tmp_path / "nameless.csv").write_text(f"gather_id,label,judge\n{shot(1)},bad,\n")
    (tmp_path / "ranges.csv").write_text("line,first shot,last shot,label,judge\n3,1,2,bad,anna\n")
    for words, message in (
        (
            (tmp_path / "line.segy", None, "anna", None, "line"),
            "with glowseis ingest .* --out surveys/line$",
        ),
        ((survey.path, None, "anna", None, "best"), "--next best: choose line or random"),
        ((survey.path, None, "majority", None, "line"), "stands for most judges"),
        ((survey.path, tmp_path / "ranges.csv", "anna", None, "line"), "has no column gather_id"),
        ((tmp_path / "nowhere", None, "anna", None, "line"), "no such survey"),
        (
            (survey.path, tmp_path / "own.csv", "anna", None, "line"),
            "own.json: the survey.s checksum is to be kept in this file",
        ),
        ((survey.path, tmp_path / "labels.json", "anna", None, "line"), "labels can only be added to a CSV file"),
        ((survey.path, tmp_path / "nameless.csv", "anna", None, "line"), "row 2: its judge is empty"),
    ):
        with pytest.raises(InputError, match=message):
            begin(*words)


def test_names_of_judges_become_names_of_files(survey):
    folder = survey.path.parent / "survey-labels"
    assert labels_beside(survey.path, "Anna B./x") == folder / "Anna-B.-x.csv"
    assert labels_beside(survey.path, "..") == folder / "judge.csv"


def test_the_end_says_what_was_done(session):
    assert summary_line(session) == f"0 gathers labelled in this session, 0 of {COUNT} in all"
    session.label(shot(1), "bad")
    assert summary_line(session) == (
        f"1 gather labelled in this session, 1 of {COUNT} in all (bad 1); labels: {session.labels}"
    )
    # Marks that cannot be read keep nobody from labelling.
    session.marks.parent.mkdir()
    session.marks.write_text("gather_id\n")
    session.label(shot(3), "bad")
    assert summary_line(session).startswith("2 gathers labelled in this session")
    session.labels.write_text("damaged\n")
    with pytest.raises(InputError, match=r"anna\.csv: .* \(2 gathers labelled in this session\)$"):
        summary_line(session)
