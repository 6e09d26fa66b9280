"""Mirror images: a grade that is their mean depends on none of them."""

import numpy as np
import pytest

from glowseis.judging.gathers import Seen
from glowseis.judging.symmetries import SYMMETRIES, Symmetric, turned_order, turned_polarity

LEVELS = np.random.default_rng(1).integers(1, 256, (3, 12, 8)).astype(np.uint8)


class Sided:
    """A classifier that looks at the first trace and at the sign."""

    def look(self, images):
        first = images[:, :, 0].astype(float).mean(axis=1) / 255
        light = np.clip(images.astype(float).mean(axis=(1, 2)) / 255, 0.01, 0.9)
        probabilities = np.stack([first, light], axis=1).astype(np.float32)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return Seen(probabilities, np.log(probabilities), images.reshape(len(images), -1)[:, :5].astype(np.float32))


@pytest.mark.parametrize("name", SYMMETRIES)
def test_turned_twice_is_as_it_was(name):
    turn = SYMMETRIES[name]
    assert not np.array_equal(turn(LEVELS), LEVELS)
    assert np.array_equal(turn(turn(LEVELS)), LEVELS)


def test_padding_stays_on_the_right():
    padded = LEVELS.copy()
    padded[1, :, 5:] = 128
    turned = turned_order(padded)
    assert np.array_equal(turned[1, :, :5], padded[1, :, 4::-1])
    assert (turned[1, :, 5:] == 128).all()
    assert np.array_equal(turned[0], padded[0, :, ::-1])


def test_polarity_keeps_zero_and_black_becomes_light():
    assert turned_polarity(np.array([[[128, 0, 1, 255]]], np.uint8)).tolist() == [[[128, 255, 255, 1]]]


@pytest.mark.parametrize("names", [("trace_order",), ("polarity",), ("polarity", "trace_order", "gain")])
def test_the_mean_depends_on_no_mirror_image(names):
    one = Symmetric(Sided(), names)
    for name in names:
        if name not in SYMMETRIES:
            continue
        here, there = one.look(LEVELS), one.look(SYMMETRIES[name](LEVELS))
        assert not np.allclose(Sided().look(LEVELS).probabilities, Sided().look(SYMMETRIES[name](LEVELS)).probabilities)
        assert np.allclose(here.probabilities, there.probabilities, atol=1e-6)
        assert np.allclose(here.log_probabilities, there.log_probabilities, atol=1e-5)
        assert np.allclose(here.features, there.features, atol=1e-4)
    assert np.allclose(one.look(LEVELS).probabilities.sum(axis=1), 1, atol=1e-6)


def test_without_names_nothing_is_done():
    found, plain = Symmetric(Sided(), ("gain",)).look(LEVELS), Sided().look(LEVELS)
    assert np.array_equal(found.probabilities, plain.probabilities)
