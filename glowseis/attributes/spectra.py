"""Which frequencies a trace holds."""

import numpy as np
from scipy import fft
from scipy.ndimage import uniform_filter1d

LOW_HZ = 10.0
"""Where the low band ends. Swell noise lies below it (Dondurur 2018), most of a marine source's power above."""

SMOOTH_HZ = 2.0
"""Width over which power is averaged before its peak is taken."""

LOWEST_HZ = 1.0
"""What lies below is drift, not noise of the sea."""

BAND_HZ = 8.0
"""Where the band of swell ends that `low_traces` keep: a shallow source has some power just below 10 Hz."""

PADDED = 16
"""Traces are padded with zeros by one part in so many."""

_LOW_TAPER_HZ = 2.0
_LOW_STEP_S = 0.032


def spectra(traces: np.ndarray) -> np.ndarray:
    """Fourier transforms of traces, padded with zeros to a length that is quick to transform.

    Args:
        traces: Amplitudes about zero, float32 `[trace, time]`.

    Returns:
        Complex64 `[trace, frequency]`.
    """
    return np.asarray(fft.rfft(traces, transform_length(traces.shape[1]), axis=1))


def transform_length(samples: int) -> int:
    """Samples of the transforms of traces of this length; padded, so that the end hardly leaks into the beginning.

    Args:
        samples: Samples of a trace.
    """
    return int(fft.next_fast_len(samples + samples // PADDED, real=True))


def frequencies_hz(samples: int, interval_s: float) -> np.ndarray:
    """The frequencies of `spectra`, float64 `[frequency]`, in hertz.

    Args:
        samples: Samples of a trace.
        interval_s: Time between two samples, in seconds.
    """
    return np.fft.rfftfreq(transform_length(samples), interval_s)


def power(spectrum: np.ndarray) -> np.ndarray:
    """Power at each frequency.

    Args:
        spectrum: From `spectra`, complex64 `[trace, frequency]`.

    Returns:
        Squared magnitudes, float32 `[trace, frequency]`.
    """
    return np.square(spectrum.real) + np.square(spectrum.imag)


def peak_hz(powers: np.ndarray, frequency_hz: np.ndarray) -> np.ndarray:
    """The frequency at which a trace has most power, averaged over 2 Hz; from 1 Hz.

    Args:
        powers: Power, float32 `[trace, frequency]`.
        frequency_hz: Frequencies `[frequency]`.

    Returns:
        Hertz, float64 `[trace]`; NaN for traces without power.
    """
    step = frequency_hz[1] if len(frequency_hz) > 1 else 1.0
    first = int(np.searchsorted(frequency_hz, LOWEST_HZ))
    if first >= len(frequency_hz):
        return np.full(len(powers), np.nan)
    smooth = uniform_filter1d(powers, max(1, round(SMOOTH_HZ / step)), axis=1, mode="nearest")[:, first:]
    place = first + smooth.argmax(axis=1)
    return np.where(smooth.max(axis=1) > 0, frequency_hz[place], np.nan)


def low_share(powers: np.ndarray, frequency_hz: np.ndarray) -> np.ndarray:
    """The share of a trace's power below 10 Hz.

    Args:
        powers: Power, float32 `[trace, frequency]`.
        frequency_hz: Frequencies `[frequency]`.

    Returns:
        0 to 1, float64 `[trace]`; NaN for traces without power.
    """
    low = powers[:, : np.searchsorted(frequency_hz, LOW_HZ)].sum(axis=1, dtype=np.float64)
    whole = powers.sum(axis=1, dtype=np.float64)
    return np.where(whole > 0, low / np.where(whole > 0, whole, 1.0), np.nan)


def low_traces(spectrum: np.ndarray, samples: int, interval_s: float) -> tuple[np.ndarray, float]:
    """Traces with what lies from 1 to 8 Hz alone, at a coarser sample interval.

    Args:
        spectrum: From `spectra`, complex64 `[trace, frequency]`.
        samples: Samples of a trace.
        interval_s: Time between two samples, in seconds.

    Returns:
        Amplitudes, float32 `[trace, time]`, and the time between two of these samples, about 32 ms.
    """
    length = transform_length(samples)
    coarse = int(fft.next_fast_len(max(8, round(length * interval_s / _LOW_STEP_S)), real=True))
    coarse = min(coarse, length)
    kept = coarse // 2 + 1
    frequency = np.fft.rfftfreq(length, interval_s)[:kept]
    away = np.clip((frequency - BAND_HZ) / _LOW_TAPER_HZ + 0.5, 0.0, 1.0)
    weight = (0.5 + 0.5 * np.cos(np.pi * away)) * (frequency >= LOWEST_HZ) * (coarse / length)
    low = fft.irfft(spectrum[:, :kept] * weight.astype(np.float32), coarse, axis=1)
    step_s = interval_s * length / coarse
    return np.asarray(low[:, : max(1, int(samples * interval_s / step_s))]), step_s
