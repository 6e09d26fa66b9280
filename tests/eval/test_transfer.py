"""eval.transfer: what it makes, what it keeps, what it says; not what it finds."""

import json
import typing

import numpy as np
import pandas as pd
import pytest

from eval import transfer
from eval.results.transfer_table import compare, table
from eval.transfer import LINES_APART, judging_surveys, measure, trained_acquisitions
from glowseis.errors import InputError
from glowseis.recipe import SurveySection
from glowseis.survey.simulate import PAPER_FRACTIONS, Acquisition, acquisitions
from tests.support.commands import CHECKOUT

pytestmark = pytest.mark.usefixtures("eager_fitting", "one_core")
LABELS = ("good", "medium", "bad")
FRACTIONS = (60.0, 30.0, 10.0)


def judged(right, gathers=300, seed=0):
    """Gathers of which a share of each class is graded rightly, the others one class off."""
    random = np.random.default_rng(seed)
    classes = np.arange(gathers) % 3
    wrong = random.random(gathers) > np.asarray(right)[classes]
    grades = np.where(wrong, np.where(classes == 1, 2, 1), classes)
    return {
        "probabilities": np.eye(3)[grades] * 0.8 + 0.1,
        "classes": classes,
        "lines": random.integers(1, 13, gathers),
    }


def test_figures_are_weighted_and_compared():
    result = compare({"seen": judged([1, 1, 1]), "unseen": judged([0.99, 0.9, 0.7], 3000)}, LABELS, FRACTIONS)
    rows = {row["label"]: row for row in result["rows"]}
    assert all(rows[label]["seen"] == 100 for label in LABELS)
    for number, label in enumerate(LABELS):
        row = rows[label]
        assert row["unseen"] == pytest.approx(100 * result["parts"]["unseen"]["scores"]["f1"][number])
        assert row["difference"] == pytest.approx(row["unseen"] - 100)
        assert row["unseen_low"] < row["unseen"] < row["unseen_high"]
        assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert [row["allowed"] for row in result["rows"]] == [-3, -3, -10]
    assert [row["holds"] for row in result["rows"]] == [True, False, False]
    # By hand, with shares of 0.6, 0.3 and 0.1: a tenth of medium is graded bad, a third of bad medium.
    share = np.array([[0.6 * 0.99, 0.6 * 0.01, 0], [0, 0.27, 0.03], [0, 0.03, 0.07]])
    wanted = 200 * np.diag(share) / (share.sum(axis=0) + share.sum(axis=1))
    np.testing.assert_allclose([rows[label]["unseen"] for label in LABELS], wanted, atol=3)
    again = compare({"seen": judged([1, 1, 1]), "unseen": judged([0.99, 0.9, 0.7], 3000)}, LABELS, FRACTIONS)
    assert again == result


def test_an_interval_is_as_wide_as_lines_differ():
    """Where whole lines go wrong, lines and not gathers say how much is known."""
    alike = judged([0.9, 0.9, 0.9], 1200)
    by_line = {**alike, "probabilities": np.eye(3)[alike["classes"]] * 0.8 + 0.1}
    lost = alike["lines"] == 1
    by_line["probabilities"][lost] = np.eye(3)[(alike["classes"][lost] + 1) % 3] * 0.8 + 0.1
    rows = [compare({"seen": one, "unseen": one}, LABELS, FRACTIONS)["rows"][0] for one in (alike, by_line)]
    narrow, wide = (row["seen_high"] - row["seen_low"] for row in rows)
    assert wide > 1.5 * narrow and all(row["difference"] == 0 and row["holds"] for row in rows)


def test_the_table():
    result = compare({"seen": judged([1, 1, 1]), "unseen": judged([1, 0.9, 0.7])}, LABELS, FRACTIONS)
    sections = judging_surveys(SurveySection(acquisitions=5), 300, 7)
    shown = table(
        {
            "classifier": "robust/1",
            "simulator": "9.9",
            "commit": None,
            "surveys": {part: section.model_dump() for part, section in sections.items()},
            **result,
        }
    )
    lines = shown.splitlines()
    assert lines[0].startswith("seen    5 acquisitions from number 1: 100 good, 100 medium, 100 bad, on 12 sail lines")
    assert lines[1].startswith("unseen  7 acquisitions from number 1001")
    assert lines[-2].startswith("bad") and lines[-2].endswith("-10  missed") and "(100.0, 100.0)" in lines[-2]
    assert lines[-1] == "robust/1, simulator 9.9, commit unknown"


def test_surveys_that_judge():
    sections = judging_surveys(SurveySection(acquisitions=40, seed=3, size="64x48", weather=0.5), 500, 20)
    seen, unseen = sections["seen"], sections["unseen"]
    assert (seen.acquisitions, seen.first_acquisition) == (40, 1)
    assert (unseen.acquisitions, unseen.first_acquisition) == (20, 1001)
    assert len({3, seen.seed, unseen.seed}) == 3
    for one in (seen, unseen):
        assert (one.count, one.size, one.weather, one.fractions) == (500, "64x48", 0.5, [40.0, 30.0, 30.0])
    # The paper's one acquisition is none of those drawn.
    assert judging_surveys(SurveySection(), 500, 20)["seen"].acquisitions == 0
    with pytest.raises(
        InputError, match=r"first_acquisition = 900 and survey.acquisitions = 200: acquisitions from 1001"
    ):
        judging_surveys(SurveySection(acquisitions=200, first_acquisition=900), 500, 20)


def test_ids_tell_which_acquisitions_were_trained_on():
    survey = SurveySection(acquisitions=5, first_acquisition=3)
    assert trained_acquisitions(["sim1-a7-000004", "sim2-a12-000000", "line1-shot2"], survey, "one/1") == {7, 12}
    # Older ones do not name it: every n-th gather is of one.
    assert trained_acquisitions(["sim1-000000", "sim1-000004", "sim1-000009"], survey, "one/1") == {3, 7}
    assert trained_acquisitions(["sim1-000007"], SurveySection(), "one/1") == {0}
    for ids in ([], ["line1-shot2"]):
        with pytest.raises(InputError, match="one/1: does not say which simulated gathers it was trained on"):
            trained_acquisitions(ids, survey, "one/1")


def test_lines_tell_acquisitions():
    for one in (Acquisition.of_size(64, 48), *acquisitions(64, 48, 7, 994), *acquisitions(64, 48, 1, 5)):
        lines = {one.position(index, 1).sail_line for index in range(min(one.gathers, 3000))}
        assert {line // LINES_APART for line in lines} == {one.number}


@pytest.mark.parametrize("trained", [[1, 2, 4], [1, 2, 3, 4]])
def test_acquisitions_that_were_held_back_are_not_seen(trained, tmp_path, monkeypatch):
    """They are graded, and wrongly all of them; scored they are not."""

    def graded(classifier, survey, file):
        one = judged([1, 1, 1])
        number = np.arange(len(one["classes"])) // 3 % 4 + 1
        lost = (number == 3) & (file.stem == "seen")
        one["probabilities"][lost] = np.eye(3)[(one["classes"][lost] + 1) % 3] * 0.8 + 0.1
        return {**one, "lines": 1000 * (number + 1000 * (file.stem == "unseen")) + 1}

    class Classifier:
        about: typing.ClassVar = {"training_ids": [f"sim1-a{number}-000000" for number in trained]}
        name, labels = "one/1", LABELS
        assumed = np.array(PAPER_FRACTIONS) / np.sum(PAPER_FRACTIONS)

        def fractions(self):
            return self.assumed

    monkeypatch.setattr(transfer, "graded", graded)
    monkeypatch.setattr("glowseis.run.own_survey.own_survey", lambda section, folder: None)
    result = measure(Classifier(), SurveySection(acquisitions=4), tmp_path, 300, 4)
    seen, unseen = result["parts"]["seen"], result["parts"]["unseen"]
    assert sum(unseen["gathers"].values()) == 300 and unseen["acquisitions"] == 4
    assert sum(seen["gathers"].values()) == 75 * len(trained) and seen["acquisitions"] == len(trained)
    assert all((row["seen"] == 100) == (len(trained) == 3) for row in result["rows"])
    of = "3 of 4" if len(trained) == 3 else "4"
    # Surely bad by fractions of a third each is most likely good where two in a hundred are bad.
    Classifier.assumed = np.ones(3) / 3
    even = measure(Classifier(), SurveySection(acquisitions=4), tmp_path, 300, 4)
    assert [row["unseen"] for row in even["rows"]][2] == 0 and result["rows"][2]["unseen"] == 100
    assert table(result).startswith(f"seen    {of} acquisitions from number 1: {25 * len(trained)} good")


RECIPE = """
name = "tiny"
[survey]
count = 60
size = "48x32"
fractions = [40, 30, 30]
acquisitions = 3
[data]
test = 0.0
validation = 0.0
augment = ["polarity", "zero_level"]
[classifier]
alpha = 1
[training]
epochs = 1
batch = 16
"""


@pytest.mark.slow
def test_the_command_trains_grades_and_keeps(tmp_path, monkeypatch, command):
    def run(*words):
        return command("eval.transfer", *words)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(RECIPE)
    first = run("tiny.toml", "--count", 30, "--unseen", 4)
    assert first.status == 0, first.error
    folder = tmp_path / "transfers/tiny"
    result = json.loads((folder / "transfer.json").read_text())
    assert [row["label"] for row in result["rows"]] == list(LABELS)
    assert result["surveys"]["unseen"]["acquisitions"] == 4 and result["training"]["acquisitions"] == 3
    assert sum(result["parts"]["seen"]["gathers"].values()) == 30
    assert len(pd.read_csv(folder / "seen.csv")) == len(pd.read_csv(folder / "unseen.csv")) == 30
    assert list(pd.read_csv(folder / "transfer.csv")["label"]) == list(LABELS)
    assert (folder / "transfer.txt").read_text().strip() in first.out

    before = {
        path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix in (".csv", ".pb", ".tfrecord")
    }
    (folder / "transfer.csv").unlink()
    # Stopped after the table of grades, before its record.
    (folder / "unseen.json").unlink()
    again = run("tiny.toml", "--count", 30, "--unseen", 4)
    assert again.status == 0 and "this run is done" in again.out
    assert json.loads((folder / "transfer.json").read_text())["rows"] == result["rows"]
    kept = [path for path in before if path.exists() and path.stat().st_mtime_ns == before[path]]
    assert {path.name for path in set(before) - set(kept)} == {"unseen.csv", "transfer.csv"}

    other = run("tiny.toml", "--count", 31, "--unseen", 4)
    assert other.status == 2 and "not the survey that the recipe describes" in other.error[0]
    other = run("tiny.toml", "--count", 30, "--set", "training.epochs=2")
    assert other.status == 2 and "holds a run of another recipe (training.epochs was 1, now 2)" in other.error[0]

    trained = run("--model", folder / "savedmodels/tiny", "--count", 30, "--unseen", 4)
    assert trained.status == 0, trained.error
    assert json.loads((tmp_path / "transfers/tiny-1/transfer.json").read_text())["rows"] == result["rows"]
    mixed = tmp_path / "transfers/tiny-1/seen.json"
    mixed.write_text(json.dumps({**json.loads(mixed.read_text()), "classifier": "another"}))
    refused = run("--model", folder / "savedmodels/tiny", "--count", 30, "--unseen", 4)
    assert refused.status == 2 and "holds grades by another classifier" in refused.error[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((CHECKOUT / "train/demo.toml",), "is a flow's recipe; give one with a section [classifier]"),
        (("--model", "nowhere", "--set", "seed=2"), "--model brings its own recipe; leave out RECIPE and --set"),
        (("nowhere.toml",), "nowhere.toml: no such recipe"),
    ],
)
def test_what_is_refused(tmp_path, monkeypatch, capsys, words, message):
    from glowseis.command import run as command

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        command(transfer.main, [str(word) for word in words])
    assert left.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and message in error[0]
    assert not list(tmp_path.iterdir())
