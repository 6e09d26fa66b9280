"""Noise of the sea, everywhere and in bands of swell. Pressures are float32 `[trace, time]`, in microbar."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from glowseis.survey.simulate.acquisition import Acquisition
from glowseis.survey.simulate.noise.spectra import (
    band_pass,
    bursts,
    coloured,
    frequencies_hz,
    running,
    tails,
    to_level,
)
from glowseis.survey.simulate.plan import Band

_SWELL_PEAK_HZ = 3.9
_LATERAL_LENGTH_TRACES = 7.0
_LATERAL_POWER = 1.7
_CARRIED = 0.8
_WAVES, _WAVE_LENGTH_TRACES = 4, 6.0
"""Waves that a band's noise is made of, and along how many traces each is loud."""


def ambient(traces: int, level_microbar: float, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Noise on every trace, falling with frequency; channels differ by some ten per cent in level.

    Source: Dondurur 2018, ambient noise; at most 8 microbar by the trade's contracts.

    Args:
        traces: Traces of the gather.
        level_microbar: Its root mean square.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    frequency = frequencies_hz(acquisition)
    amplitude = band_pass(frequency, 3.0, 50.0) * (1.0 + 5.0 / np.maximum(frequency, 1.0))
    noise = coloured(traces, amplitude, acquisition, random)
    channel = gaussian_filter1d(random.normal(0.0, 1.0, traces), 1.0, mode="nearest")
    level = level_microbar * np.exp(0.13 * channel / max(channel.std(), 1e-6))
    return noise * level.astype(np.float32)[:, None]


def swell(band: Band, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Swell noise on a band of traces: 2 to 10 Hz with its peak near 4 Hz, alike on neighbours, in bursts.

    The correlation of traces n apart is exp(-(n / length)^1.7), the length 7 traces in the middle. With ambient noise
    over it, that comes near the measured 0.92, 0.65 and 0.31 at 1, 3 and 6 traces. Peak, length, bursts and the leaning
    tails to either side differ from band to band as seas do. Where the acquisition's cables carry transverse waves,
    four bands in five are made of these instead. Source: Dondurur 2018, swell noise (0 to 10 Hz, vertical bands of
    high amplitude); peak, widths and correlation as measured on the published bad gather of acquisition A; the waves
    as seen on those of acquisition B, where noise leans by some 30 samples a trace.

    Args:
        band: Its traces and their level; its place on the cable does not matter.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    frequency = frequencies_hz(acquisition)
    peak_hz = np.clip(_SWELL_PEAK_HZ * np.exp(random.normal(0.0, 0.3)), 2.5, 8.0)
    octaves = np.log(np.maximum(frequency, 0.5) / peak_hz)
    sea = acquisition.sea
    amplitude = np.exp(-0.5 * (octaves / 0.42) ** 2) + sea.broadband * band_pass(frequency, 3.0, 37.0)
    if sea.waves_m_s and random.random() < _CARRIED:
        together = _waves(band.traces, amplitude, acquisition, random)
    else:
        together = _alike(band.traces, amplitude, acquisition, random)
    depth, period_s = random.uniform(0.3, 1.2), random.uniform(0.25, 0.8)
    shape = bursts(band.traces, depth, period_s, acquisition, random)
    shape *= tails(band.traces, random.uniform(0.25, 0.8), acquisition, random)
    return to_level(together * shape, band.level_microbar)


def _alike(traces: int, amplitude: np.ndarray, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Noise that is alike on neighbouring traces, float32 `[trace, time]`."""
    independent = coloured(traces, amplitude, acquisition, random)
    lag = np.abs(np.subtract.outer(np.arange(traces), np.arange(traces)))
    length_traces = _LATERAL_LENGTH_TRACES * np.exp(random.normal(0.0, 0.35))
    covariance = np.exp(-((lag / length_traces) ** _LATERAL_POWER)) + 1e-6 * np.eye(traces)
    return np.linalg.cholesky(covariance).astype(np.float32) @ independent


def _waves(traces: int, amplitude: np.ndarray, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Noise of transverse waves of the cable, most of them running one way, float32 `[trace, time]`."""
    trace = np.arange(traces)
    noise = np.zeros((traces, acquisition.samples), np.float32)
    way = random.choice([-1.0, 1.0])
    for _ in range(_WAVES):
        velocity_m_s = acquisition.sea.waves_m_s * np.exp(random.normal(0.0, 0.15))
        velocity_m_s *= way if random.random() < 0.8 else -way
        source = amplitude * (random.standard_normal(amplitude.size) + 1j * random.standard_normal(amplitude.size))
        wave = running(source, trace * acquisition.channel_interval_m / velocity_m_s, acquisition)
        loud = np.exp(-0.5 * ((trace - random.uniform(0.0, traces)) / _WAVE_LENGTH_TRACES) ** 2)
        noise += to_level(wave, 1.0) * loud.astype(np.float32)[:, None]
    return noise
