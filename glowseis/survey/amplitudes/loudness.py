"""How loud traces are beside their neighbours: what is wild, and gathers that were recorded at two scales."""

import math

import numpy as np

WILD = 50
"""Times as loud as its neighbours that a trace is wild; the noisiest bands of recorded gathers are about 10."""

JUMP = 10
"""Times as loud as the next ordinary trace that a block of wild ones is: amplitudes that rise to the source do so in
smaller steps."""

NEIGHBOURS = 20
"""Traces on each side that a trace is held against."""

SCALES = 0.4
"""Share of a gather's traces from which loud ones are another scale rather than wild; with as many quiet ones."""


def loudness(amplitude: np.ndarray) -> np.ndarray:
    """The square of the mean root of each trace's absolute amplitudes.

    It grows with a trace's gain as the mean does, but a spike counts for little in it.

    Args:
        amplitude: Amplitudes about zero, or some of them `[time, trace]`.

    Returns:
        How loud each is, float64 `[trace]`.
    """
    size = np.abs(amplitude)
    return np.sqrt(size, out=size).mean(axis=0).astype(np.float64) ** 2


def wild_traces(level: np.ndarray) -> np.ndarray:
    """Tell which traces are far louder than their neighbours.

    A trace is wild when it is more than 50 times as loud as the median of the 20 traces on each side; or, for wild
    traces next to each other, as the median of the gather, and more than 10 times as loud as the ordinary traces
    next to them. Amplitudes that fall with offset are therefore never wild, nor are weak traces or their neighbours.

    Args:
        level: How loud each trace is, `[trace]`; 0 where it is dead.

    Returns:
        Which are wild, bool `[trace]`.
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
    """Tell whether a gather seems to be recorded at two scales, fifty times apart, with many traces of each.

    Args:
        level: How loud each trace is, `[trace]`; 0 where it is dead.
    """
    found = level[level > 0]
    return len(found) >= 5 and 0 < _split(found) <= (1 - SCALES) * len(found)


def _split(level: np.ndarray) -> int:
    """How many traces are quiet where the others are of another scale, or wild; 0 where the quiet are too few."""
    ordered = np.sort(level)
    fewest = math.ceil(SCALES * len(ordered))
    steps = ordered[fewest:] / ordered[fewest - 1 : -1]
    split = int(np.argmax(steps))
    return fewest + split if steps[split] > WILD else 0
