"""Bands of frequencies of amplitudes."""

import numpy as np
from scipy import fft

CORNER_HZ = 8.0
"""Where the low band ends: half of the amplitude at this frequency belongs to it."""

_TAPER = 0.5
"""Width of the transition between the bands, as a share of the corner."""


def low_band(amplitude: np.ndarray, interval_s: float, corner_hz: float = CORNER_HZ) -> np.ndarray:
    """The part of amplitudes below a frequency, with zero phase.

    Traces are continued by their mirror images on either side, so that their ends do not ring.

    Args:
        amplitude: Amplitudes `[time, trace]`.
        interval_s: Time between two samples, in seconds.
        corner_hz: Where the band ends, in hertz.

    Returns:
        Amplitudes, float32 `[time, trace]`; the rest is the difference.

    Raises:
        ValueError: The corner is not between 0 and the Nyquist frequency.
    """
    if not 0 < corner_hz < 0.5 / interval_s:
        raise ValueError(f"corner_hz is {corner_hz:g}; give a frequency below {0.5 / interval_s:g} Hz")
    samples = len(amplitude)
    mirrored = np.concatenate([amplitude[::-1], amplitude, amplitude[::-1]]).astype(np.float32)
    away = np.fft.rfftfreq(3 * samples, interval_s) / corner_hz - 1.0
    kept = 0.5 + 0.5 * np.cos(np.pi * np.clip(away / _TAPER + 0.5, 0.0, 1.0))
    spectrum = fft.rfft(mirrored, axis=0) * kept.astype(np.float32)[:, np.newaxis]
    return fft.irfft(spectrum, 3 * samples, axis=0)[samples : 2 * samples]
