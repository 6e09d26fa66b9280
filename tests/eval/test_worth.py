"""The command of a study of independent surveys."""

import re

import pandas as pd
import pytest

from tests.support.page_reader import PageReader
from tests.support.small_replicates import REPLICATED

pytestmark = pytest.mark.usefixtures("one_core")
CURVE = "study.replicates.scarcity"


@pytest.fixture
def worth(tmp_path, monkeypatch, command):
    """The command, in an empty folder with the small recipe."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "worth.toml").write_text(REPLICATED)
    return lambda *words: command("eval.worth", "worth.toml", *words)


@pytest.mark.slow
def test_surveys_are_run_once_and_compared(worth, tmp_path):
    done = worth("--setting", "weather1-rare6", "--survey", 0, "--survey", 1)
    assert done.status == 0
    assert "noise moved to other gathers against random oversampling" in done.out and "2 surveys)" in done.out
    table = pd.read_csv(tmp_path / "studies/replicated/tables/means.csv")
    assert list(table["arm"]) == ["random oversampling", "noise moved to other gathers"]
    assert list(table["surveys"]) == [2, 2] and set(table["setting"]) == {"weather1-rare6"}
    each = pd.read_csv(tmp_path / "studies/replicated/tables/each.csv")
    assert len(each) == 4 and each["f1_bad"].between(0, 100).all()
    contrasts = pd.read_csv(tmp_path / "studies/replicated/tables/contrasts.csv")
    assert len(contrasts) == 6 and set(contrasts["first"]) == {"low-band"} and set(contrasts["surveys"]) == {2}
    means = each.groupby("arm")["f1_bad"].mean()
    assert table["F1 bad"].to_numpy() == pytest.approx([means["oversampling"], means["low-band"]], abs=0.1)
    page = PageReader((tmp_path / "studies/replicated/report.html").read_text())
    assert "Not finished yet: weather1-rare6: random oversampling 2 of 3" in page.text
    # Each arm's classifiers were asked for the test survey's rare gathers, and those that they missed are drawn.
    missed = re.findall(r"\d % of (\d+) bad gathers missed, mean of 2 surveys", page.text)
    tested = pd.read_csv(tmp_path / "surveys/replicated-independent/gathers.csv")
    assert list(map(int, missed)) == [(tested["label"] == "bad").sum()] * 2
    kept = {path: path.read_bytes() for path in (tmp_path / "studies/replicated/outcomes").iterdir()}
    again = worth("--tables-only")
    assert again.status == 0 and done.out.endswith(again.out)
    assert kept == {path: path.read_bytes() for path in kept}


def test_the_curve_has_arms_and_surveys_of_its_own_and_comes_last(worth, monkeypatch):
    ran = []
    monkeypatch.setattr("eval.study.replicates.prepare_replicate", lambda *about: None)
    monkeypatch.setattr(
        "eval.running.folds.run_fold", lambda study, name, number, arms, say: ran.append((name, number, arms))
    )
    curve = f"{CURVE}={{rare=[4,6],arms=['oversampling','low-band','pixel-mixing'],surveys=2}}"
    words = ("--set", curve, "--survey", 1, "--survey", 2, "--setting", "weather1-rare4", "--setting", "weather1-rare6")
    assert "nothing of this study is finished" in worth(*words).error[0]
    both = ["oversampling", "low-band"]
    assert [(name, number, sorted(arms)) for name, number, arms in ran] == [
        ("weather1-rare6", 1, sorted([*both, "pixel-mixing"])),
        ("weather1-rare6", 2, sorted(both)),
        ("weather1-rare4", 1, sorted([*both, "pixel-mixing"])),
    ]
    ran.clear()
    worth(*words, "--arms", "low-band,none")
    assert [(name, number, sorted(arms)) for name, number, arms in ran] == [
        ("weather1-rare6", 1, ["low-band", "none"]),
        ("weather1-rare6", 2, ["low-band", "none"]),
        ("weather1-rare4", 1, ["low-band"]),
    ]


@pytest.mark.slow
def test_a_survey_with_too_few_rare_gathers_is_left_out_of_the_curve(worth):
    curve = f"{CURVE}={{rare=[6,500],arms=['oversampling','low-band'],surveys=2}}"
    words = ("--survey", 0, "--setting", "weather1-rare500", "--setting", "weather1-rare6", "--arms", "oversampling")
    done = worth("--set", curve, *words)
    assert done.status == 0, done.error
    assert "weather1-rare500 survey 0 is left out: " in done.out and "needs 500" in done.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--setting", "calm"), "--setting calm: worth.toml has weather1-rare6, weather1-all, weather0-all"),
        (("--survey", "3"), "--survey 3: worth.toml has surveys 0 to 2"),
        (("--arms", "nothing"), "no arm is called 'nothing'"),
        (("--tables-only",), "nothing of this study is finished"),
        (("--set", "study.replicates.settings=[{rare=1},{rare=1}]"), "give each only once"),
        (("--set", "study.replicates.first_seed=29"), "is one of the replicates' seeds, 29 to 31"),
        (("--set", "study.replicates.primary='nothing'"), "no arm is called 'nothing'"),
        (
            ("--set", f"{CURVE}={{rare=[10,5],arms=['oversampling','flow'],surveys=2}}"),
            "give rising numbers, each once",
        ),
        (("--set", f"{CURVE}={{rare=[5,10],arms=['flow','low-band'],surveys=2}}"), "name oversampling, with which"),
        (("--set", f"{CURVE}={{rare=[5,10],arms=['oversampling','no'],surveys=2}}"), "no arm is called 'no'"),
        (
            ("--set", f"{CURVE}={{rare=[5,10],arms=['oversampling','flow'],surveys=4}}"),
            "scarcity.surveys = 4, but count",
        ),
    ],
)
def test_bad_input(worth, words, says):
    done = worth(*words)
    assert done.status == 2 and len(done.error) == 1 and says in done.error[0]


def test_a_study_of_folds_has_no_surveys(worth, tmp_path):
    (tmp_path / "worth.toml").write_text(REPLICATED.split("[study.replicates]")[0])
    done = worth()
    assert done.status == 2 and "has no [study.replicates]; python -m eval.cv runs studies with folds" in done.error[0]


@pytest.mark.parametrize("module", ["eval.cv", "eval.curve"])
def test_surveys_have_no_folds(tmp_path, monkeypatch, command, module):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "worth.toml").write_text(REPLICATED)
    done = command(module, "worth.toml")
    assert done.status == 2 and "not of folds; run it with python -m eval.worth" in done.error[0]
