"""How loud traces are: root mean squares in windows of time."""

import numpy as np

BLOCK_S = 0.016
"""Length of the blocks in which power is summed; windows begin and end with one."""

LEAST_NOISE_S = 0.2
"""Shortest window in which noise is measured, in seconds: most of a period of swell."""

TAIL_S = 0.5
"""Length of the window at the end of the record, in seconds."""


def block_samples(interval_s: float) -> int:
    """Samples of a block.

    Args:
        interval_s: Time between two samples, in seconds.
    """
    return max(1, round(BLOCK_S / interval_s))


def block_sums(traces: np.ndarray, samples: int) -> np.ndarray:
    """Sums of squares in blocks of time.

    Args:
        traces: Amplitudes, float32 `[trace, time]`.
        samples: Samples of a block; what is left at the end of a trace is not used.

    Returns:
        Sums, float32 `[trace, block]`.
    """
    end = traces.shape[1] // samples * samples
    square = np.square(traces[:, :end])
    sums = square[:, ::samples].copy()
    for place in range(1, samples):
        sums += square[:, place::samples]
    return sums


def stretches(silent: np.ndarray, least: int) -> np.ndarray:
    """Find silent blocks that lie in long stretches: single ones are quiet noise of few bits, and no mute.

    Args:
        silent: Whether each block is, bool `[trace, block]`.
        least: Fewest blocks of a stretch.

    Returns:
        Bool `[trace, block]`.
    """
    if not silent.any():
        return silent
    padded = np.pad(silent, ((0, 0), (least - 1, least - 1)))
    whole = np.lib.stride_tricks.sliding_window_view(padded, least, axis=1).all(axis=2)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(whole, least, axis=1).any(axis=2))


def window_rms(cumulated: np.ndarray, first: np.ndarray, last: np.ndarray, samples: int, least: int = 1) -> np.ndarray:
    """Root mean square of each trace in a window of its own.

    Source: the definition; with the units of the amplitudes, such as microbar.

    Args:
        cumulated: Sums of squares before each block and in all, float64 `[trace, block + 1]`.
        first: First block of each window, float `[trace]`; NaN for no window.
        last: The block after its last, float `[trace]`.
        samples: Samples of a block.
        least: Fewest blocks of a window that is measured.

    Returns:
        Float64 `[trace]`; NaN without a window, or where it is too short within the record.
    """
    blocks = cumulated.shape[1] - 1
    here = np.isfinite(first) & np.isfinite(last)
    begin, end = (np.clip(np.where(here, edge, 0.0), 0, blocks).astype(np.int64) for edge in (first, last))
    row = np.arange(len(cumulated))
    power = cumulated[row, end] - cumulated[row, begin]
    count = samples * (end - begin)
    measured = here & (end - begin >= max(least, 1))
    return np.where(measured, np.sqrt(np.maximum(power, 0.0) / np.maximum(count, 1)), np.nan)


def signal_to_noise_db(target_rms: np.ndarray, noise_rms: np.ndarray) -> np.ndarray:
    """Loudness of the target window over that of the noise before the first arrival, in decibels.

    The target holds noise too, so that a trace of noise alone has 0 dB.

    Args:
        target_rms: Root mean squares in the target window `[trace]`.
        noise_rms: Root mean squares before the first arrival `[trace]`, in the same units.

    Returns:
        Float64 `[trace]`; NaN where either is missing or 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 20.0 * np.log10(np.asarray(target_rms, np.float64) / noise_rms)
    return np.where(np.isfinite(ratio), ratio, np.nan)
