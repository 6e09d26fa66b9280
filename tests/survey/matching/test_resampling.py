"""Recordings brought to another sample interval."""

import numpy as np
import pytest

from glowseis.survey.matching.resampling import ratio, resampled_in_time


def tone(frequency_hz, interval_s, seconds=2.0):
    times_s = np.arange(round(seconds / interval_s)) * interval_s
    return np.cos(2 * np.pi * frequency_hz * times_s)[:, np.newaxis]


@pytest.mark.parametrize("interval_s", [0.0005, 0.001, 0.002, 0.004, 0.01])
@pytest.mark.parametrize("frequency_hz", [3, 10, 30])
def test_a_tone_keeps_amplitude_phase_and_place(interval_s, frequency_hz):
    made = resampled_in_time(tone(frequency_hz, interval_s), interval_s, 0.008)
    inside = np.s_[40:-40]
    np.testing.assert_allclose(made[inside], tone(frequency_hz, 0.008, 3)[: len(made)][inside], atol=2e-3)


@pytest.mark.parametrize("interval_s", [0.001, 0.002, 0.004])
@pytest.mark.parametrize("frequency_hz", [63, 70, 100, 120])
def test_what_would_alias_is_gone(interval_s, frequency_hz):
    made = resampled_in_time(tone(frequency_hz, interval_s), interval_s, 0.008)
    assert np.abs(made[40:-40]).max() < 2e-3
    assert np.abs(made).max() < 0.7


@pytest.mark.parametrize("interval_s", [0.002, 0.003, 0.01])
def test_a_constant_and_ends_do_not_ring(interval_s):
    amplitude = np.full((200, 2), 1e4, np.float32)
    amplitude[:, 1] += np.linspace(-1, 1, 200)
    made = resampled_in_time(amplitude, interval_s, 0.008)
    assert (made[:, 0] == 1e4).all()
    assert np.abs(made[:, 1] - 1e4).max() < 1.1


def test_broken_traces_stay_broken_and_hurt_no_other():
    amplitude = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    whole = resampled_in_time(amplitude, 0.004, 0.008)
    amplitude[7, 1], amplitude[9, 2], amplitude[:, 3] = np.nan, np.inf, 0
    made = resampled_in_time(amplitude, 0.004, 0.008)
    assert np.isnan(made[:, 1:3]).all() and not made[:, 3].any()
    np.testing.assert_array_equal(made[:, 0], whole[:, 0])


@pytest.mark.parametrize("gain", [1e-30, 1e30, 2e38])
def test_the_gain_plays_no_part(gain):
    amplitude = np.random.default_rng(0).uniform(-1, 1, (300, 4))
    made = resampled_in_time((gain * amplitude).astype(np.float32), 0.004, 0.008)
    assert np.isfinite(made).all()
    np.testing.assert_allclose(made / np.float32(gain), resampled_in_time(amplitude, 0.004, 0.008), atol=2e-2)


@pytest.mark.parametrize(("samples", "expected"), [(600, 300), (601, 301), (5, 3), (1, 1)])
def test_no_sample_lies_behind_the_record(samples, expected):
    amplitude = np.ones((samples, 2), np.float32)
    assert resampled_in_time(amplitude, 0.004, 0.008).shape == (expected, 2)
    assert len(resampled_in_time(amplitude, 0.01, 0.008)) == (samples - 1) * 5 // 4 + 1


def test_the_same_interval_changes_nothing():
    amplitude = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    np.testing.assert_array_equal(resampled_in_time(amplitude, 0.004, 0.004), amplitude)


@pytest.mark.parametrize(
    ("interval_s", "wanted_s", "expected"),
    [
        (0.004, 0.008, (1, 2)),
        (float(np.float32(0.004)), 0.008, (1, 2)),
        (0.0005, 0.008, (1, 16)),
        (0.003, 0.008, (3, 8)),
        (0.01, 0.008, (5, 4)),
        (0.00333333333, 0.008, (5, 12)),
    ],
)
def test_ratios_are_exact(interval_s, wanted_s, expected):
    assert ratio(interval_s, wanted_s) == expected


@pytest.mark.parametrize("intervals", [(0, 0.008), (-0.004, 0.008), (1e-8, 0.5)])
def test_intervals_that_make_no_sense(intervals):
    with pytest.raises(ValueError, match="sample intervals are"):
        ratio(*intervals)
