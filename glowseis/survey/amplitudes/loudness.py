"""How loud traces are compared with their neighbours: wild traces, and gathers recorded at two scales."""

import math

import numpy as np

WILD = 50
"""A trace is wild if it is this many times as loud as its neighbours; the noisiest recorded bands reach about 10."""

JUMP = 10
"""A block of wild traces is this many times as loud as the next ordinary trace: amplitudes that rise towards the source
do so in smaller steps."""

NEIGHBOURS = 20
"""Traces on each side with which a trace is compared."""

SCALES = 0.4
"""Share of a gather's traces from which loud ones are another scale rather than wild, if as many are quiet."""


def loudness(amplitude: np.ndarray) -> np.ndarray:
    """The square of the mean root of each trace's absolute amplitudes.

    It grows with a trace's gain like the mean, but spikes hardly affect it.

    Args:
        amplitude: Amplitudes about zero, or some of them `[time, trace]`.

    Returns:
        The loudness of each, float64 `[trace]`.
    """
    size = np.abs(amplitude)
    return np.sqrt(size, out=size).mean(axis=0).astype(np.float64) ** 2


def wild_traces(level: np.ndarray) -> np.ndarray:
    """Find traces that are far louder than their neighbours.

    A trace is wild when it is more than 50 times as loud as the median of the 20 traces on each side; or, for wild
    traces next to each other, as the median of the gather, and more than 10 times as loud as the ordinary traces
    next to them. Amplitudes that fall with offset are therefore never wild, nor are weak traces or their neighbours.

    Args:
        level: Loudness of each trace, `[trace]`; 0 if it is dead.

    Returns:
        Which traces are wild, bool `[trace]`.
    """
    wild = np.zeros(len(level), bool)
    live = np.flatnonzero(level > 0)
    found = level[live]
    if len(live) < 3 or found.max() <= WILD * found.min():
        return wild
    wide = np.pad(found, NEIGHBOURS, mode="reflect" if len(found) > NEIGHBOURS else "symmetric")
    beside = np.median(np.lib.stride_tricks.sliding_window_view(wide, 2 * NEIGHBOURS + 1), axis=1)
    loud = found > WILD * beside
    split = _split(found)
    block = loud | (found > WILD * np.median(np.sort(found)[: split or None]))
    place = np.arange(len(found))
    ordinary = np.flatnonzero(~block)
    if len(ordinary):
        after = np.searchsorted(ordinary, place)
        for other in (ordinary[np.minimum(after, len(ordinary) - 1)], ordinary[np.maximum(after - 1, 0)]):
            block &= found > JUMP * found[other]
    wild[live] = loud | block
    return wild


def is_of_two_scales(level: np.ndarray) -> bool:
    """Whether a gather seems to be recorded at two scales, fifty times apart, with many traces of each.

    Args:
        level: Loudness of each trace, `[trace]`; 0 if it is dead.
    """
    found = level[level > 0]
    return len(found) >= 5 and 0 < _split(found) <= (1 - SCALES) * len(found)


def _split(level: np.ndarray) -> int:
    """How many traces are quiet if the others have another scale or are wild; 0 if too few are quiet."""
    ordered = np.sort(level)
    fewest = math.ceil(SCALES * len(ordered))
    steps = ordered[fewest:] / ordered[fewest - 1 : -1]
    split = int(np.argmax(steps))
    return fewest + split if steps[split] > WILD else 0
