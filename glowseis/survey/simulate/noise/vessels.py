"""Noise of ships: the own vessel's propeller, others' shots. Pressures are float32 `[trace, time]`, in microbar."""

import numpy as np
from scipy import fft

from glowseis.survey.simulate.acquisition import WATER_VELOCITY_M_S, Acquisition
from glowseis.survey.simulate.noise.spectra import (
    along_cable,
    band_pass,
    frequencies_hz,
    line,
    running,
    seconds,
    transform_length,
)


def propeller(traces: int, level_microbar: float, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """The towing vessel's propeller: a line near 20 Hz, running down the cable at the speed of sound and fading.

    Source: Dondurur 2018, propeller noise (about 20 Hz, strongest on near channels).

    Args:
        traces: Traces of the gather.
        level_microbar: Its root mean square at the near end.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    frequency = frequencies_hz(acquisition)
    amplitude = line(frequency, random.uniform(18.0, 22.0), 0.8) + 0.03 * band_pass(frequency, 6.0, 45.0)
    return along_cable(traces, amplitude, WATER_VELOCITY_M_S, level_microbar, acquisition, random)


def interference(
    traces: int, peak_microbar: float, acquisition: Acquisition, random: np.random.Generator
) -> np.ndarray:
    """Another vessel's shot: a train of tenths of a second, straight from astern, curved from abeam.

    Source: Dondurur 2018, seismic interference (linear from ahead or astern, hyperbolic from abeam).

    Args:
        traces: Traces of the gather.
        peak_microbar: Its largest pressure.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    distance_m = np.arange(traces) * acquisition.channel_interval_m
    spread_m = acquisition.spread_m
    away_m = spread_m * random.uniform(0.3, 3.0)
    abeam_m = random.uniform(-1.0, 2.0) * spread_m
    path_m = np.hypot(distance_m - abeam_m, away_m)
    start_s = random.uniform(0.0, 0.9) * acquisition.record_length_s
    delay_s = start_s + (path_m - path_m.min()) / WATER_VELOCITY_M_S
    second = seconds(acquisition)
    length_s = random.uniform(0.1, 0.3)
    train = random.standard_normal(second.size) * (second / length_s) * np.exp(-second / length_s)
    source = fft.rfft(train, transform_length(acquisition)) * band_pass(frequencies_hz(acquisition), 6.0, 35.0)
    # Arrivals after the end of the record must not wrap round to its beginning.
    arriving = delay_s < acquisition.record_length_s
    late = second[None, :] >= delay_s[:, None] - 0.05
    noise = running(source, delay_s, acquisition) * (arriving[:, None] & late)
    return (noise * (peak_microbar / max(np.abs(noise).max(), 1e-12))).astype(np.float32)
