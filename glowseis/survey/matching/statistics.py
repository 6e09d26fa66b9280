"""Simple figures of a gather's image, which a change of rendering, band or cable affects first."""

import numpy as np
from scipy.fft import rfft, rfftfreq

from glowseis.survey.render import ZERO_LEVEL

ROUNDING = 1e-9
"""Share of the power of a constant that its transform has at other frequencies, at most."""

STATISTICS = {
    "frequency_10": 0.01,
    "frequency_50": 0.01,
    "frequency_90": 0.015,
    "rms": 4.0,
    "zero_share": 0.03,
    "clipped_share": 0.01,
    "lateral_correlation": 0.05,
    "live_share": 0.1,
}
"""Names of the figures, and the least spread assumed for each. `frequency_P`: P % of the power lie below it, in cycles
per sample; `rms` in grey levels; `zero_share`: samples of exactly 128; `clipped_share`: samples that are black or
white; `lateral_correlation`: of neighbouring traces; `live_share`: traces that are not 128 throughout."""


def image_statistics(image: np.ndarray) -> np.ndarray:
    """Measure an image.

    Args:
        image: Grey levels of its valid region, uint8 `[time, trace]`.

    Returns:
        The figures in the order of `STATISTICS`, float64 `[figure]`. One that needs a live trace, or two, is 0 without.
    """
    live = (image != ZERO_LEVEL).any(axis=0)
    grey = image if live.all() else image[:, live]
    if not grey.size:
        return np.zeros(len(STATISTICS))
    levels = grey.astype(np.float32) - ZERO_LEVEL
    energy = np.einsum("st,st->t", levels, levels, dtype=np.float64)
    return np.array(
        [
            *_frequencies(levels),
            np.sqrt(energy.sum() / levels.size),
            np.mean(grey == ZERO_LEVEL),
            np.mean((grey == 0) | (grey == 255)),
            _lateral_correlation(levels, energy),
            live.mean(),
        ],
        np.float64,
    )


def _frequencies(levels: np.ndarray) -> np.ndarray:
    """Frequencies below which 10, 50 and 90 % of the power lie, in cycles per sample."""
    parts = rfft(levels, axis=0).view(np.float32)
    power = np.einsum("fp,fp->f", parts, parts)
    # A trace's mean is no part of its signal, and all that a constant trace has, but for rounding.
    mean, power[0] = power[0], 0.0
    total = np.cumsum(power)
    if not total[-1] > ROUNDING * mean:
        return np.zeros(3)
    return np.interp([0.1, 0.5, 0.9], total / total[-1], rfftfreq(len(levels)))


def _lateral_correlation(levels: np.ndarray, energy: np.ndarray) -> float:
    """Correlation of neighbouring traces; their energies are `[trace]`."""
    size = np.sqrt(energy[:-1].sum() * energy[1:].sum())
    product = np.einsum("st,st->", levels[:, :-1], levels[:, 1:], dtype=np.float64)
    return float(product / size) if size > 0 else 0.0
