"""What is a band of noise among traces of known levels."""

import numpy as np
import pytest

from glowseis.attributes.bands import NEAREST_TRACES, noise_bands


def test_two_noisy_traces_are_no_band():
    low = np.random.default_rng(5).standard_normal((40, 60)).astype(np.float32)
    low[20:22] *= 9
    power, live = np.ones((40, 5), np.float32), np.ones(40, bool)
    assert noise_bands(low, 0.03, 0.0, np.arange(1.0, 6.0), power, live) == []
    low[22] *= 9
    assert len(noise_bands(low, 0.03, 0.0, np.arange(1.0, 6.0), power, live)) == 1


@pytest.mark.parametrize(("edge", "bands"), [(1.0, 1), (1.5, 0)])
def test_a_level_that_grows_along_the_cable_is_no_band(edge, bands):
    """As the signal's low frequencies do near the source: the traces beside the noisy ones are nearly as loud."""
    low = np.random.default_rng(5).standard_normal((80, 200)).astype(np.float32)
    low[:40] *= np.where(np.arange(40) < 10, 2.5, edge)[:, None]
    power, live = np.ones((80, 5), np.float32), np.ones(80, bool)
    assert len(noise_bands(low, 0.03, 0.0, np.arange(1.0, 6.0), power, live)) == bands


@pytest.mark.parametrize(("until", "nearest", "bands"), [(140, 0, 0), (200, 0, 1), (140, 79, 1), (140, None, 1)])
def test_what_is_loud_beside_the_source_and_early_alone_is_its_signal(until, nearest, bands):
    low = np.random.default_rng(5).standard_normal((80, 200)).astype(np.float32)
    low[1:9, :until] *= 9
    power, live = np.ones((80, 5), np.float32), np.ones(80, bool)
    assert len(noise_bands(low, 0.03, 0.0, np.arange(1.0, 6.0), power, live, nearest)) == bands


@pytest.mark.parametrize("away", range(3, 8))
def test_a_band_counts_alike_from_both_ends_of_the_cable(away):
    low = np.random.default_rng(5).standard_normal((80, 200)).astype(np.float32)
    low[away : away + 8, :140] *= 9
    power, live = np.ones((80, 5), np.float32), np.ones(80, bool)
    wanted = away >= NEAREST_TRACES
    for traces, nearest in ((low, 0), (low[::-1], 79)):
        assert len(noise_bands(traces, 0.03, 0.0, np.arange(1.0, 6.0), power, live, nearest)) == wanted


def test_the_excess_of_a_band_is_that_of_its_loudest_trace():
    low = np.random.default_rng(5).standard_normal((60, 400)).astype(np.float32)
    low[20:24] *= np.array([[3], [9], [4], [5]])
    power, live = np.ones((60, 5), np.float32), np.ones(60, bool)
    (band,) = noise_bands(low, 0.03, 0.0, np.arange(1.0, 6.0), power, live)
    assert band.excess == pytest.approx(9, rel=0.15)
