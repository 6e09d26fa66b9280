"""Changes to samples that trace headers ask for: zeroing, weighting, shifting to a common start."""

import numpy as np

LARGEST_WEIGHT = 31
"""TraceWeightingFactor counts powers of two; a number beyond this means something else."""


def follows_weights(amplitude: np.ndarray, weights: np.ndarray) -> bool:
    """Whether amplitudes agree with their weighting factors.

    Neighbouring traces of a gather are about equally loud. Where the factor changes from one trace to the next, the
    loudness of the stored samples must change with it; if it does not, the samples are weighted already.

    Args:
        amplitude: Samples as stored, float32 `[trace, time]`.
        weights: TraceWeightingFactor N of each trace, whose samples must be multiplied by 2^-N.

    Returns:
        Whether weighting makes neighbours more alike, or leaves them as they are.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        power = np.einsum("ij,ij->i", amplitude, amplitude, dtype=np.float64)
    live = np.isfinite(power) & (power > 0)
    loudness = np.log2(power[live]) / 2
    weights = weights[live]
    changed = np.diff(weights) != 0
    before, after = np.diff(loudness)[changed], np.diff(loudness - weights)[changed]
    return bool(np.abs(after).sum() <= np.abs(before).sum())


def weigh(amplitude: np.ndarray, weights: np.ndarray) -> int:
    """Multiply each trace by 2^-N.

    Args:
        amplitude: Samples, float32 `[trace, time]`; changed in place.
        weights: N of each trace, int64 `[trace]`.

    Returns:
        How many traces were scaled.
    """
    scaled = np.flatnonzero(weights)
    amplitude[scaled] *= np.exp2(-weights[scaled].astype(np.float32))[:, None]
    return len(scaled)


def shifts(delay_ms: np.ndarray, interval_s: float) -> np.ndarray:
    """Samples by which traces begin later than the earliest of them, rounded to whole ones.

    Args:
        delay_ms: Times of first samples, float64 `[trace]`.
        interval_s: Time between two samples.

    Returns:
        Samples, int64 `[trace]`.
    """
    return np.rint((delay_ms - delay_ms.min()) / (interval_s * 1e3)).astype(np.int64)


def aligned(amplitude: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Put traces on one time axis that begins with the earliest and ends with the latest; missing samples are zero.

    Args:
        amplitude: Samples, float32 `[trace, time]`.
        shift: Samples by which each trace is late, as `shifts` gives them.

    Returns:
        Samples, float32 `[trace, time]`, longer by the largest shift.
    """
    traces, samples = amplitude.shape
    longer = np.zeros((traces, samples + int(shift.max())), np.float32)
    for late in np.unique(shift).tolist():
        longer[shift == late, late : late + samples] = amplitude[shift == late]
    return longer
