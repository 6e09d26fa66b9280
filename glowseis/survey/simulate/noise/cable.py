"""Noise of the cable and what hangs on it. Pressures are float32 `[trace, time]`, in microbar."""

import math

import numpy as np

from glowseis.survey.simulate.acquisition import WATER_VELOCITY_M_S, Acquisition
from glowseis.survey.simulate.noise.spectra import (
    FADING,
    along_cable,
    band_pass,
    bursts,
    coloured,
    frequencies_hz,
    line,
    seconds,
    tails,
    to_level,
)
from glowseis.survey.simulate.plan import Band

_TRACE_SPREAD, _SLOW_TRACE_SPREAD = 0.7, 0.35
_ALIKE, _SLOW_ALIKE = (0.8, 0.6), (0.8, 0.6, 0.6, 0.4)
"""Shares in a trace of its own noise, of its neighbour's, of the next one's, ..."""
_SLOW_SHARE = 0.6


def loud_columns(band: Band, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Noise of 15 to 36 Hz, its peak near 16 Hz; each trace has its own, and some are far louder.

    Three bands in five are as slow as swell, 3.5 to 8 Hz, but alike on only a few neighbours, so that neither frequency
    nor loudness tells the two apart. Source: as measured on the published medium gather; the slow bands are ours.

    Args:
        band: Its traces and their level; its place on the cable does not matter.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    frequency = frequencies_hz(acquisition)
    slow = random.random() < _SLOW_SHARE
    low_cut_hz, low_hz, high_hz = (3.0, 3.5, 8.0) if slow else (6.0, 13.2, 15.5)
    octaves = np.log(np.maximum(frequency, 0.5) / random.uniform(low_hz, high_hz))
    # Steep below the peak, with a long tail above it.
    amplitude = np.exp(-0.5 * (octaves / np.where(octaves < 0, 0.09, 0.7)) ** 2)
    amplitude *= band_pass(frequency, low_cut_hz, 45.0)
    independent = coloured(band.traces, amplitude, acquisition, random)
    alike = np.zeros_like(independent)
    for away, share in enumerate((_SLOW_ALIKE if slow else _ALIKE)[: band.traces]):
        alike[away:] += share * independent[: band.traces - away]
    spread = _SLOW_TRACE_SPREAD if slow else _TRACE_SPREAD
    level = np.exp(random.normal(0.0, spread, band.traces)).astype(np.float32)
    shape = bursts(band.traces, 0.3, 0.4, acquisition, random) * level[:, None]
    shape *= tails(band.traces, random.uniform(0.5, 1.0), acquisition, random)
    return to_level(alike * shape, band.level_microbar)


def bird(band: Band, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Noise about a depth controller: 5 to 30 Hz, loudest on the channel beside it, the same on its neighbours.

    Source: Dondurur 2018, noise of depth controllers (birds), one every 300 m or so, on the few channels next to them.

    Args:
        band: Its traces and their level; its place on the cable does not matter.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    shaking = coloured(1, band_pass(frequencies_hz(acquisition), 5.0, 30.0), acquisition, random)
    away = np.abs(np.arange(band.traces) - (band.traces - 1) / 2)
    beside = np.exp(-away).astype(np.float32)[:, None] * bursts(1, 0.3, 0.5, acquisition, random)
    return to_level(beside * shaking, band.level_microbar)


def tug(traces: int, peak_microbar: float, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Jerks of vessel or tail buoy: trains of 3 to 10 Hz, one every few seconds, running along the cable and fading.

    Source: Dondurur 2018, tugging noise (3 to 10 Hz, linear, from either end of the cable).

    Args:
        traces: Traces of the gather.
        peak_microbar: Its largest pressure at the end that it comes from.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    second = seconds(acquisition)
    velocity_m_s = random.uniform(1200.0, WATER_VELOCITY_M_S)
    from_tail = random.random() < 0.5
    distance_m = np.arange(traces) * acquisition.channel_interval_m
    distance_m = distance_m[::-1] if from_tail else distance_m
    # A jerk may have started before the shot.
    longest_s = distance_m.max() / velocity_m_s
    start_s = random.uniform(-0.5 * longest_s, 0.8 * acquisition.record_length_s)
    period_s = random.uniform(5.0, 9.0)
    frequency_hz = random.uniform(3.5, 8.0)
    phase = random.uniform(0.0, 2.0 * math.pi)
    late_s = second[None, :] - start_s - (distance_m / velocity_m_s)[:, None]
    late_s = np.mod(late_s + 1.0, period_s) - 1.0
    train = np.exp(-0.5 * ((late_s - 0.3) / 0.16) ** 2) * np.sin(2.0 * math.pi * frequency_hz * late_s + phase)
    fading = np.exp(-distance_m / (2.0 * FADING * acquisition.spread_m))
    return (peak_microbar * fading[:, None] * train).astype(np.float32)


def strum(traces: int, level_microbar: float, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Vibration of the lead-in and the ropes that spread the cables: a line of 3 to 10 Hz and its octave.

    Vortices come off a rope at one frequency for one speed; the vibration runs along the cable and fades. Source:
    Dondurur 2018, strum noise (3 to 10 Hz, linear).

    Args:
        traces: Traces of the gather.
        level_microbar: Its root mean square at the near end.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    frequency = frequencies_hz(acquisition)
    base_hz = random.uniform(3.0, 8.0)
    amplitude = line(frequency, base_hz, 0.4) + 0.25 * line(frequency, 2.0 * base_hz, 0.5)
    velocity_m_s = random.uniform(1300.0, WATER_VELOCITY_M_S)
    return along_cable(traces, amplitude, velocity_m_s, level_microbar, acquisition, random)
