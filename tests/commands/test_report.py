"""`glowseis report`: from files or a survey to a page, and one line for whatever is wrong."""

import dataclasses
import json
import re
import shutil
import sys

import numpy as np
import pytest

import glowseis
from glowseis.attributes import maps
from glowseis.export.classifier import SavedClassifier
from glowseis.judging.combination import mean_of_windows
from glowseis.judging.decision import Decision
from glowseis.judging.gathers import Seen
from glowseis.reporting import collecting, line_report, pdf
from glowseis.reporting.rules import DEFAULTS, read_rules
from glowseis.survey import progress
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source
from tests.support.browser import needs_chromium
from tests.support.page_reader import PageReader
from tests.support.random_gathers import random_recording, random_survey, stepped_recording

SHOTS = 8
LOUD, DEAD = (3, 5), 6
"""Numbers of the shots with a loud band, and of the one without a live trace."""


class Stand(SavedClassifier):
    """A stand-in for a classifier: a window is bad if some of its traces are much louder than most."""

    def look(self, images):
        level = np.abs(images.astype(np.int64) - 128).mean(axis=1)
        loud = (level > 100).mean(axis=1)
        bad = 1 / (1 + np.exp(4 - 60 * loud))
        found = np.stack([0.9 * (1 - bad), 0.1 * (1 - bad), bad], axis=1).astype(np.float32)
        return Seen(found, np.log(found), None)


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A line of noise, its file with a name that is markup."""
    path = tmp_path_factory.mktemp("line") / "a<b>&c.segy"
    recordings = []
    for number in range(SHOTS):
        made = random_recording(number, 128, 48, line=12, cable=1)
        if number in LOUD:
            made.amplitude[:, 20:26] *= 100
        if number == DEAD:
            made.amplitude[:] = 0
        recordings.append(dataclasses.replace(made, geometry=dataclasses.replace(made.geometry, shot=1001 + number)))
    glowseis.write_gathers(path, recordings)
    return path


@pytest.fixture
def model(tmp_path, monkeypatch):
    """The folder of a model, in place of which the stand-in is loaded."""
    folder = tmp_path / "models" / "stand" / "1"
    (folder / "assets.extra").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"a model")
    (folder / "assets.extra" / "glowseis.json").write_text(json.dumps({"kind": "classifier"}))
    classifier = Stand("stand/1", ("good", "medium", "bad"), (64, 24), {}, None, mean_of_windows(3))
    monkeypatch.setattr(line_report, "load_classifier", lambda path: classifier)
    # However slow the machine is, only the test of stages hears of them.
    monkeypatch.setattr(progress, "SOON_S", 1e9)
    # Each map takes a while to draw.
    monkeypatch.setattr(maps, "NUMBERS", ("low_rms",))
    return folder.parent


@pytest.mark.slow
def test_report_of_a_line(line, model, tmp_path, command, monkeypatch):
    out, rules = tmp_path / "line.html", tmp_path / "rules.toml"
    rules.write_text("fewest_records = 8")
    # As Python sets them for `python -m glowseis report`.
    monkeypatch.setattr(sys, "argv", ["/somewhere/glowseis/__main__.py", "report", "a b.segy"])
    done = command("report", line, "--model", model, "--out", out, "--worst", 2, "--rules", rules)
    assert done.status == 0 and not done.error
    text = out.read_text(encoding="utf-8")
    page = PageReader(text)
    told = "Line 12 is not accepted: bad records 3 of 8 (37.5 %), allowed 5 %"
    assert told in page.text and told in done.out and done.out.splitlines()[-1] == f"report: {out}"
    # What was not told is said.
    assert "Not judged: ambient noise, RMS" in page.text and "the unit of the amplitudes" in page.text
    assert "It is not known whether the records are like the training data of stand/1" in page.text
    assert "1 gather left out with fewer than the 12 live traces" in page.text
    assert "Probabilities assume " not in page.text
    assert "Noise is measured before the first arrival." in page.text
    assert "Shot numbers are from the header word EnergySourcePoint (byte 17)." in page.text
    assert "<b>" not in text and "a<b>&c.segy" in page.text
    # A column a record, in the order of shots.
    titles = [line.split("</title>")[0] for line in text.split("<title>shot ")[1:]]
    assert [int(title[:4]) for title in titles] == [1001 + number for number in range(SHOTS)]
    assert [number for number, title in enumerate(titles) if ": bad; " in title] == list(LOUD)
    assert "not graded; fewer than the 12 live traces that stand/1 needs" in titles[DEAD]
    # Why: the loud traces, 21 to 26.
    most = "Traces 22 to 27 between 0.0 and 1.0 s point most strongly to bad. With traces 19 to 27 covered "
    most += "from top to bottom, the probability of bad falls from 0.97 to 0.02, and with its "
    most += "noise band covered instead it is 0.02."
    assert page.text.count(most) == 2
    rows = {row[0]: row for row in page.tables["rules"]}
    assert rows["bad records"][3:] == ["FAIL", "1004, 1006-1007"]
    assert rows["neighbouring dead channels"][3:] == ["FAIL", "1007"]
    assert rows["ambient noise, RMS"][3] == "not judged"
    assert page.tables["statistics"][1][:6] == ["line 12", "1", "8", "5 (62 %)", "0 (0 %)", "2 (25 %)"]
    assert len(page.tables["sources"][1][2]) == 64
    origin = dict(page.tables["origin"])
    assert {"command", "model's SHA-256", "tensorflow"} <= set(origin) and origin[
        "command"
    ] == "glowseis report 'a b.segy'"
    again = command("report", line, "--model", model, "--out", out)
    assert again.status == 2 and "exists already; give another --out" in again.error[0]


@pytest.mark.slow
def test_what_speaks_for_an_unsure_grade_speaks_against_the_mildest(line, model, tmp_path, command, monkeypatch):
    class Doubtful(Stand):
        """Medium rather than good."""

        def look(self, images):
            found = super().look(images).probabilities[:, [1, 0, 2]]
            return Seen(found, np.log(found), None)

    made = Doubtful("stand/1", ("good", "medium", "bad"), (64, 24), {}, None, mean_of_windows(3))
    made = dataclasses.replace(made, decision=Decision(unsure_below=1))
    monkeypatch.setattr(line_report, "load_classifier", lambda path: made)
    monkeypatch.setattr(Stand, "fractions", lambda self: np.full(3, 1 / 3))
    out = tmp_path / "line.html"
    assert command("report", line, "--model", model, "--out", out, "--worst", 1, "--prior", "10,1,1").status == 0
    text = PageReader(out.read_text(encoding="utf-8")).text
    assert re.search(r"Line 12, shot 100\d, cable 1: good 0.03, medium 0.03, bad 0.95", text)
    assert "point most strongly away from good." in text and "the probability of good rises from 0.03 to 0.52" in text


def doubtful(bad):
    """A stand-in by which, of a loud gather, bad has this probability and good nearly all the rest."""

    class Doubtful(Stand):
        def look(self, images):
            loud = super().look(images).probabilities[:, 2:] > 0.5
            found = np.where(loud, [0.9 * (1 - bad), 0.1 * (1 - bad), bad], [0.9, 0.08, 0.02])
            return Seen(found, np.log(found), None)

    return Doubtful("stand/1", ("good", "medium", "bad"), (64, 24), {}, None, mean_of_windows(3))


@pytest.mark.parametrize(("bad", "lasting"), [(0.97, 2), (0.8, 0)])
def test_the_verdict_says_how_many_grades_hang_on_how_rare_bad_records_are(
    line, model, tmp_path, command, monkeypatch, bad, lasting
):
    monkeypatch.setattr(line_report, "load_classifier", lambda path: doubtful(bad))
    out = tmp_path / "line.html"
    done = command("report", line, "--model", model, "--out", out, "--worst", 0)
    told = f"If bad records were 10 times as rare as assumed, {lasting} of the 2 would still be graded bad."
    assert told in done.out and told in PageReader(out.read_text(encoding="utf-8")).text


def test_what_rendering_mends_is_told_as_classify_tells_it(line, model, tmp_path, command):
    shifted = [
        dataclasses.replace(one, amplitude=one.amplitude + np.float32(1e3 * (number == 2)))
        for number, one in enumerate(open_source(line, ReadOptions()).gathers())
    ]
    glowseis.write_gathers(tmp_path / "shifted.segy", shifted)
    done = command("report", tmp_path / "shifted.segy", "--model", model, "--out", tmp_path / "a.html", "--worst", 0)
    assert done.status == 0, done.error
    told = next(one for one in done.out.splitlines() if "constant offset" in one)
    assert "48 in 1 gather (" in told and told in PageReader((tmp_path / "a.html").read_text()).text


def test_the_verdict_of_a_file_that_was_cut_short_says_so(line, model, tmp_path, command):
    whole = line.read_bytes()
    (tmp_path / "cut.segy").write_bytes(whole[: len(whole) - 1000])
    out = tmp_path / "cut.html"
    done = command("report", tmp_path / "cut.segy", "--model", model, "--out", out, "--worst", 0)
    assert done.status == 0, done.error
    verdict = next(one for one in done.out.splitlines() if one.startswith("Line 12 is not "))
    assert "cut.segy: cut short: trace 383 has only" in verdict and verdict in PageReader(out.read_text()).text


def test_report_of_a_survey_says_that_nothing_was_measured(model, tmp_path, command):
    random_survey(tmp_path / "survey", count=3)
    out = tmp_path / "survey.html"
    done = command("report", tmp_path / "survey", "--model", model, "--out", out, "--worst", 0)
    assert done.status == 0 and not done.error
    page = PageReader(out.read_text())
    assert "header word" not in page.text
    assert "Missing: shot numbers of 1 record; attributes (a survey holds pictures" in page.text
    assert "Line 3 is not judged: it has 3 records, 0 bad; with fewer than 20, a share says" in page.text


@pytest.mark.parametrize(
    ("words", "bad", "told"),
    [
        ([], 2, "good 50 %, medium 30 %, bad 20 % (the model's own assumption; use --prior for the fractions"),
        (["--prior", "66,31,3"], 0, "good 66 %, medium 31 %, bad 3 % (as given with --prior)"),
    ],
)
def test_grades_are_for_the_fractions_that_the_page_says_are_assumed(
    line, model, tmp_path, command, monkeypatch, words, bad, told
):
    monkeypatch.setattr(Stand, "fractions", lambda self: np.array([0.5, 0.3, 0.2]))
    monkeypatch.setattr(line_report, "load_classifier", lambda path: doubtful(0.8))
    out = tmp_path / "line.html"
    assert command("report", line, "--model", model, "--out", out, "--worst", 0, *words).status == 0
    page = PageReader(out.read_text(encoding="utf-8"))
    assert f"Probabilities assume {told}" in page.text
    assert [int(cell.split()[0]) for cell in page.tables["statistics"][1][3:6]] == [SHOTS - 1 - bad, 0, bad]


@pytest.mark.parametrize(
    ("words", "noise", "ratio_db", "leaks", "grey"),
    [
        (["--noise", "0.1-1.9", "--target", "2.2-4", "--module", "16"], 1.0, 9.5, "FAIL", 128),
        (["--noise", "2.2-4", "--target", "0.1-1.9"], 3.0, -9.5, "pass", 128),
        (["--noise", "0.1-1.9", "--target", "0.1-1.9", "--zero-level", "-2"], 5**0.5, 0.0, "pass", 160),
    ],
)
def test_windows_modules_and_zero_are_those_that_were_given(
    model, tmp_path, command, monkeypatch, words, noise, ratio_db, leaks, grey
):
    """Measures are of the windows and about the zero, and the images that are graded are about it."""
    glowseis.write_gathers(tmp_path / "a.segy", [stepped_recording(shot) for shot in range(2)])
    rules, out, look, seen = tmp_path / "rules.toml", tmp_path / "a.html", Stand.look, []
    limit = 'name = "leaks"\nattribute = "crossfeed_modules"\nmax = 0\nshare = 0.05'
    rules.write_text(f"fewest_records = 2\n[[limit]]\n{limit}\n")
    monkeypatch.setattr(Stand, "look", lambda self, images: (seen.append(images.mean()), look(self, images))[1])
    done = command(
        "report", tmp_path / "a.segy", "--model", model, "--out", out, "--worst", 0, "--rules", rules, *words
    )
    assert done.status == 0, done.error
    page = PageReader(out.read_text(encoding="utf-8"))
    found = dict(zip(*page.tables["statistics"][:2], strict=True))
    assert float(found["noise"]) == pytest.approx(noise, rel=0.06)
    assert float(found["signal to noise, dB"]) == pytest.approx(ratio_db, abs=0.4)
    assert {row[0]: row[3] for row in page.tables["rules"]}["leaks"] == leaks
    assert np.mean(seen) == pytest.approx(grey, abs=10)


def test_gathers_that_trained_the_model_are_told(line, model, tmp_path, command, monkeypatch):
    ids = [one.gather_id for one in glowseis.read_gathers(line)]
    # The dead one was not graded.
    about = {"training_ids": ids[:2], "earlier_ids": [ids[0].replace("1001", str(1001 + DEAD)), "another"]}
    own = Stand("stand/1", ("good", "medium", "bad"), (64, 24), about, None, mean_of_windows(3))
    monkeypatch.setattr(line_report, "load_classifier", lambda path: own)
    out = tmp_path / "line.html"
    done = command("report", line, "--model", model, "--out", out, "--worst", 0)
    told = f"2 of the {SHOTS} records trained stand/1 or chose its weights (same id or same image): such grades are"
    assert done.status == 0 and told in done.out
    text = PageReader(out.read_text(encoding="utf-8")).text
    assert told in text and text.index(told) < text.index("Grades along the line")


@pytest.mark.slow
def test_labels_of_a_file_are_shown_beside_grades(line, model, tmp_path, command, monkeypatch):
    rows = [f"{1001 + number},{'bad' if number in (*LOUD, 1) else 'good'},anna" for number in range(SHOTS)]
    (tmp_path / "anna.csv").write_text("\n".join(["shot,label,judge", *rows]))
    out = tmp_path / "line.html"
    done = command("report", line, "--model", model, "--out", out, "--worst", 1, "--labels", tmp_path / "anna.csv")
    assert done.status == 0, done.error
    page = PageReader(out.read_text(encoding="utf-8"))
    told = (
        f"Labels are those of anna ({tmp_path / 'anna.csv'}). Of 8 labelled records, 6 (75.0 %) are graded as they are"
    )
    assert f"{told} labelled, 1 otherwise, 1 not graded." in page.text
    assert [row[2:6] for row in page.tables["differing"][1:]] == [
        ["1002", "1", "bad", "good"],
        ["1007", "1", "good", "not graded"],
    ]
    assert "It is labelled bad." in page.text
    (tmp_path / "anna.csv").write_text("gather_id,label\nnobody,bad\n")
    words = ("report", line, "--model", model, "--out", tmp_path / "no.html", "--labels", tmp_path / "anna.csv")
    done = command(*words)
    assert done.status == 2 and "no row fits any gather: its gather ids are 'nobody'" in done.error[0]
    # Other formats tell their ids as they are read.
    np.save(tmp_path / "a.npy", random_recording(1, 128, 48).amplitude[np.newaxis])
    words = ("report", tmp_path / "a.npy", "--axes", "gather,time,trace", "--sample-interval", 4, *words[2:])
    done = command(*words)
    assert done.status == 2 and "no row fits any gather" in done.error[0] and not (tmp_path / "no.html").exists()
    assert "--judge, are for surveys" in command(*words, "--judge", "anna").error[0]


def test_labels_of_several_judges_of_a_survey_are_shown_beside_grades(model, tmp_path, command):
    survey, words = random_survey(tmp_path / "survey", count=4, labels=("",)), []
    for judge, label in (("anna", "good"), ("ben", "bad"), ("carl", "bad")):
        ids = survey.index["gather_id"][: 1 if judge == "ben" else 2]
        (tmp_path / f"{judge}.csv").write_text("\n".join(["gather_id,label", *(f"{one},{label}" for one in ids)]))
        words += ["--labels", tmp_path / f"{judge}.csv"]
    words = ["report", survey.path, "--model", model, "--worst", 0, *words, "--out"]
    done = command(*words, tmp_path / "a.html")
    assert done.status == 2 and "judges disagree about 2 gathers" in done.error[0] and "--judge" in done.error[0]
    assert command(*words, tmp_path / "a.html", "--judge", "majority").status == 0
    text = PageReader((tmp_path / "a.html").read_text(encoding="utf-8")).text
    assert "Labels are those of anna, ben and carl (" in text and "Of 1 labelled record, " in text
    assert "judges disagree about 2 of the 2 gathers" in text and "the majority decides, 1 left without a label" in text


@pytest.mark.slow
def test_every_stage_of_a_long_report_is_told(line, model, tmp_path, command, monkeypatch):
    said = []
    monkeypatch.setattr(progress, "SOON_S", 0.0)
    monkeypatch.setattr(progress, "print", lambda words, **settings: said.append(words), raising=False)
    assert command("report", line, "--model", model, "--out", tmp_path / "a.html", "--worst", 1).status == 0
    begun = [words.removesuffix(" after the start").rpartition(",")[0] for words in said if " after the st" in words]
    first = [
        "loading the classifier",
        f"reading: 0 of {SHOTS} gathers",
        "explaining: 0 of 1 gather",
        "taking checksums of the sources",
    ]
    assert begun[:5] == [*first, "drawing the page"]
    assert "drawing: 0 of 1 gather" in begun[5:] and any(one.endswith(" maps") for one in begun[5:])


def test_files_of_one_name_are_lines_of_their_own(model, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        glowseis.write_gathers(tmp_path / folder / "a.segy", [random_recording(5, 128, 48, line=0, cable=1)])
    done = command("report", "one/a.segy", "two/a.segy", "--model", model, "--out", "new.html", "--worst", 0)
    assert done.status == 0 and "No line is judged: all 2 have too few records" in done.out
    page = PageReader((tmp_path / "new.html").read_text(encoding="utf-8"))
    assert [row[0] for row in page.tables["lines"][1:]] == ["one/a.segy", "two/a.segy"]


def test_memory_holds_the_worst_gathers_alone(line, model, tmp_path, command, monkeypatch):
    most = []

    class Watched(collecting._Walk):
        def _given(self, *words):
            most.append(len(self.waiting))
            return super()._given(*words)

    monkeypatch.setattr(collecting, "_Walk", Watched)
    assert (
        command("report", line, "--model", model, "--out", tmp_path / "a.html", "--worst", 1, "--batch", 4).status == 0
    )
    # A gather has four windows, so each batch is one.
    assert len(most) == SHOTS and max(most) <= 1


@pytest.mark.slow
@needs_chromium
def test_report_is_printed(line, model, tmp_path, command):
    done = command(
        *("report", line, "--model", model, "--out", tmp_path / "a.html", "--pdf", tmp_path / "a.pdf", "--worst", 0)
    )
    assert done.status == 0, done.error
    assert (tmp_path / "a.pdf").read_bytes()[:5] == b"%PDF-" and f"printed: {tmp_path / 'a.pdf'}" in done.out


def test_page_stays_if_it_cannot_be_printed(tmp_path):
    browser = tmp_path / "browser"
    browser.write_text("#!/bin/sh\necho cannot >&2\nexit 3\n")
    browser.chmod(0o755)
    with pytest.raises(glowseis.InputError, match=r"could not print the page \(cannot\); .*a\.html is complete"):
        pdf.print_pdf(str(browser), tmp_path / "a.html", tmp_path / "a.pdf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["browser"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rules", "nowhere.toml"], "nowhere.toml: no such file of rules; glowseis report --show-rules prints"),
        (["--unit", "bar"], "--unit bar is unknown; give microbar, or leave it out"),
        (["--out", "there"], "there: exists already; give another --out or remove it"),
        (["--pdf", "there"], "there: exists already"),
        (["--pdf", "new.html"], "is given as both --out and --pdf; give them different names"),
        (["--model", "nowhere"], "nowhere: no SavedModel there"),
        (["nowhere.segy"], "nowhere.segy: "),
        (["--prior", "1,2"], "--prior 1,2: "),
        (["--target", "2"], "--target 2"),
    ],
)
def test_wrong_words_are_told_in_a_line(line, model, tmp_path, command, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").touch()
    done = command("report", line, "--model", model, "--out", "new.html", *words)
    assert done.status == 2 and len(done.error) == 1 and told in done.error[0], done.error
    assert not (tmp_path / "new.html").exists() and not list(tmp_path.glob(".new*"))


def test_no_browser_is_told_before_anything_is_read(line, model, tmp_path, command, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    done = command("report", line, "--model", model, "--out", tmp_path / "a.html", "--pdf", tmp_path / "a.pdf")
    assert done.status == 2 and "--pdf needs Chromium, and none of chromium, " in done.error[0]
    assert not (tmp_path / "a.html").exists()


def test_shown_rules_are_the_defaults(command, tmp_path):
    done = command("report", "--show-rules")
    assert done.status == 0 and done.out == DEFAULTS.read_text()
    (tmp_path / "rules.toml").write_text(done.out)
    assert read_rules(tmp_path / "rules.toml") == read_rules(None)
