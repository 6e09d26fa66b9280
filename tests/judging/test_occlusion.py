import dataclasses

import numpy as np
import pytest

from glowseis.judging.combination import mean_of_windows
from glowseis.judging.gathers import Seen, gather_probabilities
from glowseis.judging.occlusion import occlude
from tests.support.random_gathers import random_gather

SIZE = (64, 48)


class LoudnessLooker:
    """A stand-in: a window is the worse, the more of it is loud."""

    def __init__(self):
        self.looked = 0

    def look(self, images):
        self.looked += len(images)
        loud = (np.abs(images.astype(np.int64) - 128) > 60).mean(axis=(1, 2))
        bad = 1 / (1 + np.exp(3 - 20 * loud))
        found = np.stack([1 - bad, bad], axis=1).astype(np.float32)
        return Seen(found, np.log(found), None)


def probability(seen, weights):
    return gather_probabilities(seen, weights, mean_of_windows(2))[-1]


def planted(samples=slice(0), traces=slice(0), shape=(128, 160)):
    """A quiet gather with a loud stretch of some traces."""
    gather = random_gather(1, shape, samples=shape[0], traces=shape[1])
    image = np.random.default_rng(3).integers(120, 137, shape).astype(np.uint8)
    image[samples, traces] = 20
    return dataclasses.replace(gather, image=image)


def test_planted_band_is_found():
    samples, traces = slice(32, 80), slice(70, 100)
    found = occlude(LoudnessLooker(), planted(samples, traces), SIZE, probability)
    assert found.evidence.shape == (8, 16)
    ((rows, columns),) = found.places
    # Parts are 16 samples and 10 traces.
    assert (rows.start, rows.stop, columns.start, columns.stop) == (32, 80, 70, 100)
    assert found.columns == [slice(70, 100)]
    outside = found.evidence.copy()
    outside[2:5, 7:10] = -np.inf
    assert found.evidence[2:5, 7:10].min() > 2 * outside.max()
    assert found.without < found.probability - 0.1
    quiet = occlude(LoudnessLooker(), planted(), SIZE, probability)
    assert found.without == pytest.approx(quiet.probability, abs=0.02)


def test_quiet_gather_has_no_place_that_speaks():
    found = occlude(LoudnessLooker(), planted(), SIZE, probability)
    assert not found.places and not found.columns and found.without == found.probability


def test_only_windows_that_a_part_touches_are_looked_at_again():
    looker = LoudnessLooker()
    gather = planted(slice(32, 80), slice(70, 100))
    found = occlude(looker, gather, SIZE, probability, parts=(2, 4))
    windows = 2 * 4
    assert windows < looker.looked <= windows + 8 * 4 + windows
    # The same as by grading each covered gather afresh.
    image = gather.image.copy()
    image[:64, 40:80] = 128
    fresh = occlude(LoudnessLooker(), dataclasses.replace(gather, image=image), SIZE, probability, parts=(1, 1))
    odds = np.log(found.probability / (1 - found.probability)) - found.evidence[0, 1]
    assert 1 / (1 + np.exp(-odds)) == pytest.approx(fresh.probability, rel=1e-6)


@pytest.mark.parametrize("shape", [(64, 48), (5, 3)])
def test_gather_of_one_window_or_less(shape):
    found = occlude(LoudnessLooker(), planted(slice(0, 3), slice(0, 2), shape), SIZE, probability)
    assert found.evidence.shape == (min(8, shape[0]), min(16, shape[1])) and np.isfinite(found.evidence).all()


def test_two_bands_are_two_places_and_what_is_known_is_covered_together():
    gather = planted(slice(32, 80), slice(70, 100))
    gather.image[96:128, 20:30] = 20
    known = [(slice(32, 80), np.arange(70, 100)), (slice(96, 128), slice(20, 30))]
    found = occlude(LoudnessLooker(), gather, SIZE, probability, known=known)
    assert found.places == [(slice(32, 80), slice(70, 100)), (slice(96, 128), slice(20, 30))]
    assert found.columns == [slice(20, 30), slice(70, 100)]
    quiet = occlude(LoudnessLooker(), planted(), SIZE, probability)
    assert quiet.without_known is None
    assert found.without == found.without_known == pytest.approx(quiet.probability, abs=0.02)
