"""Channels just within and just beyond the limits of each fault, and what is a band of noise."""

import numpy as np
import pytest

from glowseis.attributes.faults import FAULTS, reversed_traces, saturated_traces
from glowseis.attributes.measuring import Settings, measure_gather
from glowseis.attributes.rows import gather_row
from glowseis.survey.gather import Geometry, Recording

TRACES, INTERVAL_S = 48, 0.004


def recording(factor, added=0.0):
    """Traces alike but for a factor of each, `[trace]`, and what is added to them."""
    time_s = INTERVAL_S * np.arange(600)
    late_s = np.maximum(time_s - 0.6, 0)
    one = np.cos(2 * np.pi * (24 + 6 * late_s) * late_s) * np.exp(-late_s / 0.5) * (time_s >= 0.6)
    one += 0.01 * np.random.default_rng(1).standard_normal(len(one))
    one -= one.mean()
    nowhere, channel = np.full(TRACES, np.nan), np.arange(1, TRACES + 1)
    geometry = Geometry(1, 5, 1, INTERVAL_S, channel, 200 + 12.5 * channel, np.nan, np.nan, nowhere, nowhere)
    return Recording("a", (one[:, None] * factor + added).astype(np.float32), "", geometry, "a.segy")


def faults_of(factors):
    factor = np.ones(TRACES)
    factor[list(factors)] = list(factors.values())
    found = measure_gather(recording(factor), Settings()).traces
    return {name: np.flatnonzero(found[name]).tolist() for name in FAULTS if found[name].any()}


@pytest.mark.parametrize(
    ("factor", "fault"),
    [
        (0.009, "dead"),
        (0.011, "weak"),
        (-0.009, "dead"),
        (0.44, "weak"),
        (0.46, None),
        (4.9, None),
        (5.1, "wild"),
    ],
)
def test_how_loud_a_trace_with_a_fault_is_beside_others(factor, fault):
    assert faults_of({20: factor}) == ({fault: [20]} if fault else {})


@pytest.mark.parametrize(("traces", "wild"), [([20], True), ([20, 21], True), ([20, 22], True), ([20, 21, 22], False)])
def test_more_than_two_wild_traces_together_are_a_band_of_noise(traces, wild):
    assert faults_of(dict.fromkeys(traces, 8.0)) == ({"wild": traces} if wild else {})


@pytest.mark.parametrize(
    ("share", "others", "louder", "samples", "saturated"),
    [
        (0.049, 0.0, 1.0, 600, False),
        (0.051, 0.0, 1.0, 600, True),
        (0.100, 0.034, 1.0, 600, False),
        (0.100, 0.033, 1.0, 600, True),
        (0.006, 0.0, 2.9, 600, False),
        (0.006, 0.0, 3.1, 600, True),
        (0.004, 0.0, 3.1, 2000, False),
        (0.006, 0.0, 3.1, 400, False),
        (0.006, 0.003, 3.1, 600, False),
    ],
)
def test_how_often_a_saturated_trace_is_at_its_limit(share, others, louder, samples, saturated):
    shares, loud, live = np.full(TRACES, others), np.ones((2, TRACES)), np.ones(TRACES, bool)
    shares[20], loud[:, 20] = share, louder
    assert np.flatnonzero(saturated_traces(shares, loud, samples, live)).tolist() == [20] * saturated


@pytest.mark.parametrize(("length", "found"), [(4, True), (5, False)])
def test_more_than_four_reversed_traces_together_are_not_found(length, found):
    correlation = np.full(TRACES - 1, 0.9)
    correlation[[19, 19 + length]] = -0.4
    assert np.flatnonzero(reversed_traces(correlation)).tolist() == list(range(20, 20 + length)) * found


def test_dead_traces_in_a_row_are_those_of_the_longest_run():
    factor = np.ones(TRACES)
    factor[[3, 4, 5, 9, 20, 21]] = 0
    one = recording(factor)
    row = gather_row(one, measure_gather(one, Settings()), Settings())
    assert (row["dead"], row["dead_in_a_row"]) == (6, 3)


@pytest.mark.parametrize(("hz", "bands"), [(4.0, 1), (6.3, 1), (7.7, 0), (11.0, 0)])
def test_noise_that_is_loudest_above_7_hz_is_no_band(hz, bands):
    random, time_s = np.random.default_rng(3), INTERVAL_S * np.arange(600)
    noisy = np.isin(np.arange(TRACES), range(20, 27))
    added = 0.1 * random.standard_normal((600, TRACES)) + np.outer(np.sin(2 * np.pi * hz * time_s), noisy)
    found = measure_gather(recording(np.zeros(TRACES), added), Settings())
    assert len(found.bands) == bands
    assert all(band.peak_hz == pytest.approx(hz, abs=0.5) for band in found.bands)
    # All of these lie below 10 Hz but the last.
    assert (found.traces["low_share"][noisy] > 0.9).all() if hz < 10 else (found.traces["low_share"][noisy] < 0.1).all()
