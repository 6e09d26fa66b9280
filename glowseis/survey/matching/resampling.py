"""Recordings resampled in time, after an anti-alias filter."""

from fractions import Fraction

import numpy as np

FINEST_S = 1e-9
"""Sample intervals are rounded to multiples of this, so that 4 ms and 8 ms give exactly 1 : 2."""

LARGEST_TERM = 2000
"""Largest number in a ratio of two intervals; over a thousand samples the error is below a hundredth of one."""

HALF_LENGTH = 24
"""Reach of the filter to either side, in samples of the coarser of the two intervals."""

PASSED = 0.91
"""Middle of the filter's edge, as a fraction of the lower Nyquist frequency: flat to 0.82 of it, nothing above it."""

KAISER_BETA = 7.0
"""The filter's window: its stop band is 70 dB down."""


def resampled_in_time(amplitude: np.ndarray, interval_s: float, wanted_s: float) -> np.ndarray:
    """Resample the traces of a gather to another sample interval.

    The filter is symmetric, so that nothing moves in time: the first sample stays in place, and none lies after the
    last recorded one. Ends are mirrored, and each trace's median is removed for the filter, so that neither a constant
    nor an end rings. A trace with a NaN or infinite sample becomes NaN throughout; a constant one stays exactly so.

    Args:
        amplitude: Amplitudes, `[time, trace]`.
        interval_s: Time between two of its samples, in seconds.
        wanted_s: Time between two samples of the result, in seconds.

    Returns:
        Amplitudes, float32 `[time, trace]`.

    Raises:
        ValueError: An interval is not above 0, or the two are further apart than those of any recordings.
    """
    from scipy.signal import firwin, resample_poly

    up, down = ratio(interval_s, wanted_s)
    if up == down:
        return np.asarray(amplitude, np.float32)
    finite = np.isfinite(amplitude).all(axis=0)
    traces = np.where(finite, amplitude, 0).astype(np.float64)
    middle = np.median(traces, axis=0)
    longest = max(up, down)
    taps = firwin(2 * HALF_LENGTH * longest + 1, PASSED / longest, window=("kaiser", KAISER_BETA))
    made = resample_poly(traces - middle, up, down, axis=0, window=taps, padtype="symmetric")
    made = made[: (len(amplitude) - 1) * up // down + 1] + middle
    largest = np.finfo(np.float32).max
    result = np.clip(made, -largest, largest).astype(np.float32)
    result[:, ~finite] = np.nan
    return result


def ratio(interval_s: float, wanted_s: float) -> tuple[int, int]:
    """The ratio of two sample intervals in lowest terms.

    Args:
        interval_s: The present interval, in seconds.
        wanted_s: The wanted one, in seconds.

    Returns:
        Numbers of samples, of the result and of the recording, that take equally long: (1, 2) from 4 to 8 ms.

    Raises:
        ValueError: As `resampled_in_time`.
    """
    steps = [round(one / FINEST_S) for one in (interval_s, wanted_s)]
    if min(steps) < 1:
        raise ValueError(f"sample intervals are {interval_s} s and {wanted_s} s; give two above 0")
    exact = Fraction(*steps)
    if max(exact, 1 / exact) > LARGEST_TERM:
        raise ValueError(f"sample intervals are {interval_s} s and {wanted_s} s; they are too far apart")
    if max(exact.numerator, exact.denominator) > LARGEST_TERM:
        exact = exact.limit_denominator(LARGEST_TERM // max(1, round(exact)))
    return exact.numerator, exact.denominator
