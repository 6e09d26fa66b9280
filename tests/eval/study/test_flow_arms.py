"""What arms with a flow add to a fold's training gathers, and which gathers train the flow."""

import numpy as np
import pytest

from eval.study.fold import Fold
from eval.study.guard import LeakError
from glowseis.errors import InputError
from glowseis.survey.amplitudes.bands import low_band
from glowseis.survey.render import amplitudes
from glowseis.synthesis import (
    LEVELS,
    PRIOR,
    Pair,
    interpolate_pairs,
    recombine_levels,
    synthesise,
    synthesise_prior,
)
from glowseis.transplant import low_band_gather, low_band_of
from tests.support.arms import BAD, COUNT, survey_ids, survey_of, training_set
from tests.support.small_study import name_of

pytestmark = pytest.mark.usefixtures("eager_fitting")


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
        made, count = training_set(fold, arm), len(fold.training)
        index = survey_of(fold, arm).index
        assert set(index["label"]) == {"bad"} and np.all(made.gathers.classes[count:] == BAD)
        assert list(made.gathers.ids[count:]) == list(index["gather_id"]) and made.synthetic == COUNT
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
