"""What the sea, the vessels and the instruments add to a gather. Each function is one kind of noise.

Kinds and frequencies follow Dondurur, "Acquisition and Processing of Marine Seismic Data" (2018); widths,
spectra and lateral correlation follow the published example of each class. Pressures are in microbar, float32
`[trace, time]`.
"""

import math

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from glowseis.survey.simulate.acquisition import WATER_VELOCITY_M_S, Acquisition
from glowseis.survey.simulate.labels import Band, NoisePlan

_LATERAL_LENGTH_TRACES = 5.8
_LATERAL_POWER = 1.7


def disturb(pressure: np.ndarray, plan: NoisePlan, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """A gather's pressure with all of a plan's noise.

    Args:
        pressure: The seismic events, float32 `[trace, time]`, in microbar.
        plan: How much of each kind.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    traces = pressure.shape[0]
    # Every kind has its own stream, so that one switched off leaves the others as they were.
    streams = random.spawn(6)
    noisy = pressure + ambient(traces, plan.ambient_microbar, acquisition, streams[0])
    for band in plan.swell:
        noisy[band.first : band.first + band.traces] += swell(band, acquisition, streams[1])
    for band in plan.columns:
        noisy[band.first : band.first + band.traces] += loud_columns(band, acquisition, streams[2])
    if plan.vessel_microbar:
        noisy += vessel(traces, plan.vessel_microbar, acquisition, streams[3])
    if plan.interference_microbar:
        noisy += interference(traces, plan.interference_microbar, acquisition, streams[4])
    return spoil_traces(noisy, plan, streams[5])


def ambient(traces: int, level_microbar: float, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Noise on every trace, falling with frequency; channels differ by some ten per cent in level.

    Args:
        traces: Traces of the gather.
        level_microbar: Its root mean square.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    frequency = _frequencies_hz(acquisition)
    amplitude = _band(frequency, 3.0, 50.0) * (1.0 + 5.0 / np.maximum(frequency, 1.0))
    noise = _coloured(traces, amplitude, acquisition, random)
    channel = gaussian_filter1d(random.normal(0.0, 1.0, traces), 1.0, mode="nearest")
    level = level_microbar * np.exp(0.13 * channel / max(channel.std(), 1e-6))
    return noise * level.astype(np.float32)[:, None]


def swell(band: Band, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Swell noise on a band of traces: 2 to 10 Hz with its peak near 4 Hz, alike on neighbours, in bursts.

    The correlation of traces n apart is exp(-(n / 5.8)^1.7). With ambient noise over it, that comes near the
    measured 0.92, 0.65 and 0.31 at 1, 3 and 6 traces.

    Args:
        band: Its traces and their level; where on the cable it lies plays no part.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    frequency = _frequencies_hz(acquisition)
    octaves = np.log(np.maximum(frequency, 0.5) / random.uniform(3.4, 4.4))
    amplitude = np.exp(-0.5 * (octaves / 0.42) ** 2) + 0.08 * _band(frequency, 3.0, 25.0)
    independent = _coloured(band.traces, amplitude, acquisition, random)
    lag = np.abs(np.subtract.outer(np.arange(band.traces), np.arange(band.traces)))
    covariance = np.exp(-((lag / _LATERAL_LENGTH_TRACES) ** _LATERAL_POWER)) + 1e-6 * np.eye(band.traces)
    together = np.linalg.cholesky(covariance).astype(np.float32) @ independent
    bursts = _bursts(band.traces, 0.75, 0.45, acquisition, random)
    across = np.sin(np.pi * (np.arange(band.traces) + 0.5) / band.traces) ** 0.35
    return _to_level(together * bursts * across.astype(np.float32)[:, None], band.level_microbar)


def loud_columns(band: Band, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Cable noise of 15 to 36 Hz, its peak near 16 Hz; each trace has its own, and some are far louder.

    Args:
        band: Its traces and their level; where on the cable it lies plays no part.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    frequency = _frequencies_hz(acquisition)
    octaves = np.log(np.maximum(frequency, 0.5) / random.uniform(12.5, 15.5))
    # Steep below the peak, with a long tail above it.
    amplitude = np.exp(-0.5 * (octaves / np.where(octaves < 0, 0.09, 0.6)) ** 2) * _band(frequency, 6.0, 45.0)
    independent = _coloured(band.traces, amplitude, acquisition, random)
    alike = 0.8 * independent
    alike[1:] += 0.6 * independent[:-1]
    level = np.exp(random.normal(0.0, 1.0, band.traces)).astype(np.float32)
    bursts = _bursts(band.traces, 0.3, 0.4, acquisition, random)
    return _to_level(alike * bursts * level[:, None], band.level_microbar)


def vessel(traces: int, level_microbar: float, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Tug and propeller noise: 3 to 10 Hz and a line near 20 Hz, running down the cable and fading.

    Args:
        traces: Traces of the gather.
        level_microbar: Its root mean square at the near end.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    frequency = _frequencies_hz(acquisition)
    amplitude = _band(frequency, 3.0, 10.0) + 1.5 * np.exp(-0.5 * ((frequency - random.uniform(17.0, 22.0)) / 0.8) ** 2)
    source = amplitude * (random.standard_normal(frequency.size) + 1j * random.standard_normal(frequency.size))
    distance_m = np.arange(traces) * acquisition.channel_interval_m
    delay_s = distance_m / WATER_VELOCITY_M_S
    running = source[None, :] * np.exp(-2j * np.pi * np.outer(delay_s, frequency))
    noise = _to_time(running, acquisition)
    fading = np.exp(-distance_m / (0.12 * acquisition.scale * 8000.0))
    return (noise * (level_microbar / _rms(noise) * fading)[:, None]).astype(np.float32)


def interference(
    traces: int, peak_microbar: float, acquisition: Acquisition, random: np.random.Generator
) -> np.ndarray:
    """Another vessel's shot: a train of tenths of a second, straight from astern, curved from abeam.

    Args:
        traces: Traces of the gather.
        peak_microbar: Its largest pressure.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    frequency = _frequencies_hz(acquisition)
    distance_m = np.arange(traces) * acquisition.channel_interval_m
    spread_m = acquisition.spread_m
    away_m = spread_m * random.uniform(0.3, 3.0)
    abeam_m = random.uniform(-1.0, 2.0) * spread_m
    path_m = np.hypot(distance_m - abeam_m, away_m)
    start_s = random.uniform(0.0, 0.9) * acquisition.record_length_s
    delay_s = start_s + (path_m - path_m.min()) / WATER_VELOCITY_M_S
    amplitude = _band(frequency, 6.0, 35.0)
    seconds = _seconds(acquisition)
    length_s = random.uniform(0.1, 0.3)
    train = random.standard_normal(seconds.size) * (seconds / length_s) * np.exp(-seconds / length_s)
    source = fft.rfft(train, _length(acquisition)) * amplitude
    # What would come in after the record must not come round to its beginning.
    arriving = delay_s < acquisition.record_length_s
    running = source[None, :] * np.exp(-2j * np.pi * np.outer(delay_s, frequency))
    noise = _to_time(running, acquisition)
    late = seconds[None, :] >= delay_s[:, None] - 0.05
    noise = noise * (arriving[:, None] & late)
    return (noise * (peak_microbar / max(np.abs(noise).max(), 1e-12))).astype(np.float32)


def spoil_traces(pressure: np.ndarray, plan: NoisePlan, random: np.random.Generator) -> np.ndarray:
    """Weak, reversed, spiky and dead channels.

    Args:
        pressure: A gather with its noise, float32 `[trace, time]`, in microbar.
        plan: Which channels.
        random: Source of randomness.

    Returns:
        The gather with those channels spoilt.
    """
    spoilt = pressure.copy()
    loud = 2.0 * float(np.quantile(np.abs(pressure[::2, ::3]), 0.98))
    for trace in plan.weak:
        spoilt[trace] *= random.uniform(0.03, 0.3)
    for trace in plan.reversed:
        spoilt[trace] *= -1.0
    for trace in plan.spiky:
        spikes = random.integers(spoilt.shape[1], size=1 + random.poisson(6.0))
        spoilt[trace, spikes] += loud * random.standard_normal(spikes.size)
    for trace in plan.dead:
        spoilt[trace] = 0.0
    return spoilt.astype(np.float32)


def _bursts(
    traces: int, depth: float, period_s: float, acquisition: Acquisition, random: np.random.Generator
) -> np.ndarray:
    """How loud noise is over time, float32 `[trace, time]`: it comes and goes, a bit later on each trace."""
    samples = acquisition.samples
    smooth = period_s / acquisition.sample_interval_s
    slow = gaussian_filter1d(random.standard_normal(samples + 2 * traces), smooth, mode="reflect")
    # A Gaussian filter leaves white noise this standard deviation; a short record sees part of one burst.
    slow /= (2.0 * math.sqrt(math.pi) * smooth) ** -0.5
    drift = random.choice([-2, -1, 1, 2])
    start = np.arange(traces) * drift - min(0, drift * (traces - 1))
    return np.exp(depth * slow[start[:, None] + np.arange(samples)[None, :]]).astype(np.float32)


def _coloured(traces: int, amplitude: np.ndarray, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Independent noise on traces, of this amplitude spectrum `[frequency]` and unit root mean square."""
    values = random.standard_normal((traces, amplitude.size, 2), dtype=np.float32).view(np.complex64)[..., 0]
    power = np.sum(2.0 * 2.0 * amplitude[1:-1] ** 2) / _length(acquisition) ** 2
    return _to_time(values * (amplitude / math.sqrt(power)).astype(np.float32), acquisition)


def _band(frequency_hz: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """A band-pass of 18 dB an octave below and steeper above: amplitudes `[frequency]`."""
    low = (frequency_hz / low_hz) ** 3 / np.sqrt(1.0 + (frequency_hz / low_hz) ** 6)
    return low / np.sqrt(1.0 + (frequency_hz / high_hz) ** 16)


def _to_level(noise: np.ndarray, level_microbar: float) -> np.ndarray:
    return noise * np.float32(level_microbar / max(_rms(noise), 1e-12))


def _rms(noise: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(noise))))


def _to_time(spectrum: np.ndarray, acquisition: Acquisition) -> np.ndarray:
    return fft.irfft(spectrum, n=_length(acquisition), axis=-1)[:, : acquisition.samples]


def _length(acquisition: Acquisition) -> int:
    return fft.next_fast_len(2 * (acquisition.samples // 2 + 16), real=True) // 2 * 2


def _frequencies_hz(acquisition: Acquisition) -> np.ndarray:
    return np.fft.rfftfreq(_length(acquisition), acquisition.sample_interval_s)


def _seconds(acquisition: Acquisition) -> np.ndarray:
    return np.arange(acquisition.samples) * acquisition.sample_interval_s
