"""Where the first energy of the shot arrives on each trace."""

import itertools
import math

import numpy as np

SLOWEST_M_S = 1400.0
"""No first arrival moves out more slowly along the cable than sound in water, with a margin for feathered cables."""

STEP_S = 0.032
"""Step in which the arrivals are followed along the cable."""

AFTER_S = 0.1
"""Length of the window after an arrival whose power is compared with everything before it."""

GROUP_TRACES = 5
"""Traces whose rise is taken together, by their median: spikes and single bad channels do not count."""

LEAST_RISE = 0.6
"""Least rise of power at the arrivals, in decades, as the mean over the cable: four times."""

MOST_RISE = 1.5
"""A rise by more decades counts as this one: a faint direct wave comes first, not the loud sea floor after it."""

EARLIER = 0.5
"""What a rise at the end of the record counts less than one at its beginning, in decades: the earlier is taken."""

LEAST_TRACE_RISE = 1.0
"""Least rise on a trace, in decades, at which its own onset is taken instead of its neighbours'."""

UNKNOWN_SPACING_M = 25.0
"""Distance between traces that is assumed if offsets do not give it."""

_TINY = 1e-9
_FLOOR = 1e-4
_FEWEST_TRACES = 8


def first_arrivals(
    cumulated: np.ndarray, block_s: float, offset_m: np.ndarray, live: np.ndarray, was_cut: bool = False
) -> np.ndarray:
    """Find the first arrivals: a path along the cable on which power rises most over all that came before.

    At each time the power of the next 0.1 s is compared with the mean since the record began. The logarithm of this
    rise, of the median power of five traces, is summed along a path that moves no faster than the slowest water
    allows; the path with the largest sum wins (Viterbi 1967). It crosses bands of noise, where nothing rises, between
    the arrivals on either side. On each trace the onset is then sought near the path. A path may leave the record at
    either end: there a trace has no arrival.

    Args:
        cumulated: Sums of squares before each block and in all, float64 `[trace, block + 1]`.
        block_s: Length of a block, in seconds.
        offset_m: Offsets `[trace]`, in metres; NaN if unknown.
        live: Traces to use, bool `[trace]`.
        was_cut: Whether zeros were cut off before the first block, of a mute or padding. Arrivals on the path before it
            are then taken to be in it.

    Returns:
        The block of each arrival, float64 `[trace]`; NaN for traces without one. All are NaN if power rises less than
        fourfold, as in noise alone, or in fewer than eight live traces.
    """
    found = np.full(len(cumulated), np.nan)
    for run in cables(offset_m):
        used = run.start + np.flatnonzero(live[run])
        if len(used) >= _FEWEST_TRACES:
            found[used] = _arrivals_of_cable(cumulated[used], block_s, spacing_or_usual(offset_m[run]))
    return np.where(np.isneginf(found), 0.0 if was_cut else np.nan, found)


def cables(offset_m: np.ndarray) -> list[slice]:
    """Runs of traces along which the distance from the source only rises, or only falls.

    Args:
        offset_m: Offsets `[trace]`, in metres, of any sign.

    Returns:
        Slices that cover all traces; one if offsets are unknown, or in disorder.
    """
    distance = np.abs(np.asarray(offset_m, np.float64))
    whole = [slice(0, len(distance))]
    if not np.isfinite(distance).all() or len(distance) < 2 * _FEWEST_TRACES:
        return whole
    steps = np.diff(distance)
    usual = np.median(np.abs(steps))
    jumps = np.flatnonzero(np.abs(steps) > 20 * usual + 1.0)
    ways = np.sign(np.where(np.abs(steps) > 0.2 * usual, steps, 0.0))
    turns = np.flatnonzero((ways[1:] * ways[:-1] < 0) & (np.abs(steps[1:]) <= 20 * usual)) + 1
    edges = np.unique(np.concatenate([[0], jumps + 1, turns, [len(distance)]]))
    if np.diff(edges).min() < _FEWEST_TRACES:
        return whole
    return [slice(int(first), int(last)) for first, last in itertools.pairwise(edges)]


def spacing_or_usual(offset_m: np.ndarray) -> float:
    """Distance between neighbouring traces, in metres; 25 if offsets do not give it.

    Args:
        offset_m: Offsets `[trace]`, in metres.
    """
    steps = np.abs(np.diff(np.abs(np.asarray(offset_m, np.float64))))
    steps = steps[np.isfinite(steps) & (steps > 0)]
    return float(np.median(steps)) if len(steps) else UNKNOWN_SPACING_M


def _arrivals_of_cable(cumulated: np.ndarray, block_s: float, spacing_m: float) -> np.ndarray:
    """The block of each arrival; minus infinity where it is before the record, NaN if it is after it or unknown."""
    traces, blocks = len(cumulated), cumulated.shape[1] - 1
    step, after = max(1, round(STEP_S / block_s)), max(1, round(AFTER_S / block_s))
    if blocks < 4 * after:
        return np.full(traces, np.nan)
    groups = traces // GROUP_TRACES
    rise = _rises(_medians(np.diff(cumulated[:, ::step], axis=1), groups), max(1, after // step))
    reach = math.ceil(GROUP_TRACES * spacing_m / SLOWEST_M_S / (step * block_s)) + 1
    earlier = np.linspace(0.0, EARLIER, rise.shape[1])
    path = _path(np.minimum(rise, MOST_RISE) - earlier, reach)
    best = rise[np.arange(groups), path].mean()
    if best < LEAST_RISE:
        return np.full(traces, np.nan)
    middle = (np.arange(groups) + 0.5) * GROUP_TRACES - 0.5
    along = np.interp(np.arange(traces), middle, path)
    inside = (along > 0.5) & (along < rise.shape[1] - 1.5)
    outside = np.where(along > 0.5, np.nan, -np.inf)
    return np.where(inside, _onsets(cumulated, along * step, 3 * step, after), outside)


def _medians(sums: np.ndarray, groups: int) -> np.ndarray:
    """Medians over five neighbouring traces `[group, block]` of sums `[trace, block]`."""
    a, b, c, d, e = (sums[number : GROUP_TRACES * groups : GROUP_TRACES] for number in range(GROUP_TRACES))
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return np.maximum(np.minimum(low, high), np.minimum(e, np.maximum(low, high)))


def _rises(sums: np.ndarray, after: int) -> np.ndarray:
    """How much louder the next blocks are than all before, in decades `[group, block]`; 0 at either end."""
    cumulated = np.concatenate([np.zeros((len(sums), 1)), np.cumsum(sums, axis=1)], axis=1)
    blocks = sums.shape[1]
    rise = np.zeros_like(sums)
    place = np.arange(1, blocks - after)
    rise[:, 1 : blocks - after] = _rise(cumulated, place, after)
    return rise


def _rise(cumulated: np.ndarray, place: np.ndarray, after: int) -> np.ndarray:
    """The same at some blocks, `[block]` or `[trace, block]`."""
    blocks = cumulated.shape[1] - 1
    if place.ndim == 1:
        here, later = cumulated[:, place], cumulated[:, place + after]
    else:
        here, later = (np.take_along_axis(cumulated, at, axis=1) for at in (place, place + after))
    mean = cumulated[:, -1:] / blocks
    floor = np.maximum(_FLOOR * mean, _TINY * mean.max() + 1e-300)
    # A few blocks say little of the noise: the first count less.
    weight = np.minimum(place / after, 1.0)
    return np.log10(((later - here) / after + floor) / (here / place + floor)) * weight


def _path(rise: np.ndarray, reach: int) -> np.ndarray:
    """The path through rises `[group, step]` with the largest sum, int64 `[group]`."""
    groups = len(rise)
    total = np.empty_like(rise)
    total[0] = rise[0]
    steps = rise.shape[1]
    wide = np.full(steps + 2 * reach, -np.inf)
    for group in range(1, groups):
        wide[reach : reach + steps] = total[group - 1]
        best = wide[:steps].copy()
        for place in range(1, 2 * reach + 1):
            np.maximum(best, wide[place : place + steps], out=best)
        total[group] = rise[group] + best
    path = np.empty(groups, np.int64)
    place = int(total[-1].argmax())
    path[-1] = place
    for group in range(groups - 2, -1, -1):
        first = max(place - reach, 0)
        place = first + int(total[group, first : place + reach + 1].argmax())
        path[group] = place
    return path


def _onsets(cumulated: np.ndarray, along: np.ndarray, reach: int, after: int) -> np.ndarray:
    """The block near a path at which each trace rises most; the path's own where it does not rise."""
    blocks = cumulated.shape[1] - 1
    near = np.rint(along).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    near = near.clip(1, blocks - after)
    rise = _rise(cumulated, near, after)
    best = rise.argmax(axis=1)
    row = np.arange(len(near))
    return np.where(rise[row, best] >= LEAST_TRACE_RISE, near[row, best], along)
