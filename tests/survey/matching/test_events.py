"""Figures of events: what a shot gather has whatever its acquisition, and other pictures lack."""

import numpy as np
import pytest
from scipy.ndimage import shift
from scipy.signal import firwin

from glowseis.survey.matching.events import EVENT_STATISTICS, event_statistics
from glowseis.survey.matching.statistics import STATISTICS

SAMPLES, TRACES, FIRST = 448, 60, 160


def image_of(amplitude):
    return np.clip(np.rint(128 + 40 * amplitude), 0, 255).astype(np.uint8)


def waves(samples_per_trace, noise=0.1):
    """Plane waves that begin at sample `FIRST` of the first trace, with little noise; `samples_per_trace[trace]`."""
    random = np.random.default_rng(1)
    source = np.convolve(random.normal(size=SAMPLES), firwin(41, [0.2, 0.7], pass_zero=False), "same") * 2
    source[:FIRST] = 0
    moveout = np.cumsum(np.broadcast_to(samples_per_trace, TRACES))
    traces = np.stack([shift(source, one, order=3) for one in moveout], axis=1)
    return traces + noise * random.normal(size=traces.shape)


def figures(amplitude, **known):
    return dict(zip(EVENT_STATISTICS, event_statistics(image_of(amplitude), **known), strict=True))


@pytest.fixture(scope="module")
def usual():
    return figures(waves(0.7), seconds_per_metre=0.008 / 12.5)


def test_plane_waves_have_their_dip(usual):
    assert usual["coherence"] > 0.85 and usual["live_neighbours"] == 1
    assert np.exp(usual["dip"]) == pytest.approx(0.72, abs=0.1)
    # The direct wave takes 12.5 m / 1500 m/s = 1.04 samples of 8 ms from trace to trace.
    assert np.exp(usual["water_dip"]) == pytest.approx(0.72 / 1.04, abs=0.1)
    assert np.exp(usual["dip_roughness"]) < 0.1 and np.exp(usual["dip_change"]) < 0.1
    assert np.isnan(figures(waves(0.7))["water_dip"])


def test_dips_that_change_along_the_cable_are_told(usual):
    found = figures(waves(np.linspace(0, 1.5, TRACES)))
    assert np.exp(found["dip_change"]) == pytest.approx(1.02, abs=0.1)
    assert found["dip_roughness"] < -2


def test_noise_and_shuffled_traces_are_not_like_waves(usual):
    random = np.random.default_rng(2)
    noise = figures(random.normal(size=(SAMPLES, TRACES)))
    assert noise["coherence"] < 0.55 and noise["onset"] < 0.5 and usual["onset"] > 1
    assert noise["dip_roughness"] > usual["dip_roughness"] + 3
    shuffled = figures(waves(0.7)[:, random.permutation(TRACES)])
    assert shuffled["dip_roughness"] > usual["dip_roughness"] + 2 and shuffled["dip"] > usual["dip"] + 1


def test_time_has_a_direction(usual):
    waning = waves(0.0, 0.01) * np.exp(-np.arange(SAMPLES)[:, np.newaxis] / 60)
    assert figures(5 * waning[::-1])["onset"] < 0.7 * figures(5 * waning)["onset"]


def test_a_wrong_interval_doubles_dips_and_moves_the_spectrum(usual):
    stretched = np.repeat(waves(0.7, 0.01), 2, axis=0)[FIRST : FIRST + SAMPLES]
    stretched = (stretched[1:] + stretched[:-1]) / 2
    found = figures(stretched, seconds_per_metre=0.008 / 12.5)
    assert found["water_dip"] - usual["water_dip"] == pytest.approx(np.log(2), abs=0.1)
    assert found["spectral_slope"] > usual["spectral_slope"] + 0.5


def test_striped_gathers_have_no_live_neighbours():
    striped = np.where(np.arange(TRACES) % 2, 0.0, waves(0.7))
    assert figures(striped)["live_neighbours"] == 0
    # Waves are followed from one live trace to the next.
    assert np.exp(figures(striped)["dip"]) == pytest.approx(1.42, abs=0.1)


def test_gain_polarity_and_the_cables_direction_change_nothing(usual):
    waves_, known = waves(0.7), {"seconds_per_metre": 0.008 / 12.5}
    for same in (-waves_, waves_[:, ::-1], 0.7 * waves_):
        assert figures(same, **known) == pytest.approx(usual, abs=0.1)


def test_what_cannot_be_measured_is_not_a_number():
    image = image_of(waves(0.7))
    for small in (image[:127], image[:, :15], np.full_like(image, 128), np.zeros((0, 0), np.uint8)):
        assert np.isnan(event_statistics(small)[1:]).all()
    assert np.isfinite(event_statistics(image[:128, :16], 1.0)).all()
    assert np.isnan(event_statistics(np.full_like(image, 128))).all()
    with np.errstate(all="raise"):
        assert event_statistics(np.full_like(image, 99)).shape == (len(EVENT_STATISTICS),)
    assert not set(EVENT_STATISTICS) & set(STATISTICS)
