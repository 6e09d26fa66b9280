"""The page of a study of independent surveys, from outcomes alone and with the test survey at hand."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from eval.report.missed import SHOWN, STRETCHED
from eval.report.worth_page import _gain, write_page
from eval.results.replicated import collect
from eval.results.statistics import paired_test
from eval.study.missed import RareGrades, grades_path, write_grades
from eval.study.names import ARMS
from eval.study.outcome import write_outcome
from eval.study.replicates import digest_of
from glowseis.errors import InputError
from tests.support.browser import contrast, needs_chromium, rendered
from tests.support.page_reader import PageReader
from tests.support.replicated_outcomes import outcome
from tests.support.small_replicates import replicated_recipe
from tests.support.small_study import small_survey

SCARCITY = "study.replicates.scarcity={rare=[5,10],arms=['oversampling','low-band'],surveys=2}"
F1_BAD = {
    "weather1-rare6": {"oversampling": [10, 12, 9], "low-band": [60, 63, 61], "flow": [20, 21, 25]},
    "weather0-all": {"oversampling": [80, 81], "low-band": [79, 82], "flow": [70, 71]},
    "weather1-rare5": {"oversampling": [5, 6], "low-band": [7, 8]},
    "weather1-rare10": {"oversampling": [10, 11], "low-band": [70, 71]},
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A recipe and its outcomes, in the working folder; returns a function that makes the page."""
    monkeypatch.chdir(tmp_path)
    recipe = replicated_recipe(tmp_path, SCARCITY, "study.arms=['oversampling','low-band','flow']")
    digest = digest_of(recipe)
    for kind, arms in F1_BAD.items():
        for arm, values in arms.items():
            for number, f1 in enumerate(values):
                write_outcome(tmp_path / "outcomes", outcome(arm, number, f1, digest, kind))

    def made():
        path = write_page(collect(tmp_path / "outcomes", recipe, digest), recipe, tmp_path, digest)
        text = path.read_text(encoding="utf-8")
        return text, PageReader(text)

    return made, digest, tmp_path


def test_page_of_what_is_finished(study):
    text, page = study[0]()
    assert "raises F1 of bad by 51.0 points over random oversampling (95 % interval" in page.text
    # The sentence comes first, the chart second, all else later.
    assert text.index('class="first"') < text.index("<svg") < text.index("<nav")
    assert "Not finished yet: weather1-all: random oversampling 0 of 3" in page.text
    assert "weather0-all: random oversampling 2 of 3, noise moved to other gathers 2 of 3, flow in" in page.text
    assert len(page.all("svg")) == 3 and all(len(one["aria-label"]) > 20 for one in page.all("svg"))
    worth = page.tables["worth"][1:]
    assert worth[0][:3] == [
        "6 bad gathers, on the few lines with bad weather",
        ARMS["flow"].title,
        "more than repeats alone",
    ]
    assert worth[1][2:] == ["nothing shown", "-10.0 [-10.0, -10.0]", worth[1][4], ARMS["oversampling"].title]
    assert page.tables["scarcity"][1][:4] == [ARMS["low-band"].title, "5", "7.5", "7"]
    assert page.tables["scarcity"][2][3] == "more than 10" and page.tables["scarcity"][2][5] == "more than 1.0"
    assert page.tables["harm"][-1][1:3] == ["bad", "no harm on average; more is possible"]
    assert [row[2] for row in page.tables["against"][1:3]] == ["+51.0", "+39.3"]
    assert len(page.tables["means"]) == 1 + 3 + 3 + 2 + 2
    assert "The test survey is not here" in page.text and not page.all("img")
    assert "Failed, and left out" not in page.text


@pytest.mark.parametrize(
    ("rival", "other", "said"),
    [(True, True, "more"), (True, False, "more than repeats alone"), (False, False, "nothing shown"),
     (False, True, "more than the best way without, not surely than repeats")],
)  # fmt: skip
def test_what_a_flow_is_worth_in_words(rival, other, said):
    tests = [paired_test([5.0, 6.0, 5.5] if sure else [30.0, -20.0, 5.0]) for sure in (rival, other)]
    assert _gain(*tests) == said


def test_failures_are_named(study):
    made, digest, folder = study
    failed = outcome("low-band", 2, 0, digest, "weather0-all")
    write_outcome(folder / "outcomes", failed.model_copy(update={"independent": None, "error": "out of <memory>"}))
    assert "Failed, and left out: weather0-all survey 2 low-band." in made()[1].text


def graded(study, missed_by, wrong=None):
    """Grades of the test survey's bad gathers: those at places in `missed_by[arm]` are missed in every survey."""
    _, digest, folder = study
    survey = small_survey(folder / "surveys/replicated-independent", (6, 6, 9), (64, 48))
    ids = survey.index["gather_id"].to_numpy()[survey.select(labels=["bad"])].tolist()
    for arm, places in missed_by.items():
        for number in range(3):
            missed = np.isin(np.arange(9), places)
            probabilities = np.where(missed[:, None], [0.6, 0.3 - 0.01 * number, 0.1], [0.05, 0.05, 0.9])
            grades = RareGrades(
                study=digest, survey=wrong or survey.checksum, ids=ids, probabilities=probabilities.tolist(), rare=2
            )
            write_grades(grades_path(folder, "weather1-rare6", number, arm), grades)
    return survey, ids


@pytest.mark.slow
def test_missed_gathers_are_drawn(study):
    survey, ids = graded(study, {"oversampling": list(range(8)), "low-band": [4]})
    _, page = study[0]()
    shown = page.all("img")
    assert len(shown) == SHOWN + 1
    assert "random oversampling: 88.9 % of 9 bad gathers missed, mean of 3 surveys; 8 of them in every" in page.text
    assert "noise moved to other gathers: 11.1 % of 9 bad gathers missed" in page.text
    assert shown[-1]["alt"].startswith(f"{ids[4]}: missed in 3 of 3, mean probability 0.10")
    picture = Image.open(io.BytesIO(base64.b64decode(shown[-1]["src"].split(",")[1]))).convert("L")
    wanted = np.clip(128 + STRETCHED * (survey.read(ids[4]).image.astype(int) - 128), 0, 255)
    assert np.abs(np.asarray(picture).astype(int) - wanted).mean() < 4


def test_grades_of_another_test_survey_are_not_drawn(study):
    graded(study, {"low-band": [4]}, wrong="0" * 64)
    _, page = study[0]()
    assert not page.all("img") and "No grades of single gathers of this test survey" in page.text


def test_damaged_grades(study):
    graded(study, {"low-band": [4]})
    path = grades_path(study[2], "weather1-rare6", 0, "low-band")
    path.write_text("{}")
    with pytest.raises(InputError, match=r"is damaged .*; remove it"):
        study[0]()


@needs_chromium
@pytest.mark.slow
def test_phone_need_not_scroll_sideways(study):
    graded(study, {"oversampling": list(range(8)), "low-band": [4]})
    phone = rendered(study[2], study[0]()[0], 390, dark=True)
    assert phone.width == 390 and phone.scrolled == 390 and phone.boxes == 0
    assert phone.images and all(40 < width <= 390 for width in phone.figures)
    assert min(contrast(colour, phone.paper) for colour in phone.colours) >= 4.5
