"""Arms in memory add what the arms of `eval.study` add, gather by gather."""

import numpy as np
import pytest

from eval.on_jax.arms import Replicate
from eval.on_jax.surveys import Place, moved, simulated, with_noise
from eval.study.arms import ARM_CLASSES
from eval.study.fold import Fold
from eval.study.replicates import prepare_replicate
from glowseis.errors import InputError
from glowseis.survey.amplitudes.bands import low_band
from glowseis.survey.render import amplitudes
from tests.support.small_replicates import replicated_recipe


class InThisProcess:
    """Makes at once what processes would make."""

    def made(self, function, place, jobs):
        return lambda: function(place, jobs)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A fold of `eval.study`, and the same survey in memory."""
    folder = tmp_path_factory.mktemp("arms")
    recipe = replicated_recipe(folder, "study.repeated=0.5", "study.augmentations=10")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        study = prepare_replicate(recipe, recipe.study.replicates.settings[0], 1, folder / "study")
        place = Place(41, 1.0, tuple(recipe.survey.fractions), (64, 48))
        gathers = simulated(place, range(recipe.survey.count), True)
        yield Fold(study, "weather1-rare6", 1), Replicate(recipe, study.setting, 1, place, gathers)


def test_the_survey_and_its_parts_are_the_same(both):
    fold, replicate = both
    survey, gathers = fold.study.survey, replicate.gathers
    assert np.array_equal(survey.read_images(np.arange(len(survey))), gathers.images)
    assert list(survey.index["gather_id"]) == list(gathers.ids) and fold.seed == replicate.seed
    assert np.array_equal(fold.training, replicate.training) and np.array_equal(fold.validation, replicate.judges)


@pytest.mark.parametrize("arm", ["oversampling", "trace-blocks", "pixel-mixing", "low-band"])
def test_what_an_arm_adds_is_the_same(both, arm):
    fold, replicate = both
    wanted = fold.training_set(ARM_CLASSES[arm]()).gathers
    rows, wait = replicate.start(arm, InThisProcess())
    images = np.concatenate([replicate.gathers.images, wait()])
    places = replicate.rows(arm, len(replicate.gathers))
    assert np.array_equal(images[places], wanted.read(np.arange(len(wanted))))
    ids = replicate.ids(arm)
    recorded = np.array([not parents for parents in wanted.parents])
    assert [one for one, kept in zip(ids, recorded, strict=True) if kept] == list(wanted.ids[recorded])
    assert len(rows) == replicate.made(arm) == (~recorded).sum() and len(ids) == len(wanted)
    valid = np.concatenate([replicate.gathers.valid, replicate.gathers.valid[rows]])
    assert np.array_equal(valid[places], wanted.valid)


def test_a_flow_learns_from_training_gathers_and_its_noise_is_put_on_hosts(both):
    _, replicate = both
    material = replicate.material("noise-flow")
    gathers, classes = replicate.gathers, replicate.gathers.classes[replicate.training]
    labels = [phase.labels for phase in replicate.recipe.phases_of("noise")]
    assert [len(one) for one in material.phases] == [
        sum((classes == ("good", "medium", "bad").index(label)).sum() for label in some) for some in labels
    ]
    assert np.array_equal(material.judges, gathers.bands[replicate.judges])

    class First:
        """A flow whose children are their first parents."""

        def interpolated(self, fitted, first, second, alpha):
            assert alpha.min() >= 0 and alpha.max() < 1 and len(np.unique(alpha)) == len(alpha)
            return first

    rows, wait = replicate.start("noise-flow", InThisProcess(), (First(), None))
    made = wait()
    assert made.shape == (5, 64, 48) and set(rows) <= set(replicate.training)
    children, again = replicate.start("flow", InThisProcess(), (First(), None))
    assert np.array_equal(again(), gathers.images[children]) and set(children) <= set(replicate.rare)


def test_noise_and_moved_gathers_keep_the_hosts_events():
    place = Place(41, 1.0, (40.0, 35.0, 25.0), (64, 48))
    host, donor = place.gather(2), place.gather(7)
    noise = np.full(amplitudes(host).shape, 0.25, np.float32)
    images = [with_noise(place, [(2, noise, 0.0)])[0], moved(place, [(2, 7, 0.5)])[0]]
    assert not np.array_equal(*images) and not np.array_equal(images[0], host.image) and donor.image is not host.image
    events = amplitudes(host) - low_band(amplitudes(host), host.geometry.sample_interval_s)
    for image in images:
        shown = (image[: host.valid_samples, : host.valid_traces].astype(float) - 128).ravel()
        assert np.corrcoef(shown, events.ravel())[0, 1] > 0.3


def test_too_few_rare_gathers(both):
    _, one = both
    setting = one.setting.model_copy(update={"rare": 90})
    with pytest.raises(InputError, match=r"the survey of seed 41: has \d+ bad gathers, the setting weather1-rare90"):
        Replicate(one.recipe, setting, 1, one.place, one.gathers)
