"""Folds of a study: their parts and seeds, and what is kept of them on disk."""

import dataclasses

import numpy as np
import pytest

from eval.study.arms import ARM_CLASSES
from eval.study.fold import Fold
from eval.study.guard import LeakError
from eval.study.preparation import prepare
from eval.study.synthetic import mixed
from glowseis.errors import InputError
from glowseis.fitting.classifier.trainer import ClassifierTrainer, Predictor
from glowseis.fitting.flow.selection import select
from glowseis.recipe import read_recipe
from glowseis.survey.store.survey import open_survey
from tests.support.small_study import small_study, small_survey

pytestmark = pytest.mark.usefixtures("eager_fitting")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("folds")


@pytest.fixture(scope="module")
def study(folder):
    return small_study(folder, kinds=["grouped", "stratified", "split", "grouped-split"])


def mixtures(fold, count):
    given = fold.material()
    return mixed(given, given.pairs(count), "pixel-mixing")


@pytest.mark.parametrize("kind", ["grouped", "stratified", "split", "grouped-split"])
def test_the_parts_of_a_fold(study, kind):
    index, tested = study.survey.index, []
    for number in range(len(study.folds[kind])):
        fold = Fold(study, kind, number)
        parts = (fold.training, fold.validation, fold.test)
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(60))
        assert all(np.all(np.diff(rows) > 0) and set(index["label"].iloc[rows]) == set(study.labels) for rows in parts)
        np.testing.assert_array_equal(fold.test, study.folds[kind].parts(number)[-1])
        if kind.startswith("grouped"):
            lines = [set(index["sail_line"].iloc[rows]) for rows in parts]
            assert sum(map(len, lines)) == 10
        assert set(index["label"].iloc[fold.rare]) == {"bad"} and set(fold.rare) <= set(fold.training)
        tested.append(fold.test)
    if kind in ("grouped", "stratified"):
        np.testing.assert_array_equal(np.sort(np.concatenate(tested)), np.arange(60))


def test_seeds_are_functions_of_the_recipes_seed_and_the_fold(study):
    def seed(kind, number, recipe_seed=3):
        recipe = study.recipe.model_copy(update={"seed": recipe_seed})
        return Fold(dataclasses.replace(study, recipe=recipe), kind, number).seed

    seeds = [seed("grouped", 0), seed("grouped", 1), seed("stratified", 0), seed("grouped", 0, recipe_seed=4)]
    assert len(set(seeds)) == 4 and all(0 <= one < 2**32 for one in seeds)
    assert seed("grouped", 0) == seeds[0]


def test_pairs_are_nested(study):
    fold = Fold(study, "grouped", 1)
    given = fold.material()
    assert given.pairs(20)[:7] == given.pairs(7)
    section = study.recipe.study.model_copy(update={"farthest": 0.5})
    recipe = study.recipe.model_copy(update={"study": section})
    near = Fold(dataclasses.replace(study, recipe=recipe), "grouped", 1).material().pairs(7)
    assert [one.alpha for one in near] == [0.5 * one.alpha for one in given.pairs(7)]
    assert {row for pair in given.pairs(60) for row in (pair.first, pair.second)} == set(given.rare)


@pytest.mark.parametrize(
    ("kind", "number", "message"),
    [("grouped", 2, "there is no fold 2"), ("grouped", -1, "there is no fold -1"), ("random", 0, "kind 'random'")],
)
def test_a_fold_that_is_not_there(study, kind, number, message):
    with pytest.raises(InputError, match=message):
        Fold(study, kind, number)


def test_synthetic_gathers_are_made_once(study):
    fold, times = Fold(study, "stratified", 0), []

    def make(count):
        def made():
            times.append(count)
            yield from mixtures(fold, count)

        return fold.synthetic("some", {"count": count}, made)

    first = make(5)
    assert len(first) == 5 and make(5).checksum == first.checksum and times == [5]
    # Another process finds them too, and admits them.
    fold = Fold(study, "stratified", 0)
    assert make(5).checksum == first.checksum and times == [5]
    given = fold.material()
    given.watched(given.of_synthetic(first, 3))
    assert len(make(6)) == 6 and times == [5, 6]


def test_half_made_synthetic_gathers_are_not_kept(study):
    fold = Fold(study, "stratified", 1)

    def make():
        yield from mixtures(fold, 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fold.synthetic("some", {}, make)
    assert not list((fold.work / "synthetic").iterdir())


def test_damaged_synthetic_gathers_are_made_anew(study):
    said = []
    fold = Fold(study, "grouped", 1, said.append)

    def make():
        return mixtures(fold, 4)

    made = fold.synthetic("some", {}, make)
    shard = made.path / made.manifest.shards[0].file
    shard.write_bytes(shard.read_bytes()[:-100])
    again = Fold(study, "grouped", 1, said.append)
    assert again.synthetic("some", {}, make).checksum == made.checksum
    assert len(said) == 1 and "these gathers are made again" in said[0]


def test_something_else_in_their_place_is_not_removed(study, tmp_path):
    fold = Fold(study, "stratified", 1)
    place = fold.work / "synthetic" / "linked"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(tmp_path)
    with pytest.raises(InputError, match="linked: is not a folder of synthetic gathers; remove it"):
        fold.synthetic("linked", {}, lambda: mixtures(fold, 3))
    assert tmp_path.exists()
    place.unlink()


def test_synthetic_gathers_that_leak_train_nothing(study):
    fold = Fold(study, "grouped", 0)
    leaking = dataclasses.replace(fold.material(), survey=study.survey, rare=fold.test)
    with pytest.raises(LeakError, match="which is a test gather"):
        ARM_CLASSES["pixel-mixing"]().training_set(leaking)
    # They still lie there, and are refused again.
    with pytest.raises(LeakError, match="which is a test gather"):
        fold.training_set(ARM_CLASSES["pixel-mixing"]())


@pytest.fixture
def untrained(monkeypatch):
    """Steps of classifiers are counted, not taken."""
    monkeypatch.setattr(ClassifierTrainer, "optimise", lambda trainer, *batch: (1.0, 0.5))
    monkeypatch.setattr(
        Predictor, "log_probabilities", lambda predictor, gathers, batch: np.full((len(gathers), 3), -np.log(3))
    )


@pytest.mark.slow
def test_all_arms_take_equally_many_steps_unless_equal_epochs_are_asked_for(study, untrained):
    # 24 gathers, or 33 with those added, in batches of 8.
    for protocol, wanted in (("equal-steps", (6, 6)), ("equal-epochs", (6, 10))):
        section = study.recipe.study
        training = section.training.model_copy(update={"batch": 8})
        section = section.model_copy(update={"training": training, "protocol": protocol})
        recipe = study.recipe.model_copy(update={"study": section})
        fold = Fold(dataclasses.replace(study, recipe=recipe), "grouped", 0)
        assert len(fold.training) == 24
        fitted = [fold.fit(fold.training_set(ARM_CLASSES[arm]()))[1].steps for arm in ("none", "oversampling")]
        assert tuple(fitted) == wanted
    fold = Fold(study, "grouped", 0)
    recorded = fold.training_set(ARM_CLASSES["none"]())
    assert [fold.fit(recorded, **given)[1].steps for given in ({}, {"steps_per_epoch": 3})] == [4, 6]


@pytest.mark.slow
def test_the_seed_decides_what_is_fitted(study):
    equal = Fold(study, "grouped", 0)
    fitting = equal.fit(equal_set := equal.training_set(ARM_CLASSES["none"]()))[0]
    again = equal.fit(equal_set)[0]
    other = equal.fit(equal_set, seed=1)[0]
    test = equal.of_rows(equal.test)
    np.testing.assert_array_equal(fitting.probabilities(test), again.probabilities(test))
    assert not np.array_equal(fitting.probabilities(test), other.probabilities(test))


def test_a_studys_independent_gathers_never_train(folder, study, tmp_path):
    small_survey(tmp_path / "other", (3, 3, 3), first_shot=700)
    whole = dataclasses.replace(study, independent=open_survey(tmp_path / "other"))
    assert whole.digest != study.digest
    fold = Fold(whole, "grouped", 0)
    given = dataclasses.replace(fold.material(), survey=whole.independent)
    with pytest.raises(LeakError, match="a gather of the independent test survey"):
        given.watched(given.of_rows(np.arange(2)))
    assert prepare(study.recipe, study.folder, study.survey.path).digest == study.digest


def test_a_flow_may_be_given_the_rows_to_choose_from(folder, study):
    recipe, labels = read_recipe(folder / "small.toml"), study.survey.index["label"].to_numpy()
    within = np.arange(10, 40)
    rare = within[labels[within] == "bad"]
    outside = np.flatnonzero(labels == "bad")[-2:]
    chosen = select(study.survey, recipe, within=within, held_out=outside)
    np.testing.assert_array_equal(chosen.training, rare)
    np.testing.assert_array_equal(chosen.held_out, outside)
    chosen = select(study.survey, recipe, within=within, held_out=rare[:2])
    np.testing.assert_array_equal(chosen.rare, rare[2:])
    # Without rows to hold out, the recipe's share of those within is drawn.
    drawn = select(study.survey, recipe, within=within)
    assert set(drawn.held_out) <= set(rare) and len(drawn.held_out) == round(0.25 * len(rare))
    good = np.flatnonzero(labels == "good")[:1]
    for rows, message in (
        (good, "not a recorded gather labelled 'bad'"),
        ([], "held-out gathers, and there are none"),
    ):
        with pytest.raises(InputError, match=message):
            select(study.survey, recipe, within=within, held_out=np.array(rows, int))
    with pytest.raises(InputError, match="at least two"):
        select(study.survey, recipe, within=rare[:3], held_out=rare[1:3])
