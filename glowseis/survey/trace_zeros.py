"""Zeros of single traces, where a constant was added to some of them or to each another."""

import numpy as np

TRACE = 64
"""Samples of a trace that its own zero can be told from; of fewer it is the gather's."""

AGREED_LEVELS = 4
"""Grey levels that a mean may be apart from one without spikes, or from a median: more is the work of spikes."""

SPIKE_LEVELS = 2
"""Grey levels by which the largest sample of a trace may move its mean without a further look."""

REACH_LEVELS = 256
"""Grey levels about the middle of a trace beyond which a sample is a spike, where it moves the mean."""

LARGE = 1e30
"""Amplitudes of which sums, or removal of a constant, may leave the range of 32 bits."""


def trace_zeros(
    own: np.ndarray, fill: np.ndarray | None, mean: np.ndarray, largest: np.ndarray, level: float
) -> np.ndarray:
    """Find the zeros of traces.

    A zero is the mean, as sound has none. Where single samples move it, it is the mean of samples that are kept within
    two clips about the median of a few of them.

    Args:
        own: Amplitudes, trace by trace `[trace, time]`.
        fill: Where no signal is, bool `[trace, time]`; None where all is signal.
        mean: Means of the traces' signal, `[trace]`.
        largest: How far their samples reach from one end to the other, `[trace]`.
        level: A grey level.

    Returns:
        Zeros, `[trace]`.
    """
    zeros = mean.astype(np.float64)
    is_moved = largest > SPIKE_LEVELS * level * own.shape[1]
    for trace in np.flatnonzero(is_moved):
        signal = own[trace] if fill is None else own[trace][~fill[trace]]
        middle = float(np.median(signal[:: max(1, len(signal) // TRACE)]))
        away = signal.astype(np.float64) - middle
        reach = max(REACH_LEVELS * level, 4 * float(np.abs(away[:: max(1, len(away) // TRACE)]).mean()))
        kept = middle + float(np.clip(away, -reach, reach).mean())
        if abs(kept - zeros[trace]) > AGREED_LEVELS * level:
            zeros[trace] = kept
    return zeros


def are_constants(own: np.ndarray, fill: np.ndarray | None, zeros: np.ndarray) -> np.ndarray:
    """Tell which zeros of traces stand for a constant that was added: noise of low frequency has one as well.

    A constant moves each quarter of a trace by as much.

    Args:
        own: Amplitudes, trace by trace `[trace, time]`.
        fill: Where no signal is, bool `[trace, time]`; None where all is signal.
        zeros: Zeros of the traces, `[trace]`.

    Returns:
        Which do, bool `[trace]`.
    """
    samples = own.shape[1]
    some = own[:, :: max(1, samples // TRACE)]
    found = np.abs(zeros) > 4 * np.abs(some - zeros[:, np.newaxis]).mean(axis=1) / np.sqrt(samples)
    traces = np.flatnonzero(found)
    quarters = np.arange(4) * samples // 4
    signal = np.ones((len(traces), samples), bool) if fill is None else ~fill[traces]
    counts = np.add.reduceat(signal, quarters, axis=1, dtype=int)
    sums = np.add.reduceat(np.where(signal, own[traces] - zeros[traces, np.newaxis], 0), quarters, axis=1)
    found[traces] = np.abs(zeros[traces]) >= 4 * np.abs(sums / np.maximum(counts, 1)).max(axis=1)
    return found
