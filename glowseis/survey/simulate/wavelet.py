"""From arrivals to pressure: the guns' signature with its bubble, absorption, the recorder's filters.

Each arrival is laid on a 4 ms grid with a cubic B-spline, so that its time is exact to a small fraction of a
sample, and all of them are given their wavelet at once by a Fourier transform per trace.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft

from glowseis.survey.simulate.acquisition import Acquisition
from glowseis.survey.simulate.instruments import Signature

# Absorption is applied in this many steps of decay time (seconds); arrivals take the nearest.
_DECAYS_S = np.array([0.0, 0.006, 0.014, 0.026])
_GRID_PER_SAMPLE = 2
# Delay and strength of the bubble's second collapse, as multiples of the first one's.
_SECOND_BUBBLE = (1.91, 0.36)


@dataclass(frozen=True)
class Arrivals:
    """Arrivals of several events on every trace.

    Attributes:
        time_s: Travel times `[event, trace]`, in seconds.
        strength: Amplitudes before the wavelet `[event, trace]`; 0 without an arrival.
        slowness_s_m: Horizontal slownesses `[event, trace]`, in s/m, for the angles at the sea surface.
        decay_s: Decay time of each event `[event]`, in seconds.
    """

    time_s: np.ndarray
    strength: np.ndarray
    slowness_s_m: np.ndarray
    decay_s: np.ndarray


def with_wavelet(groups: list[Arrivals], traces: int, acquisition: Acquisition) -> np.ndarray:
    """Sum the arrivals, each with the guns' signature and its absorption.

    Args:
        groups: Arrivals on the same traces.
        traces: How many traces.
        acquisition: Sample interval and record length.

    Returns:
        Pressure, float32 `[trace, time]`, up to a factor.
    """
    samples = acquisition.samples
    length = _transform_length(samples)
    fine = _GRID_PER_SAMPLE * length
    step_s = acquisition.sample_interval_s / _GRID_PER_SAMPLE
    shape = (traces, _DECAYS_S.size, fine)
    # Trace by trace, so that the sums lie close together in memory.
    row = np.arange(traces, dtype=np.int32)[:, None] * (_DECAYS_S.size * fine)
    cells: list[np.ndarray] = []
    weights: list[tuple[np.ndarray, ...]] = []
    for group in groups:
        step = np.abs(group.decay_s[:, None] - _DECAYS_S[None, :]).argmin(axis=1).astype(np.int32)
        position = np.ascontiguousarray(group.time_s.T) / step_s
        strength = np.ascontiguousarray(group.strength.T)
        live = (strength != 0.0) & (position > 2) & (position < _GRID_PER_SAMPLE * samples - 2)
        position, strength = position[live], strength[live] / 6
        whole = position.astype(np.int32)
        u = position - whole
        v = 1.0 - u
        cells.append((row + step[None, :] * fine)[live] + whole - 1)
        # Products, because NumPy's general powers are slow.
        spline = (v * v * v, 3 * u * u * u - 6 * u * u + 4, 3 * v * v * v - 6 * v * v + 4, u * u * u)
        weights.append(tuple(part * strength for part in spline))
    cell = np.concatenate(cells)
    grid = np.zeros(traces * _DECAYS_S.size * fine)
    for place, parts in enumerate(zip(*weights, strict=True)):
        added = np.bincount(cell, weights=np.concatenate(parts), minlength=grid.size)
        grid[place:] += added[: grid.size - place]
    spectrum = fft.rfft(grid.reshape(shape).astype(np.float32), axis=-1)
    kept = spectrum[:, :, : length // 2 + 1]
    shaped = np.einsum(
        "tdf,df->tf", kept, wavelet_spectra(length, acquisition.sample_interval_s, acquisition.signature)
    )
    return fft.irfft(shaped, n=length, axis=-1)[:, :samples]


def _transform_length(samples: int) -> int:
    """Length with room for the wavelets of late arrivals, so that they do not wrap round to the record's beginning."""
    return fft.next_fast_len(samples + 64, real=True) // 2 * 2


@lru_cache(maxsize=64)
def wavelet_spectra(length: int, sample_interval_s: float, signature: Signature) -> np.ndarray:
    """Spectra of the recorded wavelet for each step of absorption, complex64 `[decay, frequency]`.

    An air-gun array's pulse (minimum phase), its bubble, the recorder's low-cut and the anti-alias filter of 8 ms. In
    the far field, where the sea surface adds its echo, the nominal signature's peak-to-bubble ratio is above 15.
    Absorption is exp(-pi f t*) with the phase that makes it causal. Ghosts are not in it: they depend on the angle.
    """
    size = 4096
    frequency = np.fft.rfftfreq(size, sample_interval_s / _GRID_PER_SAMPLE)
    power = (frequency / signature.low_hz) ** (2.0 * signature.low_order)
    high_cut = 1.0 / np.sqrt(1.0 + (frequency / signature.high_hz) ** 20)
    # Down to zero at the Nyquist frequency, whose phase no filter can change: it would ring through the record.
    high_cut *= np.cos(0.5 * np.pi * np.clip((frequency - 50.0) / 12.0, 0.0, 1.0)) ** 2
    falling = (1.0 + (frequency / signature.corner_hz) ** 2) ** -signature.slope
    pulse = _minimum_phase(np.sqrt(power / (1.0 + power)) * high_cut * falling, size)
    later, weaker = _SECOND_BUBBLE
    bubble = sum(
        strength * np.exp(-((frequency / 14.0) ** 2) - 2j * np.pi * frequency * delay_s)
        for strength, delay_s in (
            (signature.bubble, signature.bubble_s),
            (weaker * signature.bubble, later * signature.bubble_s),
        )
    )
    pulse = pulse * (1.0 + bubble)
    grid_hz = np.fft.rfftfreq(length, sample_interval_s)
    spectrum = np.interp(grid_hz, frequency, np.abs(pulse)) * np.exp(
        1j * np.interp(grid_hz, frequency, np.unwrap(np.angle(pulse)))
    )
    spline = np.sinc(grid_hz * sample_interval_s / _GRID_PER_SAMPLE) ** 4
    decay = np.pi * grid_hz * _DECAYS_S[:, None]
    dispersion = decay * (2 / np.pi) * np.log(np.maximum(grid_hz, 1.0) / 62.5)
    spectra = spectrum / spline * np.exp(-decay + 1j * dispersion)
    # Going from the 4 ms grid to 8 ms keeps half of the transform's values.
    return (spectra / _GRID_PER_SAMPLE).astype(np.complex64)


def _minimum_phase(magnitude: np.ndarray, size: int) -> np.ndarray:
    """The spectrum of the causal pulse whose energy comes earliest, by folding the cepstrum."""
    cepstrum = np.fft.irfft(np.log(np.maximum(magnitude, 1e-5 * magnitude.max())), size)
    fold = np.zeros(size)
    fold[0] = fold[size // 2] = 1.0
    fold[1 : size // 2] = 2.0
    return np.exp(np.fft.rfft(cepstrum * fold, size))
