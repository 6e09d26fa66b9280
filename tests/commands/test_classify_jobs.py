"""Grading by several processes: the table is the one that a single process makes."""

import json
import shutil

import numpy as np
import pytest

from glowseis.export.classifier import SavedClassifier
from glowseis.run import grading_apart
from glowseis.run.grading_apart import grade_share, others_beside
from glowseis.run.kept_grades import KeptGrades
from glowseis.survey.formats.segy import write_segy
from glowseis.survey.ingestion.request import Request
from tests.support.grades import assert_same_grades
from tests.support.random_gathers import random_recording


@pytest.fixture
def there(graded, tmp_path, monkeypatch):
    """A folder with three files of SEG-Y, of 2, 3 and 4 gathers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for number, name in enumerate("abc"):
        shots = [random_recording(10 * number + shot, 30, 20, line=number) for shot in range(2 + number)]
        write_segy(tmp_path / f"in/{name}.segy", shots)
    return graded.folder / "grader/1"


def shares(savedmodel, surveys, sources, of, own):
    """Grade all shares here, and count the grades of each."""
    found = []
    for number in range(of):
        kept = own.with_name(f"{own.name}.{number}")
        grade_share(number, of, kept, savedmodel, surveys, Request(sources, fit=""), 4, None)
        found.append(KeptGrades(kept).begun)
    return found


@pytest.mark.slow
def test_whole_files_are_shared_if_there_are_enough_and_else_gathers(there, graded, tmp_path):
    files = [tmp_path / f"in/{name}.segy" for name in "abc"]
    assert shares(there, [], files, 3, tmp_path / "files.kept") == [2, 3, 4]
    assert shares(there, [], [tmp_path / "in"], 2, tmp_path / "two.kept") == [2 + 4, 3]
    assert shares(there, [], files[2:], 3, tmp_path / "one.kept") == [2, 1, 1]
    assert shares(there, [graded.survey.path], [], 2, tmp_path / "survey.kept") == [19, 18]


def test_grades_of_others_are_found_beside_any_name(tmp_path):
    own = tmp_path / "grades[1].csv.kept"
    others = [tmp_path / f"{own.name}.{number}" for number in range(2)]
    for other in (own, *others, tmp_path / "grades1.csv.kept.0"):
        other.touch()
    assert others_beside(own) == others


@pytest.fixture
def by_shares(monkeypatch):
    """In place of processes, their work in this one."""

    class Done:
        def is_alive(self):
            return False

    def started(work, share, *words):
        grade_share(*share[:2], *words)
        return Done()

    monkeypatch.setattr(grading_apart, "started", started)
    monkeypatch.setattr(grading_apart, "end", lambda workers: None)


@pytest.mark.slow
@pytest.mark.usefixtures("by_shares")
@pytest.mark.parametrize("jobs", [2, 5])
def test_the_table_is_that_of_one_process(there, graded, tmp_path, command, monkeypatch, jobs):
    monkeypatch.setattr(SavedClassifier, "fractions", lambda self: np.full(3, 1 / 3))
    words = ("classify", there, graded.survey.path, "in", "--prior", "1,2,4")
    assert command(*words, "--out", "one.csv").status == 0
    looks, look = [], SavedClassifier.look
    apart, collected = grading_apart.grade_apart, []

    def watched(*given):
        apart(*given)
        collected.append(len(looks))

    monkeypatch.setattr(SavedClassifier, "look", lambda self, images: (looks.append(1), look(self, images))[1])
    monkeypatch.setattr("glowseis.run.graded_lines.grade_apart", watched)
    done = command(*words, "--jobs", jobs, "--out", "many.csv")
    assert done.status == 0 and "continued" not in done.out
    assert_same_grades(tmp_path / "many.csv", tmp_path / "one.csv")
    assert len(looks) == collected[0] > 0  # the collecting process grades nothing
    assert not list(tmp_path.glob(".many*"))


@pytest.mark.slow
@pytest.mark.usefixtures("by_shares")
def test_a_file_that_cannot_be_read_is_told_once(there, tmp_path, command):
    (tmp_path / "in/b.segy").write_bytes(b"no")
    refused = command("classify", there, "in", "--jobs", 2, "--out", "x.csv")
    assert (refused.status, len(refused.error)) == (2, 1) and "in/b.segy" in refused.error[0]
    left = command("classify", there, "in", "--jobs", 2, "--keep-going", "--out", "x.csv")
    assert left.status == 1 and "in/b.segy: left out" in left.error[-1]
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 1 + 6


@pytest.mark.slow
@pytest.mark.usefixtures("by_shares")
def test_an_option_for_some_formats_does_not_keep_files_of_others_from_processes(there, tmp_path, command, monkeypatch):
    np.save(tmp_path / "in/d.npy", np.random.default_rng(1).normal(size=(2, 30, 20)).astype(np.float32))
    shares, apart = [], grading_apart.grade_apart

    def watched(jobs, own, *given):
        apart(jobs, own, *given)
        shares.append([KeptGrades(path).begun for path in others_beside(own)])

    monkeypatch.setattr("glowseis.run.graded_lines.grade_apart", watched)
    words = ("--axes", "gather,time,trace", "--sample-interval", 8, "--jobs", 2)
    done = command("classify", there, "in", *words, "--out", "x.csv")
    assert done.status == 0, done.error
    assert shares == [[2 + 4, 3 + 2]]


@pytest.mark.slow
@pytest.mark.usefixtures("by_shares")
@pytest.mark.parametrize("prefix", ["", "in-"])
def test_training_gathers_are_known_by_the_ids_that_they_have_among_all_files(there, tmp_path, command, prefix):
    (tmp_path / "other").mkdir()
    write_segy(tmp_path / "other/a.segy", [random_recording(50, 30, 20, line=9)])
    known = tmp_path / "known/1"
    shutil.copytree(there, known)
    record = known / "assets.extra/glowseis.json"
    about = json.loads(record.read_text())
    # A process that reads a file alone calls its gathers otherwise.
    record.write_text(json.dumps(about | {"training_ids": [f"{prefix}a-line0-shot{shot}-cable2" for shot in (0, 1)]}))
    words = ("classify", known, "in", "other")
    one, two = (command(*words, "--jobs", jobs, "--out", f"{jobs}.csv") for jobs in (1, 2))
    assert one.status == 0 and two.out == one.out.replace("1.csv", "2.csv")
    assert ("2 gathers trained known/1" in one.out) == bool(prefix)


def test_two_ways_of_sharing_are_refused_before_tensorflow_is_loaded(there, tmp_path, command, monkeypatch):
    monkeypatch.setattr("glowseis.command.import_tensorflow", lambda: pytest.fail("loaded"))
    refused = command("classify", there, "in", "--jobs", 2, "--scheduler", "tcp://127.0.0.1:1", "--out", "x.csv")
    assert (refused.status, len(refused.error)) == (2, 1) and "pass only one of them" in refused.error[0]


@pytest.mark.slow
@pytest.mark.usefixtures("by_shares")
@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_what_processes_kept_is_not_graded_again(there, tmp_path, command, monkeypatch, jobs):
    def interrupted(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("glowseis.run.graded_lines._states", interrupted)
        stopped = command("classify", there, "in", "--jobs", 3, "--out", "x.csv")
    assert stopped.status == 75 and len(others_beside(tmp_path / ".x.csv.writing/x.csv.kept")) == 3
    monkeypatch.setattr(SavedClassifier, "look", lambda *given: pytest.fail("graded again"))
    done = command("classify", there, "in", "--jobs", jobs, "--out", "x.csv")
    assert done.status == 0 and "continued after 9 gathers graded before" in done.out


@pytest.mark.slow
def test_processes_grade_and_one_that_dies_is_made_up_for(there, tmp_path, command, monkeypatch):
    assert command("classify", there, "in", "--out", "one.csv").status == 0
    started, given = grading_apart.started, []

    def one_dies(work, share, *words):
        given.append(started(work, share, *words))
        if share[0] == 1:
            given[-1].kill()
        return given[-1]

    monkeypatch.setattr(grading_apart, "started", one_dies)
    done = command("classify", there, "in", "--jobs", 2, "--out", "many.csv")
    assert done.status == 0, done.error
    assert [process.exitcode for process in given] == [0, -9]
    assert_same_grades(tmp_path / "many.csv", tmp_path / "one.csv")
