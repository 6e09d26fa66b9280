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
from eval.study.smote import NEIGHBOURS, nearest_neighbours, products, smote_pairs
from eval.study.synthetic import mixed
from glowseis.errors import InputError
from glowseis.survey.amplitudes.bands import low_band
from glowseis.survey.batches.labelled import parents_of
from glowseis.survey.gather import Origin
from glowseis.survey.render import amplitudes
from glowseis.survey.store.survey import open_survey
from glowseis.synthesis import (
    LEVELS,
    PRIOR,
    Pair,
    draw_pairs,
    interpolate_pairs,
    recombine_levels,
    synthesise,
    synthesise_prior,
)
from glowseis.transplant import draw_moves, low_band_gather, low_band_of, transplant
from tests.support.small_study import LABELS, name_of, small_study

pytestmark = pytest.mark.usefixtures("eager_fitting")
COUNT = 9
BAD = LABELS.index("bad")


@pytest.fixture(scope="module")
def fold(tmp_path_factory):
    return Fold(small_study(tmp_path_factory.mktemp("arms"), "flow.levels=2"), "grouped", 0, say=lambda line: None)


def training_set(fold, arm, first=None):
    return fold.training_set(ARM_CLASSES[arm](), first)


def survey_of(fold, arm):
    return open_survey(fold.work / "synthetic" / arm)


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
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("flow", "flow-all", "flow-prior")),
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


def survey_ids(fold):
    return fold.study.survey.index["gather_id"].to_numpy()[fold.training]


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


@pytest.mark.slow
def test_a_flows_noise_is_put_on_other_earths(fold):
    made = training_set(fold, "noise-flow")
    count = len(fold.training)
    assert len(made.gathers) == count + COUNT and np.all(made.gathers.classes[count:] == BAD)
    survey, given = survey_of(fold, "noise-flow"), fold.material()
    names = given.survey.index["gather_id"].to_numpy()
    rare = set(names[given.rare])
    hosts = set()
    for row in range(COUNT):
        host, *donors = survey.read(row).origin.parents
        assert len(donors) == 2 and set(donors) <= rare and host in names
        hosts.add(host)
        high = [
            amplitudes(one) - low_band(amplitudes(one), one.geometry.sample_interval_s)
            for one in (survey.read(row), given.survey.read(host))
        ]
        assert np.corrcoef(high[0].ravel(), high[1].ravel())[0, 1] > 0.8
    assert len(hosts) > 3
    about = fold.flow("noise").about
    noise = given.noise("noise")
    assert set(noise.index["gather_id"]) == set(about["training_ids"]) <= set(names)
    low = noise.read(0)
    assert np.allclose(low.image, low_band_gather(given.survey.read(low.gather_id)).image, atol=1)
    assert set(about["held_out_ids"]).isdisjoint(names)


@pytest.mark.slow
def test_a_flow_moves_noise_to_other_earths(fold):
    made = training_set(fold, "noise-transplant")
    count, moved = len(fold.training), training_set(fold, "low-band").gathers
    assert len(made.gathers) == count + COUNT and np.all(made.gathers.classes[count:] == BAD)
    assert list(made.gathers.parents) == list(moved.parents)
    places = np.arange(count, count + COUNT)
    pairs = list(zip(made.gathers.read(places), moved.read(places), strict=True))
    # A flow that has learnt little gives back what it was given, under any condition.
    alike = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairs]
    assert min(alike) > 0.9 and not any(np.array_equal(*pair) for pair in pairs)
    about, bands = fold.flow("transplant").about, fold.noise("transplant")
    assert about["recipe"]["flow"]["condition"] and set(bands.index["gather_id"]) == set(about["training_ids"])
    assert set(about["training_ids"]) <= set(survey_ids(fold)) and set(about["held_out_ids"]).isdisjoint(
        survey_ids(fold)
    )
    gather = fold.study.survey.read(about["training_ids"][0])
    image, low = bands.read(gather.gather_id).image, low_band_of(gather)
    sizes = gather.clip_amplitude / 128
    np.testing.assert_allclose(image[:32], np.clip(128 + low / sizes, 0, 255), atol=0.51)
    rest = amplitudes(gather) - gather.zero_amplitude - low
    np.testing.assert_allclose(image[32:], np.clip(128 + rest / sizes, 0, 255), atol=0.51)


@pytest.mark.slow
def test_latents_are_recombined_by_levels(fold):
    made = training_set(fold, "latent-levels")
    count, survey = len(fold.training), survey_of(fold, "latent-levels")
    assert len(made.gathers) == count + COUNT and np.all(made.gathers.classes[count:] == BAD)
    flow, given = fold.flow("all"), fold.material()
    rare = set(survey_ids(fold)[given.rare])
    for row in range(COUNT):
        gather = survey.read(row)
        host, donor = (given.survey.read(name) for name in gather.origin.parents)
        assert donor.gather_id in rare and gather.origin.path == LEVELS and gather.origin.alpha == 0.5
        assert (gather.valid_samples, gather.geometry.shot) == (host.valid_samples, host.geometry.shot)
    pairs = [Pair(0, int(given.rare[0]), 0.0), Pair(1, int(given.rare[1]), 0.0)]

    def recombined(levels, batch=4):
        return [one.image.astype(int) for one in recombine_levels(flow, given.survey, "bad", pairs, 1, levels, batch)]

    for levels, wanted in (([], [0, 1]), ([1, 2], given.rare[:2])):
        assert np.abs(recombined(levels) - given.survey.read_images(wanted).astype(int)).max() <= 1
    fine, coarse = recombined([1]), recombined([2], batch=1)
    assert not np.array_equal(fine, coarse) and np.abs(np.subtract(coarse, recombined([2]))).max() <= 1
    with pytest.raises(ValueError, match=r"levels are \[3\]; grouped-00-all/1 has levels 1 to 2"):
        recombined([3])
    held_out = [Pair(0, int(fold.study.survey.row(flow.about["held_out_ids"][0])), 0.0)]
    with pytest.raises(InputError, match="only recorded gathers with a label that training did not hold out can"):
        list(recombine_levels(flow, fold.study.survey, "bad", held_out, 1, [1]))


@pytest.mark.slow
def test_mixing_and_flows_have_the_same_pairs(fold):
    tables = {}
    for arm in ("pixel-mixing", "flow", "flow-all"):
        training_set(fold, arm)
        index = survey_of(fold, arm).index
        tables[arm] = list(zip(index["parents"], index["alpha"], strict=True))
    given = fold.material()
    names = given.survey.index["gather_id"]
    wanted = [(f"{names.iat[pair.first]};{names.iat[pair.second]}", pair.alpha) for pair in given.pairs(COUNT)]
    assert tables["pixel-mixing"] == tables["flow"] == tables["flow-all"] == wanted
    flows = [survey_of(fold, arm) for arm in ("flow", "flow-all")]
    assert [set(one.index["model"]) for one in flows] == [{"grouped-00-rare/1"}, {"grouped-00-all/1"}]
    assert not np.array_equal(*(one.read_images([0]) for one in flows))


@pytest.mark.slow
def test_a_folds_flow_is_trained_on_its_training_gathers_alone(fold):
    names = fold.study.survey.index["gather_id"].to_numpy()
    rare, every = fold.flow("rare").about, fold.flow("all").about
    assert rare["training_ids"] == list(names[fold.rare]) and every["training_ids"] == list(names[fold.training])
    labels = fold.study.survey.index["label"].to_numpy()[fold.validation]
    assert rare["held_out_ids"] == list(names[fold.validation[labels == "bad"]]) == every["held_out_ids"]
    assert rare["rows_checksum"] != every["rows_checksum"] and "study" not in rare["recipe"]


@pytest.mark.slow
def test_a_flow_is_trained_once(fold):
    before = fold.flow("rare").about["run"]
    said = []
    again = Fold(fold.study, "grouped", 0, say=said.append)
    assert again.flow("rare").about["run"] == before and not said
    # Its rows are others now, so it is another run's.
    again = Fold(fold.study, "grouped", 0, say=said.append)
    again.training = again.training[1:]
    with pytest.raises(InputError, match="holds a run on other gathers of that survey"):
        again.flow("all")


@pytest.mark.slow
def test_gathers_of_another_folds_flow_are_refused(fold):
    training_set(fold, "flow")
    other = Fold(fold.study, "grouped", 1, say=lambda line: None)
    # As if its own flow had been trained.
    other.guard.admit_flow("grouped-01-rare/1", [name_of(fold.study.survey, row) for row in other.rare])
    pairs = [Pair(int(other.rare[0]), int(other.rare[1]), 0.5)]

    def make():
        return interpolate_pairs(fold.flow("rare"), fold.study.survey, "bad", pairs, fold.seed)

    with pytest.raises(LeakError, match="grouped-00-rare/1 was not checked"):
        other.synthetic("of-the-other", {}, make)


@pytest.mark.slow
def test_prior_samples(fold):
    flow, survey = fold.flow("rare"), fold.study.survey

    def sample(count, batch, seed=5, temperature=0.7):
        return list(synthesise_prior(flow, survey, "bad", count, seed, temperature, batch, rows=fold.rare))

    seven, three = sample(7, 4), sample(3, 2)
    for one, other in zip(seven, three, strict=False):
        assert (one.gather_id, one.origin) == (other.gather_id, other.origin)
        assert np.abs(one.image.astype(int) - other.image).max() <= 1
    assert {one.origin.path for one in seven} == {PRIOR} and {one.origin.alpha for one in seven} == {0.7}
    assert len({one.gather_id for one in seven}) == 7 and len({one.origin.parents for one in seven}) > 1
    assert not np.array_equal(seven[0].image, seven[1].image)
    assert not np.array_equal(seven[0].image, sample(1, 1, seed=6)[0].image)
    # Whatever noise a flow has learnt, a lower temperature leaves less of it.
    assert (
        np.std([one.image for one in sample(7, 4, temperature=0.01)], axis=0).mean()
        < 0.2 * np.std([one.image for one in seven], axis=0).mean()
    )
    with pytest.raises(ValueError, match="temperature is 0; give a number above 0"):
        sample(1, 1, temperature=0)


@pytest.mark.slow
def test_parents_may_be_chosen_but_not_at_will(fold):
    flow, survey = fold.flow("rare"), fold.study.survey
    names = survey.index["gather_id"].to_numpy()[fold.rare[:3]]
    children = list(synthesise(flow, survey, "bad", 6, seed=1, rows=fold.rare[:3]))
    assert {parent for child in children for parent in child.origin.parents} == set(names)
    labels = survey.index["label"].to_numpy()
    held_out = fold.validation[labels[fold.validation] == "bad"][0]
    for row in (held_out, np.flatnonzero(labels == "good")[0]):
        with pytest.raises(InputError, match=f"gather {survey.index['gather_id'].iat[row]} cannot be a parent"):
            next(synthesise(flow, survey, "bad", 6, seed=1, rows=[*fold.rare[:3], row]))
    with pytest.raises(InputError, match="there are 1"):
        next(synthesise(flow, survey, "bad", 6, seed=1, rows=fold.rare[:1]))


def test_smote_is_imbalanced_learns_on_pixels(fold):
    from imblearn.over_sampling import SMOTE

    survey = fold.study.survey
    pixels = survey.read_images(fold.rare).reshape(len(fold.rare), -1).astype(float)
    smote = SMOTE(sampling_strategy={1: len(pixels) + 40}, k_neighbors=NEIGHBOURS, random_state=11)
    classes = [1] * len(pixels) + [0]
    wanted = smote.fit_resample(np.vstack([pixels, pixels[:1]]), classes)[0][len(classes) :]
    row_of = {row: place for place, row in enumerate(fold.rare)}
    for pair, one in zip(smote_pairs(survey, fold.rare, 40, 11), wanted, strict=True):
        first, second = pixels[row_of[pair.first]], pixels[row_of[pair.second]]
        np.testing.assert_allclose(first + pair.alpha * (second - first), one, atol=1e-3)
        nearest = np.argsort(np.linalg.norm(pixels - first, axis=1))[1 : NEIGHBOURS + 1]
        assert row_of[pair.second] in nearest


def test_smote_children_lie_between_their_named_parents(fold):
    training_set(fold, "smote")
    survey = survey_of(fold, "smote")
    for row, names in enumerate(parents_of(survey)):
        child = survey.read(row)
        first, second = (fold.study.survey.read(name).image.astype(float) for name in names)
        np.testing.assert_array_equal(child.image, np.rint(first + child.origin.alpha * (second - first)))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_smote_of_few_gathers(fold, count):
    pairs = smote_pairs(fold.study.survey, fold.rare[:count], 12, seed=1)
    assert len(pairs) == 12
    assert all(pair.first != pair.second and {pair.first, pair.second} <= set(fold.rare[:count]) for pair in pairs)


def test_neighbours_are_the_nearest_pictures_whatever_is_read_at_once(fold, monkeypatch):
    monkeypatch.setattr("eval.study.smote._BLOCK_BYTES", 3 * 4 * 32 * 32)
    pixels = fold.study.survey.read_images(fold.rare).reshape(len(fold.rare), -1).astype(float)
    apart = np.linalg.norm(pixels[:, None] - pixels, axis=-1)
    found = nearest_neighbours(products(fold.study.survey, fold.rare), 4)
    np.testing.assert_array_equal(found, np.argsort(apart, axis=1)[:, 1:5])


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
