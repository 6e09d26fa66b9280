"""Simple figures of a gather's image, which a change of rendering, band or cable affects first."""

import numpy as np
from scipy.fft import rfft, rfftfreq

from glowseis.survey.render import ZERO_LEVEL

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
    levels = image[:, live].astype(np.float32) - ZERO_LEVEL
    if not levels.size:
        return np.zeros(len(STATISTICS))
    frequencies = _frequencies(levels)
    return np.array(
        [
            *frequencies,
            np.sqrt(np.mean(levels**2)),
            np.mean(levels == 0),
            np.mean((image[:, live] == 0) | (image[:, live] == 255)),
            _lateral_correlation(levels),
            live.mean(),
        ],
        np.float64,
    )


def _frequencies(levels: np.ndarray) -> np.ndarray:
    """Frequencies below which 10, 50 and 90 % of the power lie, in cycles per sample."""
    power = (np.abs(rfft(levels - levels.mean(axis=0), axis=0)) ** 2).sum(axis=1)
    total = np.cumsum(power)
    if not total[-1] > 0:
        return np.zeros(3)
    places = rfftfreq(len(levels))
    return np.interp([0.1, 0.5, 0.9], total / total[-1], places)


def _lateral_correlation(levels: np.ndarray) -> float:
    one, other = levels[:, :-1], levels[:, 1:]
    size = np.sqrt(np.sum(one**2, dtype=np.float64) * np.sum(other**2, dtype=np.float64))
    return float(np.sum(one * other, dtype=np.float64) / size) if size > 0 else 0.0
