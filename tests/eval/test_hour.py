"""The command of the benchmark of the hour."""

import numpy as np
import pandas as pd
import pytest

from eval.budget.arms import _scores, label_fractions
from eval.budget.buying import Bought
from eval.budget.outcome import read_point
from eval.budget.targets import Judge, Target, acquisition_numbers, make_target
from glowseis.errors import InputError
from glowseis.export.classifier import export_classifier
from glowseis.fitting.classifier.trainer import make_classifier
from glowseis.testing import perturb
from tests.support.graded_survey import LABELS, graded_survey
from tests.support.small_hour import HOUR, OWN, small_hour

pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture(scope="module")
def grader(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hour") / "grader"
    model = make_classifier(3, 1, "softmax", 5)
    perturb(model, 0.15)
    export_classifier(model, LABELS, folder / "1", {"image_shape": [24, 16, 1], "training_ids": []})
    return folder


@pytest.fixture
def hour(grader, tmp_path, monkeypatch, command):
    """The command, in an empty folder with the small recipe."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grader").symlink_to(grader)
    (tmp_path / "hour.toml").write_text(HOUR)
    (tmp_path / "own.toml").write_text(OWN)
    return lambda *words: command("eval.hour", "hour.toml", *words)


def test_probabilities_are_for_the_class_fractions_of_the_labels(tmp_path):
    """What is graded bad if bad gathers are common is not if they are rare."""
    recipe = small_hour(tmp_path)
    bought = Bought(shared="", rows=[1, 2, 3, 4, 2], labels=["good", "bad", "good", "good", "medium"], reasons=[""] * 5)
    assert label_fractions(recipe, bought).tolist() == pytest.approx([3 / 4.5, 1 / 4.5, 0.5 / 4.5])
    survey = graded_survey(tmp_path / "test", (2, 2, 2))
    even = np.eye(3)[survey.index["label"].map(LABELS.index)] * 0.6 + 0.1
    target = Target(0, 1, survey, survey)
    common = _scores(recipe, target, even, LABELS, np.array([0.3, 0.3, 0.4]))
    assert common["f1"] == pytest.approx([1, 1, 1])
    rare = _scores(recipe, target, even, LABELS, np.array([0.6, 0.38, 0.02]))
    assert rare["recall"][2] == 0 and rare["f1_for_pool"] == common["f1_for_pool"]


@pytest.mark.slow
@pytest.mark.usefixtures("eager_fitting")
def test_points_are_run_once_and_compared(hour, tmp_path):
    done = hour("--target", 0, "--arm", "ready", "--arm", "head", "--arm", "random")
    assert done.status == 0, done.error
    assert "target 0, random, 20 labels: F1 of bad" in done.out and "points left, about" in done.out
    assert "There is no verdict yet" in done.out
    folder = tmp_path / "hours/small"
    kept = {path.name: path.read_bytes() for path in (folder / "outcomes").iterdir()}
    names = ["head-0010", "head-0020", "random-0010", "random-0020", "ready-0000"]
    assert sorted(kept) == [f"00-{name}.json" for name in names]
    point = read_point(folder / "outcomes/00-random-0020.json")
    assert sum(point.labelled.values()) == 20 and set(point.seconds) == {"preparation", "training", "scoring"}
    ready = read_point(folder / "outcomes/00-ready-0000.json")
    assert ready.f1 == ready.f1_for_pool and len(point.f1_for_pool) == 3
    again = hour("--target", 0, "--arm", "ready", "--arm", "head", "--arm", "random")
    assert again.status == 0 and "F1 of bad" not in again.out.split("\n")[0]
    assert kept == {path.name: path.read_bytes() for path in (folder / "outcomes").iterdir()}
    rest = hour("--arm", "head", "--arm", "ready")
    assert rest.status == 0, rest.error
    table = pd.read_csv(folder / "tables/means.csv").set_index(["arm", "labels"])
    assert table.loc[("head", 20), "targets"] == 2 and table.loc[("random", 20), "targets"] == 1
    assert "nothing is left" in rest.out
    only = hour("--tables-only")
    assert only.status == 0 and rest.out.endswith(only.out)
    # Other settings of an arm, or of all.
    for change in ("arms.0.changes=['seed=2']", "targets.judge_spread=0.1"):
        done = hour("--set", change, "--target", 0, "--arm", "random")
        assert done.status == 2 and "was made with other settings" in done.error[0]


@pytest.mark.slow
@pytest.mark.usefixtures("eager_fitting")
def test_a_failed_arm_is_told_and_tried_again(hour, tmp_path):
    (tmp_path / "own.toml").write_text(OWN.replace("[data]", '[data]\nlabels = ["good", "dreadful"]'))
    done = hour("--target", 0, "--arm", "random", "--arm", "ready")
    assert done.status == 1 and "2 points failed, the first target 0, random, 20 labels" in done.error[0]
    assert "dreadful" in done.error[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["--arm", "luck"], "--arm luck: hour.toml has ready, random, chosen, scratch, head"),
        (["--target", 2], "--target 2: hour.toml has targets 0 to 1"),
        (["--tables-only"], "nothing is finished"),
        (["--set", "labels=['good','bad']"], "labels = ['good', 'bad'], but grader grades"),
        (["--set", "model=none"], "none"),
        (["--set", "arms.0.recipe=none.toml"], "none.toml"),
    ],
)
def test_bad_input_is_one_line(hour, words, wrong):
    done = hour(*words)
    assert done.status == 2 and len(done.error) == 1 and wrong in done.error[0]


@pytest.mark.slow
def test_targets_are_acquisitions_of_their_own_whose_records_fill_a_window(tmp_path):
    section = small_hour(tmp_path).targets
    numbers = acquisition_numbers(section, (24, 16))
    assert len(numbers) == 2 and numbers[0] >= 8001
    first, second = (make_target(section, number, numbers[number], tmp_path) for number in (0, 1))
    assert first.acquisition != second.acquisition
    for target in (first, second):
        assert not set(target.pool.index["sail_line"] // 1000) - {target.acquisition}
        assert not set(target.pool.index["gather_id"]) & set(target.test.index["gather_id"])
    with pytest.raises(InputError, match="hardly any record fills"):
        acquisition_numbers(section, (48, 33))
    with pytest.raises(InputError, match="not the survey that the recipe describes"):
        make_target(section.model_copy(update={"pool": 50}), 0, numbers[0], tmp_path)


@pytest.mark.slow
def test_the_judge_is_uncertain_near_thresholds_alone(tmp_path):
    section = small_hour(tmp_path).targets
    number = acquisition_numbers(section, (24, 16))[0]
    own = make_target(section, 0, number, tmp_path).pool.index["label"].to_numpy()
    judge = Judge(section, 0, number, 1)
    looks = np.array([[judge.label(row, look) for row in range(60)] for look in range(8)])
    assert (looks == [[judge.label(row, look) for row in range(60)] for look in range(8)]).all()
    agree = (looks == own).mean()
    assert 0.85 < agree < 1
    # Some gathers are always given the same label, a few are not; nothing is good for one and bad for another.
    changing = [set(column) for column in looks.T if len(set(column)) > 1]
    assert 1 <= len(changing) < 30 and {"good", "bad"} not in changing
    exact = Judge(section.model_copy(update={"judge_spread": 0.0}), 0, number, 1)
    assert [exact.label(row, 0) for row in range(60)] == [exact.label(row, 5) for row in range(60)]
