"""What each arm adds to a fold's training gathers."""

import dataclasses

import numpy as np
import pytest

from eval.study.arms import ARM_CLASSES
from eval.study.fold import Fold
from eval.study.guard import LeakError
from eval.study.makers import MAKERS, block
from eval.study.names import ARMS
from eval.study.preparation import Study
from eval.study.synthetic import mixed
from glowseis.survey.gather import Origin
from glowseis.synthesis import (
    Pair,
    draw_pairs,
)
from glowseis.transplant import draw_moves, transplant
from tests.support.arms import BAD, COUNT, survey_ids, survey_of, training_set
from tests.support.small_study import LABELS, small_study

pytestmark = pytest.mark.usefixtures("eager_fitting")


def test_every_name_has_an_arm_and_every_arm_its_name():
    assert list(ARM_CLASSES) == list(ARMS)
    assert all(one().name == name for name, one in ARM_CLASSES.items())


def test_an_arm_is_given_the_training_gathers_and_what_they_were_to_the_study(fold):
    given, study = fold.material(), fold.study.survey
    names = study.index["gather_id"].to_numpy()
    assert list(given.survey.index["gather_id"]) == list(names[fold.training])
    assert list(given.survey.index["gather_id"].iloc[given.rare]) == list(names[fold.rare])
    # As they were drawn when arms had the rows of the study's survey: what was made then is what is made now.
    drawn = [(names[pair.first], names[pair.second], pair.alpha) for pair in draw_pairs(fold.rare, COUNT, fold.seed)]
    mine = given.survey.index["gather_id"].to_numpy()
    assert [(mine[pair.first], mine[pair.second], pair.alpha) for pair in given.pairs(COUNT)] == drawn


def test_arms_without_synthetic_gathers(fold):
    none, weighted = training_set(fold, "none"), training_set(fold, "class-weights")
    names = fold.study.survey.index["gather_id"].to_numpy()[fold.training]
    for one in (none, weighted):
        assert list(one.gathers.ids) == list(names) and one.synthetic == 0
    assert (none.class_weights, weighted.class_weights) == ("none", "balanced")


def test_oversampling_draws_rare_training_gathers_again(fold):
    made = training_set(fold, "oversampling")
    count = len(fold.training)
    assert len(made.gathers) == count + COUNT and made.synthetic == COUNT
    rare = set(fold.study.survey.index["gather_id"].to_numpy()[fold.rare])
    assert set(made.gathers.ids[count:]) <= rare and np.all(made.gathers.classes[count:] == BAD)
    fewer = training_set(fold, "oversampling", first=4)
    assert list(fewer.gathers.ids) == list(made.gathers.ids[: count + 4]) and fewer.synthetic == 4


@pytest.mark.parametrize(
    "arm",
    [
        "pixel-mixing",
        "smote",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("flow", "flow-prior")),
    ],
)
def test_synthetic_gathers_are_rare_children_of_the_folds_rare_training_gathers(fold, arm):
    made = training_set(fold, arm)
    count = len(fold.training)
    assert len(made.gathers) == count + COUNT and made.synthetic == COUNT
    assert np.all(made.gathers.classes[count:] == BAD) and len(set(made.gathers.ids)) == count + COUNT
    rare = set(fold.study.survey.index["gather_id"].to_numpy()[fold.rare])
    survey = survey_of(fold, arm)
    for gather_id, of in zip(made.gathers.ids[count:], made.gathers.parents[count:], strict=True):
        gather = survey.read(gather_id)
        assert gather.origin.parents == of and set(of) <= rare and gather.origin.seed == fold.seed
        assert len(set(of)) == (1 if arm == "flow-prior" else 2)
        first = fold.study.survey.read(of[0])
        assert gather.label == "bad" and gather.geometry.shot == first.geometry.shot
        assert (gather.valid_samples, gather.valid_traces) == (first.valid_samples, first.valid_traces)
    fewer = training_set(fold, arm, first=4).gathers
    assert list(fewer.ids) == list(made.gathers.ids[: count + 4])
    places = np.arange(count, count + 4)
    np.testing.assert_array_equal(fewer.read(places), made.gathers.read(places))


def test_pixel_mixing_mixes_grey_levels(fold):
    training_set(fold, "pixel-mixing")
    survey, given = survey_of(fold, "pixel-mixing"), fold.material()
    for row, pair in enumerate(given.pairs(COUNT)):
        gather = survey.read(row)
        first, second = (given.survey.read(one) for one in (pair.first, pair.second))
        levels = np.rint((1 - pair.alpha) * first.image + pair.alpha * second.image)
        np.testing.assert_array_equal(gather.image, levels.astype(np.uint8))
        names = (first.gather_id, second.gather_id)
        assert gather.origin == Origin(names, pair.alpha, fold.seed, "pixel-mixing", "pixels")


@pytest.mark.parametrize("arm", ["trace-blocks", "low-band"])
def test_what_is_put_into_other_gathers_is_of_rare_training_gathers(fold, arm):
    made = training_set(fold, arm)
    count = len(fold.training)
    assert len(made.gathers) == count + COUNT and np.all(made.gathers.classes[count:] == BAD)
    survey, given = survey_of(fold, arm), fold.material()
    names = given.survey.index["gather_id"].to_numpy()
    rare, hosts = set(names[given.rare]), set()
    for row in range(COUNT):
        gather = survey.read(row)
        host, donor = gather.origin.parents
        assert donor in rare and host in names and host != donor and gather.label == "bad"
        hosts.add(host)
        levels = MAKERS[arm](given.survey.read(host), given.survey.read(donor), gather.origin.alpha)
        assert np.array_equal(levels, gather.image) and not np.array_equal(levels, given.survey.read(host).image)
    assert not hosts <= rare


def test_moved_noise_may_be_moved_anew_in_every_pass(fold):
    made, given = training_set(fold, "low-band-fresh").gathers, fold.material()
    count, places = len(fold.training), np.arange(len(fold.training), len(fold.training) + COUNT)
    assert len(made) == count + COUNT and np.all(made.classes[count:] == BAD)
    first = training_set(fold, "low-band").gathers
    assert list(made.parents[count:]) == list(first.parents[count:])
    np.testing.assert_array_equal(made.read(places), first.read(places))
    later = made.in_pass(3)
    assert list(later.classes) == list(made.classes) and list(later.ids[:count]) == list(made.ids[:count])
    assert not set(later.ids[count:]) & set(made.ids) and not np.array_equal(later.read(places), made.read(places))
    names = given.survey.index["gather_id"].to_numpy()
    moves = draw_moves(np.arange(len(names)), given.rare, 4 * COUNT, fold.seed)[3 * COUNT :]
    for place, move in zip(places, moves, strict=True):
        host, donor = given.survey.read(move.host), given.survey.read(move.donor)
        assert later.parents[place] == (host.gather_id, donor.gather_id)
        assert list(later.valid[place]) == [host.valid_samples, host.valid_traces]
        np.testing.assert_array_equal(later.read(np.array([place]))[0], transplant(host, donor, move.moved).image)
    again = Fold(fold.study, "grouped", 0, say=lambda line: None)
    np.testing.assert_array_equal(
        training_set(again, "low-band-fresh").gathers.in_pass(3).read(places), later.read(places)
    )


def test_being_synthetic_tells_nothing_of_the_class(fold):
    made, rival = training_set(fold, "symmetric"), training_set(fold, "oversampling")
    labels = fold.study.survey.index["label"].to_numpy()[fold.training]
    classes, rare = made.gathers.classes, np.bincount(rival.gathers.classes)[BAD]
    assert sorted(classes) == sorted(rival.gathers.classes) and made.synthetic == COUNT
    assert list(made.last_quarter.ids) == list(rival.gathers.ids)
    is_made = np.array([len(of) > 0 for of in made.gathers.parents])
    assert np.bincount(classes[is_made]).tolist() == [
        int((labels == "good").sum()) // 2,
        int((labels == "medium").sum()) // 2,
        min(rare // 2, COUNT),
    ]
    survey, label_of = fold.study.survey, dict(zip(survey_ids(fold), labels, strict=True))
    donors = []
    for place in np.flatnonzero(is_made):
        host, donor = made.gathers.parents[place]
        assert label_of[donor] == LABELS[classes[place]] and host != donor
        if classes[place] != BAD:
            assert label_of[host] == label_of[donor] and host not in made.gathers.ids and donor in made.gathers.ids
            donors.append(donor)
        alpha = survey_of(fold, "symmetric").read(made.gathers.ids[place]).origin.alpha
        wanted = transplant(survey.read(host), survey.read(donor), alpha)
        np.testing.assert_array_equal(made.gathers.read(np.array([place]))[0], wanted.image)
    assert len(set(donors)) == len(donors)
    fewer = training_set(fold, "symmetric", first=4)
    assert fewer.synthetic == 4 and len(fewer.gathers) == len(fold.training) + 4 == len(fewer.last_quarter)


def test_gathers_of_the_last_quarter_pass_the_guard_too(fold):
    made = training_set(fold, "symmetric")
    with pytest.raises(LeakError, match="did not pass the fold's guard"):
        fold.fit(dataclasses.replace(made, last_quarter=dataclasses.replace(made.last_quarter)))


@pytest.mark.parametrize("alpha", [0.0, 0.3333, 0.8127, 0.99999])
def test_a_block_is_the_donors_and_the_rest_the_hosts(alpha):
    host, donor = np.zeros((5, 40), np.uint8), np.full((5, 40), 9, np.uint8)
    pasted = block(host, donor, alpha)
    taken = np.flatnonzero((pasted == 9).all(axis=0))
    assert len(taken) == round((0.5 + 0.5 * alpha) * 40) and np.array_equal(taken, np.arange(taken[0], taken[-1] + 1))
    assert (np.delete(pasted, taken, axis=1) == 0).all() and not host.any()


def test_half_of_what_is_added_may_be_repeats(tmp_path):
    fold = Fold(small_study(tmp_path, "study.repeated=0.5"), "grouped", 0, say=lambda line: None)
    made = training_set(fold, "low-band")
    names = fold.study.survey.index["gather_id"].to_numpy()
    added = list(made.gathers.ids[len(fold.training) :])
    repeated = [name for name in added if name in set(names[fold.rare])]
    assert made.synthetic == len(added) == COUNT and len(repeated) == round(COUNT / 2)
    assert repeated == list(training_set(fold, "oversampling").gathers.ids[len(fold.training) :])[: len(repeated)]


def test_logit_adjustment_adds_nothing_but_tells_the_loss(fold):
    made = training_set(fold, "logit-adjustment")
    assert made.logit_adjustment and made.class_weights == "none" and len(made.gathers) == len(fold.training)
    assert not training_set(fold, "class-weights").logit_adjustment


def test_an_arm_that_uses_test_gathers_is_refused(fold):
    """By a survey that it came by elsewhere: it is given training gathers alone."""
    whole, pair = fold.study.survey, [Pair(int(fold.rare[0]), int(fold.test[0]), 0.5)]

    class Cheating(ARM_CLASSES["pixel-mixing"]):
        def made(self, given):
            cheating = dataclasses.replace(given, survey=whole)
            return given.synthetic("cheating", {}, lambda: mixed(cheating, pair, "pixel-mixing"))

    with pytest.raises(LeakError, match="which is a test gather"):
        fold.training_set(Cheating())


def test_the_recipes_class_weights_are_every_other_arms(fold):
    section = fold.study.recipe.study
    training = section.training.model_copy(update={"class_weights": [1.0, 2.0, 3.0]})
    recipe = fold.study.recipe.model_copy(update={"study": section.model_copy(update={"training": training})})
    study = dataclasses.replace(fold.study, recipe=recipe)
    assert isinstance(study, Study)
    other = Fold(study, "grouped", 0)
    assert training_set(other, "none").class_weights == [1.0, 2.0, 3.0]
    assert training_set(other, "class-weights").class_weights == "balanced"
