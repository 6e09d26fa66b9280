"""What looks like a fill value or a constant and is none, and the other way round."""

import dataclasses

import numpy as np
import pytest

from glowseis.survey.render import render_recording
from tests.support.random_gathers import random_recording


def rendered(amplitude, **settings):
    recording = dataclasses.replace(random_recording(0, *amplitude.shape), amplitude=np.asarray(amplitude, np.float32))
    return render_recording(recording, *amplitude.shape, **settings)


def sound(seed=0, samples=300, traces=48):
    """Noise with a trend in time, about 300 in size."""
    generator = np.random.default_rng(seed)
    return 300 * generator.normal(size=(samples, traces)) * np.exp(-2 * np.arange(samples) / samples)[:, np.newaxis]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [2, 8, 64])
def test_traces_in_coarse_steps_beside_fine_ones_hold_no_fill_values(seed, share):
    """As where half of the traces have a weighting factor: whole numbers come back, and are amplitudes."""
    amplitude = np.rint(sound(seed))
    amplitude[:, 24:] = np.rint(share * sound(seed)[:, 24:]) / share
    mended = rendered(amplitude).mended
    assert "fill" not in mended and "zero_level" not in mended


def test_a_fill_value_among_coarse_and_fine_steps_is_found():
    amplitude = np.rint(sound())
    amplitude[:, 24:] = np.rint(16 * sound()[:, 24:]) / 16
    amplitude[200:, 3:9] = -9999
    gather = rendered(amplitude)
    assert gather.mended["fill"] == 6 and (gather.image[200:, 3:9] == 128).all()


@pytest.mark.parametrize("value", [-999.25, 1500.5, -4000])
def test_a_few_scattered_samples_of_one_value(value):
    """Too few to stand out as the commonest, but numbers without steps do not come back."""
    amplitude = 0.6 * sound()
    where = np.random.default_rng(7).random(amplitude.shape) < 0.003
    amplitude[where] = value
    gather = rendered(amplitude)
    assert gather.mended["fill"] == where.any(axis=0).sum() and (gather.image[where] == 128).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(70, 60), (300, 1), (300, 2), (600, 120)])
def test_the_mean_of_noise_is_no_constant(seed, shape):
    noise = np.random.default_rng(seed).normal(size=shape)
    assert not rendered(noise).mended
    assert rendered(noise + 1).mended == {"zero_level": shape[1]}


@pytest.mark.parametrize("constant", [0, 5, -300])
@pytest.mark.parametrize("counts", [1.5, 3, 4.5, 7, 12])
def test_the_zero_of_coarse_whole_numbers_is_no_fill_value(counts, constant):
    """As of a quiet recording in whole numbers, where most samples are 0."""
    random = np.random.default_rng(4)
    amplitude = random.normal(size=(400, 60)) * np.exp(-6 * random.random((400, 60)))
    amplitude = np.rint(amplitude / np.quantile(np.abs(amplitude), 0.96) * counts)
    gather, wanted = rendered(amplitude + constant), rendered(amplitude, zero_level=0.0)
    assert "fill" not in gather.mended and (gather.zero_amplitude == constant).all()
    np.testing.assert_array_equal(gather.image, wanted.image)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("moved", [0, 1, 6, 48])
@pytest.mark.parametrize("steps", [0, 512, 2**24])
def test_rails_that_were_moved_with_their_traces_are_no_fill_values(seed, moved, steps):
    """A recorder's limit, and constants subtracted from some traces afterwards: rails lie beside rails."""
    amplitude = sound(seed)
    limit = np.quantile(np.abs(amplitude), 0.97)
    amplitude = np.clip(amplitude, -limit, limit)
    amplitude[:, :moved] += limit * 0.01 * np.random.default_rng(seed).standard_normal(moved)
    if steps:
        amplitude = np.rint(amplitude / limit * steps)
    gather = rendered(amplitude)
    assert "fill" not in gather.mended
    assert (gather.image[np.abs(amplitude) > 0.9 * np.abs(amplitude).max()] != 128).all()
    amplitude[200:, 3:9] = -1.1 * np.abs(amplitude).max()
    gather = rendered(amplitude)
    assert gather.mended["fill"] == 6 and (gather.image[200:, 3:9] == 128).all()
