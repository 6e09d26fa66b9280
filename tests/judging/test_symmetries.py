"""Mirror images: a grade that is their mean depends on none of them."""

import dataclasses

import numpy as np
import pytest

from glowseis.judging.combination import mean_of_windows
from glowseis.judging.gathers import Seen, gather_probabilities, judged
from glowseis.judging.symmetries import SYMMETRIES, Symmetric, turned_order, turned_polarity
from glowseis.judging.windows import windows_of
from glowseis.survey.render import render_recording
from tests.support.random_gathers import random_recording

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


def grades(gathers):
    """Probabilities of gathers, in windows of 32 samples and 24 traces."""
    found = judged(Symmetric(Sided(), tuple(SYMMETRIES)), gathers, (32, 24), 8)
    return [gather_probabilities(one.seen, one.windows.weights, mean_of_windows(2)) for one in found]


@pytest.mark.parametrize("traces", [18, 24, 25, 48, 49, 61, 96, 97])
@pytest.mark.parametrize("dead", [0, 7])
def test_a_gather_is_graded_as_its_mirror_images(traces, dead):
    """Whatever traces at one of its ends are dead, and however windows have to be rounded."""
    plain = render_recording(random_recording(1, 40, traces), 40, 100)
    image = plain.image[:, :traces].astype(int)
    image[:, :dead] = 128
    turned = [image, image[:, ::-1], np.minimum(256 - image, 255), np.minimum(256 - image, 255)[:, ::-1]]
    gathers = [
        dataclasses.replace(plain, image=np.pad(one, ((0, 0), (0, 100 - traces)), constant_values=128).astype(np.uint8))
        for one in turned
    ]
    assert len({one.image.tobytes() for one in gathers}) == 4
    first, *others = grades(gathers)
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-6)


@pytest.mark.parametrize("traces", [*range(20, 53), 96, 97, 193, 900])
def test_windows_of_the_mirror_image_are_the_mirror_images(traces):
    places = windows_of(render_recording(random_recording(1, 40, traces), 40, 900), (32, 24)).places
    columns = sorted({column for _, column in places})
    last = max(traces - 24, 0)
    assert columns == [last - column for column in reversed(columns)]
    assert columns[0] == 0 and max(np.diff(columns), default=0) <= 24 and len(places) == 2 * len(columns)
    assert len(columns) <= -(-traces // 24) + 1


def test_black_is_as_far_from_the_middle_as_the_lightest_grey():
    black = LEVELS.copy()
    black[:, :2] = 0
    seen = [Symmetric(Sided(), ("polarity",)).look(one) for one in (black, turned_polarity(black))]
    assert np.allclose(seen[0].probabilities, seen[1].probabilities, atol=1e-7)
