"""What a fold's guard keeps from training, and an arm from seeing."""

import dataclasses
import shutil
import time

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from eval.running.crossval import run_arm
from eval.study.arms import ARM_CLASSES
from eval.study.fold import Fold, TrainingSet
from eval.study.guard import Guarded
from glowseis.errors import InputError
from glowseis.recipe import Recipe
from glowseis.run.flow import train_flow
from glowseis.survey.batches.labelled import from_memory
from glowseis.survey.store.scanning import verify
from tests.support.small_study import name_of, refused, small_study

pytestmark = pytest.mark.usefixtures("eager_fitting")


@pytest.fixture(scope="module")
def fold(tmp_path_factory):
    return Fold(small_study(tmp_path_factory.mktemp("study")), "grouped", 0)


def test_a_fold_fits_only_what_its_guard_gave(fold):
    rows = fold.of_rows(fold.training)
    recorded = fold.material().recorded
    by_hand = Guarded(**{field.name: getattr(rows, field.name) for field in dataclasses.fields(rows)})
    other = Fold(fold.study, "stratified", 0)
    for gathers in (rows, by_hand, dataclasses.replace(recorded()), other.material().recorded()):
        with refused("did not pass the fold's guard"):
            fold.fit(TrainingSet(gathers, "none"))


def test_a_leak_while_training_stops_it_as_a_leak(fold):
    images = fold.study.survey.read_images(fold.training)
    rows = fold.of_rows(fold.training)
    gathers = fold.material().watched(from_memory(images, rows.classes, rows.ids))
    images[7] = fold.study.survey.read_images(fold.test[:1])[0]
    with refused(f"{rows.ids[7]} .* is a copy of a test gather"):
        fold.fit(TrainingSet(gathers, "none"))


def test_a_fold_whose_rows_were_changed_trains_nothing(fold):
    changed = Fold(fold.study, "grouped", 0)
    changed.training = np.union1d(changed.training, changed.test[:1])
    with refused("is a test gather"):
        changed.material().recorded()
    with refused(r"\(seen by the training of flow rare\) is a test gather"):
        changed.flow("rare")
    assert not (changed.work / "flows").exists()
    changed = Fold(fold.study, "grouped", 0)
    recorded, changed.validation = changed.material().recorded(), changed.test
    with refused(r"\(to choose weights by\) is a test gather"):
        changed.fit(TrainingSet(recorded, "none"))
    with refused(r"\(to choose weights by\) is a test gather"):
        changed.flow("rare")


def test_an_arm_reads_training_gathers_alone(fold):
    given, study = fold.material(), fold.study.survey
    mine = np.arange(len(given.survey))
    np.testing.assert_array_equal(given.survey.read_images(mine), study.read_images(fold.training))
    for read in (
        lambda: given.survey.read_images(np.arange(len(study))).mean(axis=0),
        lambda: given.survey.read(name_of(study, fold.validation[0])),
        lambda: given.survey.read(name_of(study, fold.test[0])),
        lambda: given.survey.read(len(mine)),
        lambda: verify(given.survey),
        lambda: given.of_rows(np.array([len(mine)])),
        lambda: given.study,
        lambda: given.guard,
    ):
        with pytest.raises((InputError, IndexError, AttributeError)):
            read()
    fold.of_rows(fold.test).read(np.array([0]))


def test_an_arm_sees_the_index_of_training_gathers_alone(fold):
    given, study = fold.material(), fold.study.survey
    before = study.index.copy()
    pd.testing.assert_frame_equal(given.survey.index, before.iloc[fold.training].reset_index(drop=True))
    known = given.survey.manifest.model_dump_json() + given.survey.index.to_csv()
    assert not any(name_of(study, row) in known for row in np.concatenate([fold.validation, fold.test]))
    counts = before["label"].iloc[fold.training].value_counts().to_dict()
    assert given.survey.manifest.counts == counts and given.survey.manifest.gathers == len(fold.training)
    assert set(given.survey.select(labels=["bad"])) == set(given.rare)
    # What it changes is its own.
    given.survey.index["label"] = "good"
    pd.testing.assert_frame_equal(study.index, before)
    pd.testing.assert_frame_equal(fold.material().survey.index, before.iloc[fold.training].reset_index(drop=True))


def test_a_leak_within_tensorflow_is_told_as_a_leak(fold):
    class Careless(ARM_CLASSES["none"]):
        def training_set(self, given, first=None):
            made = super().training_set(given, first)
            images = fold.study.survey.read_images(fold.training)
            images[3] = fold.study.survey.read_images(fold.test[:1])[0]
            gathers = given.watched(from_memory(images, made.gathers.classes, made.gathers.ids))

            def read(place):
                return gathers.read(np.array([place]))

            list(tf.data.Dataset.range(len(images)).map(lambda place: tf.numpy_function(read, [place], tf.uint8)))
            return made

    with refused("is a copy of a test gather"):
        fold.training_set(Careless())


def test_what_a_guard_let_through_is_not_changed(fold):
    given = fold.material().recorded()
    for values in (given.ids, given.classes, given.weights, given.parents):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = values[1]


def test_an_arm_of_a_study_is_refused_what_judges(fold, monkeypatch):
    tested = name_of(fold.study.survey, fold.test[0])

    class Careless(ARM_CLASSES["none"]):
        def training_set(self, given, first=None):
            given.survey.read(tested)
            return super().training_set(given, first)

    monkeypatch.setitem(ARM_CLASSES, "none", Careless)
    outcome = run_arm(fold, "none")
    assert f"no gather '{tested}'" in outcome.error and not outcome.probabilities


def test_an_arm_of_a_study_is_refused_what_judges_from_elsewhere(fold, monkeypatch):
    whole = fold.study.survey

    class Careless(ARM_CLASSES["none"]):
        def training_set(self, given, first=None):
            return super().training_set(dataclasses.replace(given, survey=whole), first)

    monkeypatch.setitem(ARM_CLASSES, "none", Careless)
    with refused(r"\(offered from .*\) is a (test|validation) gather"):
        run_arm(fold, "none")


def test_rows_of_a_fold_cannot_be_changed_in_place(fold):
    for rows in (fold.training, fold.validation, fold.test, fold.rare):
        with pytest.raises(ValueError, match="read-only"):
            rows[0] = 1


@pytest.mark.slow
def test_a_classifier_is_scored_on_the_test_gathers_alone(fold):
    changed = Fold(fold.study, "grouped", 0)
    changed.test = changed.training
    with refused(r"\(to be scored\) is (not a test gather|a test gather that is left out)"):
        run_arm(changed, "none")
    changed.test = fold.test[1:]
    with refused(r"\(to be scored\) is a test gather that is left out"):
        run_arm(changed, "none")


def flow_of_everything(study, folder):
    recipe = study.recipe
    settings = {name: getattr(recipe, name) for name in ("seed", "survey", "data", "flow", "training")}
    train_flow(
        Recipe(name="rare", phases=recipe.phases_of("rare"), **settings),
        study.survey,
        folder / "run",
        folder / "saved",
        lambda line: None,
        time.monotonic(),
    )


@pytest.mark.slow
def test_another_flow_in_place_of_the_folds_is_refused(fold, tmp_path):
    made = Fold(fold.study, "stratified", 0, say=lambda line: None)
    made.flow("rare")
    flow_of_everything(fold.study, tmp_path)
    own, run = made.work / "savedmodels" / "rare" / "1", made.work / "flows" / "rare"
    assert Fold(fold.study, "stratified", 0).flow("rare").name == "stratified-00-rare/1"
    shutil.copytree(tmp_path / "saved" / "rare" / "1" / "variables", own / "variables", dirs_exist_ok=True)
    with pytest.raises(InputError, match=r"rare: is not the flow of .*rare; remove both"):
        Fold(fold.study, "stratified", 0).flow("rare")
    # Of a run that has not ended, the checkpoints would go on.
    shutil.rmtree(own.parent)
    (run / "result.json").unlink()
    shutil.rmtree(run / "checkpoints")
    shutil.copytree(tmp_path / "run" / "checkpoints", run / "checkpoints")
    with pytest.raises(InputError, match="this checkpoint belongs to another run; remove the run's folder"):
        Fold(fold.study, "stratified", 0).flow("rare")
