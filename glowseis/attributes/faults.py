"""Channels that are out of order: dead, weak, wild, spiky, reversed, saturated.

Kinds as in Dondurur, "Acquisition and Processing of Marine Seismic Data" (2018), on quality control; rules and
thresholds are ours, set on simulated gathers whose faults are known (docs/quality-control.md).
"""

import math

import numpy as np
from scipy.ndimage import median_filter

FAULTS = ("dead", "weak", "wild", "spiky", "reversed", "saturated")
"""Names of the faults."""

BESIDE = 9
"""Live traces on either side with which a trace is compared, by their median."""

DEAD, WEAK, WILD = 0.01, 0.45, 5.0
"""How loud a trace is beside its neighbours if it is dead, weak (at most) or wild (at least)."""

STEADY = 3.0
"""How many times as loud in one window as in another a trace without events is, at most."""

MOST_TOGETHER = 2
"""Most neighbouring wild traces: more are a band of noise."""

AT_LIMIT = 0.999
"""Share of a trace's largest amplitude from which a sample is at its limit."""

SATURATED, SELDOM, TIMES = 0.05, 0.005, 3.0
"""Share of a saturated trace's samples at its limit, the same if it is loud, and how many times its neighbours' share
and loudness that is at least."""

SPIKE, SPIKE_ALONE, SPIKE_SHARE = 10.0, 3.0, 0.04
"""How many times as sharp a spike is as its trace around it, and as the neighbours about its time, on average; and its
least sharpness as a share of the gather's loudest samples."""

SPIKE_S = 0.25
"""Length of the blocks of time in which a trace's sharpness is averaged."""

POLARITY_HZ, LAG_S = (10.0, 40.0), 0.004
"""Frequencies at which neighbours are compared, and the step of the lags."""

OPPOSITE = 0.35
"""Least correlation with a neighbour, of either sign, that tells polarity."""

CLEARLY = 1.04
"""How many times as large the negative correlation of reversed traces is as any positive one, at least."""

MOST_REVERSED = 4
"""Most neighbouring traces of wrong polarity that are found."""


def extremes(traces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest amplitude of each trace, and whether it is constant or broken.

    Args:
        traces: Amplitudes `[trace, time]`.

    Returns:
        The largest of either sign `[trace]`; and bool `[trace]`: of one value throughout, or with a NaN or infinite
        sample.
    """
    low, high = traces.min(axis=1), traces.max(axis=1)
    return np.maximum(high, -low), ~(np.isfinite(low) & np.isfinite(high) & (high > low))


def beside(level: np.ndarray, live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Medians of the levels of the nine live traces before and after each trace.

    Args:
        level: A level of each trace, `[trace]`; NaN where it was not measured.
        live: Traces to compare with, bool `[trace]`.

    Returns:
        Two arrays, float64 `[trace]`. At either end of the cable both are those of the one side that exists; with
        fewer than four live traces both are NaN.
    """
    nothing = np.full(len(level), np.nan)
    used = np.flatnonzero(live & np.isfinite(level))
    if len(used) < 4:
        return nothing, nothing.copy()
    width = min(BESIDE, len(used) // 2)
    half = width // 2
    value = np.asarray(level, np.float64)[used]
    median = median_filter(value, 2 * half + 1, mode="reflect")
    place = np.arange(len(used))
    before, after = median[np.maximum(place - half - 1, 0)], median[np.minimum(place + half + 1, len(used) - 1)]
    before = np.where(place > half, before, after)
    after = np.where(place < len(used) - half - 1, after, before)
    sides = nothing, nothing.copy()
    for side, found in zip(sides, (before, after), strict=True):
        side[used] = found
    return sides


def ratios(levels: np.ndarray, live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How loud each trace is beside its neighbours, in several windows.

    Args:
        levels: Root mean squares, float64 `[window, trace]`; NaN where a window is missing.
        live: Traces to compare with, bool `[trace]`.

    Returns:
        Levels over those of the quieter side and of the louder one, float64 `[window, trace]` each.
    """
    quieter, louder = np.full(levels.shape, np.nan), np.full(levels.shape, np.nan)
    for window, level in enumerate(levels):
        before, after = beside(level, live)
        with np.errstate(divide="ignore", invalid="ignore"):
            quieter[window] = level / np.minimum(before, after)
            louder[window] = level / np.maximum(before, after)
    return quieter, louder


def silent_traces(level: np.ndarray, constant: np.ndarray) -> np.ndarray:
    """Traces of a failed section: without events, and in every window a hundredth as loud as the gather's median.

    Neighbours of such traces are dead as well, so they are compared with the gather's median, and up to half of the
    cable may be dead. A trace with events, which is louder in one of two windows or more than in another, is not dead,
    however small its unit is.

    Args:
        level: Root mean squares, float64 `[window, trace]`; NaN where a window is missing.
        constant: Traces to leave out, as `extremes` finds them, bool `[trace]`.

    Returns:
        bool `[trace]`.
    """
    others = np.where(constant, np.nan, level)
    usual = np.array([np.median(one[np.isfinite(one)]) if np.isfinite(one).any() else np.nan for one in others])
    least, most = np.nan_to_num(others, nan=np.inf).min(axis=0), np.nan_to_num(others).max(axis=0)
    steady = (np.isfinite(others).sum(axis=0) > 1) & (most <= STEADY * least)
    return steady & _everywhere(others < DEAD * usual[:, None], others)


def dead_traces(quieter: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Dead: of one value throughout, broken by NaN or infinite samples, or a hundredth as loud as neighbours or gather.

    Args:
        quieter: Levels over the quieter side's, from `ratios`.
        known: Traces known to be dead, from `extremes` and `silent_traces`.

    Returns:
        bool `[trace]`.
    """
    return known | _everywhere(quieter < DEAD, quieter)


def weak_traces(quieter: np.ndarray, louder: np.ndarray, dead: np.ndarray) -> np.ndarray:
    """Weak: less than 0.45 times as loud as the neighbours on either side, not dead, and nowhere the louder one.

    It is weak in the target window, where the signal is loud, or in the next window that was measured: a band of noise
    may hide it in the others.

    Args:
        quieter: Levels over the quieter side's, from `ratios`, the target window first.
        louder: Levels over the louder side's.
        dead: Dead traces, bool `[trace]`.

    Returns:
        bool `[trace]`.
    """
    first = np.isfinite(quieter).argmax(axis=0)
    main = np.take_along_axis(quieter, first[None], axis=0)[0]
    return ~dead & (main < WEAK) & _everywhere(louder < 1.0, louder)


def wild_traces(louder: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Wild: more than five times as loud as the neighbours on either side in every window of noise, alone or in a pair.

    Args:
        louder: Levels over the louder side's in the windows of noise, from `ratios`.
        otherwise: Traces that are loud for another reason, spiky or saturated, bool `[trace]`.

    Returns:
        bool `[trace]`.
    """
    loud = _everywhere(louder > WILD, louder)
    wild = loud & ~otherwise
    for first, last in runs(loud):
        if last - first > MOST_TOGETHER:
            wild[first:last] = False
    return wild


def limit_share(traces: np.ndarray, peak: np.ndarray) -> np.ndarray:
    """The share of a trace's samples at its largest amplitude, of either sign, where a recorder stops.

    Args:
        traces: Amplitudes about zero, float32 `[trace, time]`.
        peak: Largest amplitude of each, of either sign, float32 `[trace]`.

    Returns:
        0 to 1, float64 `[trace]`; 1 for a trace of zeros.
    """
    limit = np.float32(AT_LIMIT) * peak[:, None]
    above = np.count_nonzero(traces >= limit, axis=1) + np.count_nonzero(traces <= -limit, axis=1)
    return np.where(peak > 0, above / traces.shape[1], 1.0)


def saturated_traces(share: np.ndarray, louder: np.ndarray, samples: int, live: np.ndarray) -> np.ndarray:
    """Saturated: stuck at the recorder's limit, unlike the neighbours.

    At least 5 % of the samples are at the limit, and three times the share of the neighbours; or three samples and
    0.5 %, if the trace is three times as loud as the neighbours on either side in every window. Where the recorder
    limits a whole stretch of the cable, its channels are in order; `limit_share` shows it.

    Args:
        share: From `limit_share`.
        louder: Levels over the louder side's, from `ratios`.
        samples: Samples of a trace.
        live: Live traces, bool `[trace]`.

    Returns:
        bool `[trace]`.
    """
    before, after = beside(share, live)
    others = np.nan_to_num(np.maximum(before, after))
    often = (share >= SATURATED) & (share >= TIMES * others)
    loud = (share >= max(SELDOM, 3 / samples)) & (share >= TIMES * others) & _everywhere(louder > TIMES, louder)
    return live & (often | loud)


def spiky_traces(traces: np.ndarray, peak: np.ndarray, samples_aside: int, block: int, live: np.ndarray) -> np.ndarray:
    """Spiky: a single sample stands out from those beside it in time, and from the neighbours about its time.

    A sample's sharpness is its distance from the mean of the samples before and after it. A spike is ten times as sharp
    as its trace is on average in that quarter of a second, and three times as any sample of the two traces on
    either side within the time that a wave takes to them.

    Args:
        traces: Amplitudes about zero, float32 `[trace, time]`.
        peak: Largest amplitude of each, of either sign, `[trace]`.
        samples_aside: Samples that a wave takes to the next trace but one, at most.
        block: Samples over which sharpness is averaged.
        live: Live traces, bool `[trace]`.

    Returns:
        bool `[trace]`.
    """
    spiky = np.zeros(len(traces), bool)
    inner = traces.shape[1] - 2
    if inner < 2 * block or not live.any():
        return spiky
    blocks = -(-inner // block)
    sharp = np.zeros((len(traces), blocks * block), np.float32)
    one = np.add(traces[:, :-2], traces[:, 2:], out=sharp[:, :inner])
    one *= np.float32(-0.5)
    one += traces[:, 1:-1]
    np.abs(one, out=one)
    # The last block is filled up from the one before.
    sharp[:, inner:] = sharp[:, inner - block : sharp.shape[1] - block]
    cut = sharp.reshape(len(traces), blocks, block)
    # einsum and reduceat take a fraction of the time of mean and max.
    mean = np.einsum("tbs->tb", cut) / np.float32(block)
    most = np.maximum.reduceat(sharp, np.arange(0, sharp.shape[1], block), axis=1)
    least = SPIKE_SHARE * float(np.median(peak[live]))
    row, place = np.nonzero((most * (block - 1) > SPIKE * (mean * block - most)) & (most > least) & live[:, None])
    at = place * block + cut[row, place].argmax(axis=1)
    at = np.where(at < inner, at, at - block)
    near = (at[:, None] + np.arange(-samples_aside, samples_aside + 1)).clip(0, inner - 1)
    beside_it = np.zeros(len(row), np.float32)
    for away in (-2, -1, 1, 2):
        other = (row + away).clip(0, len(traces) - 1)
        found = sharp[other[:, None], near].max(axis=1, initial=0)
        counts = live[other] & (other == row + away)
        beside_it = np.maximum(beside_it, np.where(counts, found, 0))
    spiky[row[most[row, place] > SPIKE_ALONE * beside_it]] = True
    return spiky


def neighbour_correlation(spectrum: np.ndarray, frequency_hz: np.ndarray, most_lag_s: float) -> np.ndarray:
    """The correlation of each trace with the next from 10 to 40 Hz, at the lag where it is largest in size.

    Lags are steps of 4 ms, finer than samples, so that half a period at either side is not taken for the peak. Where
    events have few frequencies, half a period off is nearly as good; so the opposite has to be clearly the better.

    Args:
        spectrum: Fourier transforms of live traces, complex64 `[trace, frequency]`.
        frequency_hz: Their frequencies `[frequency]`.
        most_lag_s: Largest lag, in seconds, in either direction.

    Returns:
        -1 to 1, float64 `[trace - 1]`.
    """
    band = slice(*np.searchsorted(frequency_hz, POLARITY_HZ))
    part = np.ascontiguousarray(spectrum[:, band])
    crossed = part[:-1] * part[1:].conj()
    steps = max(1, math.ceil(most_lag_s / LAG_S))
    lag_s = LAG_S * np.arange(-steps, steps + 1)
    # The real part of the product with exp(i 2 pi f lag), as one product of real matrices.
    phase = 2 * np.pi * np.outer(frequency_hz[band], lag_s)
    turns = np.stack([np.cos(phase), -np.sin(phase)], axis=1).reshape(-1, len(lag_s))
    found = crossed.view(np.float32) @ turns.astype(np.float32)
    parts = part.view(np.float32)
    size = np.sqrt(np.einsum("tp,tp->t", parts, parts))
    alike, opposite = found.max(axis=1), -found.min(axis=1)
    best = np.where(opposite > CLEARLY * alike, -opposite, alike)
    return np.asarray(best / np.maximum(size[:-1] * size[1:], 1e-30), np.float64)


def reversed_traces(correlation: np.ndarray) -> np.ndarray:
    """Reversed: alike among themselves, up to four traces, and the opposite of the traces on either side.

    The shortest runs are found first. The first and the last trace have one neighbour, which does not tell which of the
    two is reversed.

    Args:
        correlation: Of each live trace with the next, from `neighbour_correlation`; 0 where it says nothing.

    Returns:
        bool `[trace]`, of the live traces.
    """
    turned = np.zeros(len(correlation) + 1, bool)
    edges = set((np.flatnonzero(correlation < -OPPOSITE) + 1).tolist())
    for length in range(1, MOST_REVERSED + 1):
        for first in sorted(edges):
            if {first, first + length} <= edges:
                turned[first : first + length] = True
                edges -= {first, first + length}
    return turned


def runs(found: np.ndarray) -> list[tuple[int, int]]:
    """Runs of neighbouring traces: the first of each and the one after its last.

    Args:
        found: bool `[trace]`.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(found, np.int8), [0]])))
    return [(int(first), int(last)) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def _everywhere(found: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Whether something holds in every window that was measured, and one was, bool `[trace]`."""
    measured = np.isfinite(ratio)
    return measured.any(axis=0) & (found | ~measured).all(axis=0)
