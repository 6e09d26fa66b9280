"""Zeros of single traces, if a constant was added to some of them or a different one to each."""

import numpy as np

TRACE = 64
"""Fewest samples of a trace for a zero of its own; with fewer it is the gather's."""

AGREED_LEVELS = 4
"""Grey levels by which a mean may differ from one without spikes, or from a median: more is caused by spikes."""

SPIKE_LEVELS = 2
"""Grey levels by which the largest sample of a trace may move its mean without a further check."""

REACH_LEVELS = 256
"""Grey levels about the middle of a trace beyond which a sample that moves the mean is a spike."""

LARGE = 1e30
"""Amplitudes whose sums, or whose difference from a constant, may exceed the range of 32 bits."""


def trace_zeros(
    amplitude: np.ndarray,
    fill: np.ndarray | None,
    mean: np.ndarray,
    traces: np.ndarray,
    suspect: np.ndarray,
    level: float,
) -> np.ndarray:
    """Find the zeros of some traces.

    A zero is the mean, because sound has none. If single samples move it, it is the mean of samples limited to two
    clips about the median of a few of them.

    Args:
        amplitude: Amplitudes `[time, trace]`.
        fill: Where there is no signal, bool `[time, trace]`; None if all is signal.
        mean: Means of the traces' signal, `[trace]`.
        traces: Numbers of the traces, from 0.
        suspect: Which of them have a mean that noise would not cause, bool.
        level: A grey level.

    Returns:
        Their zeros, float64.
    """
    zeros = mean[traces].astype(np.float64)
    small = SPIKE_LEVELS * level * len(amplitude)
    for number in np.flatnonzero(suspect):
        trace = traces[number]
        signal = amplitude[:, trace] if fill is None else amplitude[~fill[:, trace], trace]
        if signal.max() - signal.min() <= small:
            continue
        middle = float(np.median(signal[:: max(1, len(signal) // TRACE)]))
        away = signal.astype(np.float64) - middle
        reach = max(REACH_LEVELS * level, 16 * float(np.median(np.abs(away[:: max(1, len(away) // TRACE)]))))
        kept = middle + float(np.clip(away, -reach, reach).mean())
        if abs(kept - zeros[number]) > AGREED_LEVELS * level:
            zeros[number] = kept
    return zeros


def are_constants(amplitude: np.ndarray, fill: np.ndarray | None, zeros: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Find which zeros of traces are an added constant; low-frequency noise has a mean too.

    A constant is more than the mean of noise, and moves each quarter of a trace by as much.

    Args:
        amplitude: Amplitudes about the zeros `[time, trace]`.
        fill: Where there is no signal, bool `[time, trace]`; None if all is signal.
        zeros: What was subtracted, `[trace]`.
        error: How large zeros from noise can be, `[trace]`.

    Returns:
        Which are, bool `[trace]`.
    """
    samples = len(amplitude)
    found = np.abs(zeros) > error
    traces = np.flatnonzero(found)
    quarters = np.arange(4) * samples // 4
    block = np.take(amplitude.T, traces, axis=0)
    counts: np.ndarray = np.diff(quarters, append=samples)
    if fill is not None:
        counts = np.add.reduceat(~fill.T[traces], quarters, axis=1, dtype=int)
    means = np.add.reduceat(block, quarters, axis=1) / np.maximum(counts, 1)
    found[traces] = np.abs(zeros[traces]) >= 4 * np.abs(means).max(axis=1)
    return found
