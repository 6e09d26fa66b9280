"""Independent surveys in place of folds: what trains, what is left out, and what makes two studies the same."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from eval.running.folds import run_fold, unfinished
from eval.study.fold import Fold
from eval.study.missed import grades_path, read_grades
from eval.study.outcome import read_outcome
from eval.study.replicates import digest_of, prepare_replicate
from glowseis.errors import InputError
from glowseis.locks import locked
from tests.support.small_replicates import replicated_recipe

pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("replicates")


@pytest.fixture
def replicate(place, monkeypatch):
    """Surveys are made in the working folder."""
    monkeypatch.chdir(place)
    recipe = replicated_recipe(place)

    def prepared(setting=0, number=0):
        return prepare_replicate(recipe, recipe.study.replicates.settings[setting], number, place / "study")

    return prepared


@pytest.mark.slow
def test_all_gathers_train_but_rare_ones_beyond_the_number_and_judges(replicate):
    few, every = replicate(0), replicate(1)
    assert few.setting.name == "weather1-rare6" and every.setting.name == "weather1-all"
    assert few.survey.checksum == every.survey.checksum
    labels, lines = (few.survey.index[name].to_numpy() for name in ("label", "sail_line"))
    for study, count in ((few, 6), (every, int((labels == "bad").sum()))):
        training, validation, test = study.parts(study.setting.name, 0)
        assert not len(test) and not np.intersect1d(training, validation).size
        assert set(labels[validation]) == {"bad"} and len(validation) == max(1, round(0.25 * count))
        assert (labels[training] == "bad").sum() + len(validation) == count
        assert set(np.flatnonzero(labels != "bad")) <= set(training)
    kept = np.concatenate([part[labels[part] == "bad"] for part in few.parts("weather1-rare6", 0)[:2]])
    fullest = np.bincount(lines[labels == "bad"]).argmax()
    assert (lines[kept] == fullest).sum() == min(6, (lines[labels == "bad"] == fullest).sum())


@pytest.mark.slow
def test_surveys_differ_and_weather_moves_their_rare_gathers(replicate):
    first, second, calm = replicate(0, 0), replicate(0, 1), replicate(2, 0)
    assert len({first.survey.checksum, second.survey.checksum, calm.survey.checksum}) == 3
    assert first.independent.checksum == second.independent.checksum == calm.independent.checksum
    assert first.digest == second.digest == calm.digest == digest_of(first.recipe)

    def on_the_fullest_line(study):
        bad = study.survey.index["label"].to_numpy() == "bad"
        return np.bincount(study.survey.index["sail_line"].to_numpy()[bad]).max() / bad.sum()

    assert on_the_fullest_line(first) > 1.5 * on_the_fullest_line(calm)


def test_what_identifies_a_study(place):
    digest = digest_of(replicated_recipe(place))
    curve = "study.replicates.scarcity={rare=[4,5],arms=['oversampling','none'],surveys=2}"
    for same in (curve, 'study.arms=["none"]', "study.replicates.count=5", "study.replicates.primary='none'"):
        assert digest_of(replicated_recipe(place, same)) == digest
    for other in ("study.replicates.first_seed=900", "study.augmentations=8", "survey.count=121", "study.repeated=0.2"):
        assert digest_of(replicated_recipe(place, other)) != digest


def test_another_survey_or_setting_is_refused(replicate):
    with pytest.raises(InputError, match="this is survey 0 of the setting weather1-rare6"):
        replicate().parts("weather1-all", 0)
    with pytest.raises(InputError, match="this is survey 0"):
        replicate().parts("weather1-rare6", 1)


def test_too_few_rare_gathers(place, monkeypatch):
    monkeypatch.chdir(place)
    recipe = replicated_recipe(place, "study.replicates.settings=[{rare=70}, {rare=2}]")
    for setting, says in zip(recipe.study.replicates.settings, ("needs 70", "keeps 2 .* raise its rare"), strict=True):
        study = prepare_replicate(recipe, setting, 0, place / "few")
        with pytest.raises(InputError, match=says):
            study.parts(setting.name, 0)


def test_a_label_that_no_gather_has(place, monkeypatch):
    monkeypatch.chdir(place)
    recipe = replicated_recipe(place, "study.labels=['good', 'mild', 'bad']")
    with pytest.raises(InputError, match="no gather is labelled 'mild'"):
        prepare_replicate(recipe, recipe.study.replicates.settings[0], 0, place / "mild")


@pytest.mark.slow
def test_two_processes_begin_a_study_at_once(place, tmp_path, monkeypatch):
    """The second waits for the surveys that both need."""
    monkeypatch.chdir(tmp_path)
    recipe = replicated_recipe(place)
    setting, folder = recipe.study.replicates.settings[0], tmp_path / "study"
    with ThreadPoolExecutor(2) as threads:
        begun = [threads.submit(prepare_replicate, recipe, setting, 0, folder) for _ in range(2)]
        first, second = (one.result() for one in begun)
    assert first.independent.checksum == second.independent.checksum
    assert first.survey.checksum == second.survey.checksum


def test_two_processes_on_one_survey(replicate):
    study = replicate()
    lock = study.work(study.setting.name, 0)
    with (
        locked(lock.with_name(f"{lock.name}.lock"), ""),
        pytest.raises(InputError, match="choose others with --survey"),
    ):
        run_fold(study, study.setting.name, 0, ["oversampling"])


@pytest.mark.slow
def test_arms_are_scored_on_the_independent_survey_alone(replicate, place):
    study = replicate()
    name = study.setting.name
    said = []
    done = run_fold(study, name, 0, ["oversampling", "low-band"], said.append)
    assert [one.error for one in done] == ["", ""] and len(said) == 2
    assert all("survey 0, " in line and "independent survey: F1 of bad" in line for line in said)
    assert not any("accuracy" in line or "fold" in line for line in said)
    for one in done:
        again = read_outcome(study.outcomes / f"{name}-00-{one.arm}.json")
        assert again == one and again.ids == [] and again.independent is not None
        assert sum(map(sum, again.independent.confusion)) == pytest.approx(len(study.independent))
        assert again.synthetic == 9 and again.folds == 3
        grades = read_grades(grades_path(study.folder, name, 0, one.arm))
        assert (grades.study, grades.survey) == (study.digest, study.independent.checksum)
        index = study.independent.index
        assert grades.ids == index["gather_id"][index["label"] == "bad"].tolist() and grades.rare == 2
        found = sum(row[2] == max(row) for row in grades.probabilities) / len(grades.ids)
        assert found == pytest.approx(again.independent.recall[2])
    assert unfinished(study, name, 0, ["oversampling", "low-band", "none"]) == ["none"]
    fold = Fold(study, name, 0)
    assert not len(fold.test)
