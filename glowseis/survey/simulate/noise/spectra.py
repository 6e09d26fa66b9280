"""Spectra and bursts from which the kinds of noise are made."""

import math

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from glowseis.survey.simulate.acquisition import Acquisition

FADING = 0.12
"""Share of the cable along which noise from its near end falls to 1/e."""


def coloured(traces: int, amplitude: np.ndarray, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Independent noise on traces, of unit root mean square.

    Args:
        traces: How many.
        amplitude: Amplitude spectrum `[frequency]`, at `frequencies_hz`.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Noise, float32 `[trace, time]`.
    """
    values = random.standard_normal((traces, amplitude.size, 2), dtype=np.float32).view(np.complex64)[..., 0]
    power = np.sum(2.0 * 2.0 * amplitude[1:-1] ** 2) / transform_length(acquisition) ** 2
    return to_time(values * (amplitude / math.sqrt(power)).astype(np.float32), acquisition)


def running(source: np.ndarray, delay_s: np.ndarray, acquisition: Acquisition) -> np.ndarray:
    """One source's noise on every trace, each with its delay.

    Args:
        source: Spectrum at the source, complex `[frequency]`, at `frequencies_hz`.
        delay_s: Delays `[trace]`, in seconds.
        acquisition: Sample interval and record length.

    Returns:
        Noise, float32 `[trace, time]`.
    """
    phase = np.outer(delay_s, frequencies_hz(acquisition)).astype(np.float32)
    phase -= np.rint(phase)
    turned = source.astype(np.complex64) * np.exp(np.complex64(-2j * np.pi) * phase)
    return to_time(turned, acquisition)


def along_cable(
    traces: int,
    amplitude: np.ndarray,
    velocity_m_s: float,
    level_microbar: float,
    acquisition: Acquisition,
    random: np.random.Generator,
) -> np.ndarray:
    """Noise of one source before the cable, which runs along it and fades.

    Args:
        traces: Traces of the gather.
        amplitude: Amplitude spectrum `[frequency]`, at `frequencies_hz`.
        velocity_m_s: Its velocity.
        level_microbar: Its root mean square at the near end.
        acquisition: Sample interval, record length, channel interval.
        random: Source of randomness.

    Returns:
        Noise, float32 `[trace, time]`.
    """
    source = amplitude * (random.standard_normal(amplitude.size) + 1j * random.standard_normal(amplitude.size))
    distance_m = np.arange(traces) * acquisition.channel_interval_m
    noise = running(source, distance_m / velocity_m_s, acquisition)
    fading = np.exp(-distance_m / (FADING * acquisition.spread_m))
    return (noise * (level_microbar / max(root_mean_square(noise), 1e-12) * fading)[:, None]).astype(np.float32)


def bursts(
    traces: int, depth: float, period_s: float, acquisition: Acquisition, random: np.random.Generator
) -> np.ndarray:
    """Loudness of noise over time: it comes and goes, slightly later on each trace.

    Args:
        traces: How many.
        depth: Standard deviation of the loudness' logarithm.
        period_s: Length of a burst, in seconds.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Factors, float32 `[trace, time]`.
    """
    samples = acquisition.samples
    smooth = period_s / acquisition.sample_interval_s
    slow = gaussian_filter1d(random.standard_normal(samples + 2 * traces), smooth, mode="reflect")
    # A Gaussian filter leaves white noise this standard deviation; a short record sees part of one burst.
    slow /= (2.0 * math.sqrt(math.pi) * smooth) ** -0.5
    drift = random.choice([-2, -1, 1, 2])
    start = np.arange(traces) * drift - min(0, drift * (traces - 1))
    return np.exp(depth * slow[start[:, None] + np.arange(samples)[None, :]]).astype(np.float32)


def tails(traces: int, core: float, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Loudness of noise across a band: constant in its core, fading to either side, and leaning as a whole.

    Bands of noise on published gathers have no edges: they fade over some traces, and move along the cable with time.

    Args:
        traces: Traces of the band with its tails.
        core: Share of them that are as loud as the middle.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Factors from 0 to 1, float32 `[trace, time]`.
    """
    half = max(traces / 2.0, 1.0)
    lean = random.uniform(-1.0, 1.0) * (1.0 - core) * half
    late = np.linspace(-0.5, 0.5, acquisition.samples, dtype=np.float32)
    away = np.arange(traces, dtype=np.float32)[:, None] - np.float32((traces - 1) / 2.0) - np.float32(lean) * late
    fading = np.clip((np.abs(away) / np.float32(half) - core) / max(1.0 - core, 1e-6), 0.0, 1.0)
    return (0.5 + 0.5 * np.cos(np.pi * fading)).astype(np.float32)


def band_pass(frequency_hz: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """A band-pass of 18 dB an octave below and steeper above.

    Args:
        frequency_hz: Frequencies `[frequency]`.
        low_hz: Lower corner.
        high_hz: Upper corner.

    Returns:
        Amplitudes `[frequency]`.
    """
    low = (frequency_hz / low_hz) ** 3 / np.sqrt(1.0 + (frequency_hz / low_hz) ** 6)
    return low / np.sqrt(1.0 + (frequency_hz / high_hz) ** 16)


def line(frequency_hz: np.ndarray, centre_hz: float, width_hz: float) -> np.ndarray:
    """A spectral line of Gaussian shape.

    Args:
        frequency_hz: Frequencies `[frequency]`.
        centre_hz: Where it is.
        width_hz: Its standard deviation.

    Returns:
        Amplitudes `[frequency]`.
    """
    return np.exp(-0.5 * ((frequency_hz - centre_hz) / width_hz) ** 2)


def to_level(noise: np.ndarray, level_microbar: float) -> np.ndarray:
    """Noise scaled to a root mean square.

    Args:
        noise: Any noise.
        level_microbar: The wanted root mean square.

    Returns:
        The noise, float32.
    """
    return (noise * np.float32(level_microbar / max(root_mean_square(noise), 1e-12))).astype(np.float32)


def root_mean_square(noise: np.ndarray) -> float:
    """Root mean square of all values."""
    return float(np.sqrt(np.mean(np.square(noise))))


def to_time(spectrum: np.ndarray, acquisition: Acquisition) -> np.ndarray:
    """Spectra `[trace, frequency]` as samples `[trace, time]`."""
    return fft.irfft(spectrum, n=transform_length(acquisition), axis=-1)[:, : acquisition.samples]


def transform_length(acquisition: Acquisition) -> int:
    """Samples of the Fourier transforms: even, and more than the record's."""
    return fft.next_fast_len(2 * (acquisition.samples // 2 + 16), real=True) // 2 * 2


def frequencies_hz(acquisition: Acquisition) -> np.ndarray:
    """Frequencies of the Fourier transforms `[frequency]`, in hertz."""
    return np.fft.rfftfreq(transform_length(acquisition), acquisition.sample_interval_s)


def seconds(acquisition: Acquisition) -> np.ndarray:
    """Times of the samples `[time]`, in seconds."""
    return np.arange(acquisition.samples) * acquisition.sample_interval_s
