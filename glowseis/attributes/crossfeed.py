"""Cross-feed: channels that share electronics leak into each other."""

import itertools

import numpy as np

NEAREST, FARTHEST = 4, 12
"""Least and largest distance, in channels, of the traces that are compared: noise of the sea is alike over fewer."""

SMALLEST_MODULE = 16
"""Fewest channels of a module that has enough pairs so far apart."""

LEAST_SHARE = 0.5
"""Least share of a module's channels that must be in order."""

LEAST_ALIKE = 0.2
"""Least correlation within a leaking module, and how much more that is than across its edges and in other modules."""


def leaking_modules(low: np.ndarray, channel: np.ndarray, live: np.ndarray, channels: int) -> list[int]:
    """Find modules whose channels are more alike than they are to those of the next module.

    Below 8 Hz most of a record is noise, which channels 4 to 12 apart do not share. If they leak into each other they
    do, at equal times, as far as the module goes and no farther; a propeller, strum and reflections do not know where
    modules end. The median over pairs of channels counts, so that a narrow band of noise is not taken for a module.

    Source: Dondurur 2018, cross-feed between the channels of one module; the rule is ours.

    Args:
        low: Amplitudes below 8 Hz, float32 `[trace, time]`.
        channel: Channel numbers, from 1, int `[trace]`.
        live: Traces that count, bool `[trace]`; not bad channels, nor those in bands of noise.
        channels: Channels of a module.

    Returns:
        Numbers of the leaking modules, from 0 at channel 1. None is found in gathers of fewer than two modules.
    """
    used = np.flatnonzero(live)
    if channels < SMALLEST_MODULE or len(used) < 2:
        return []
    used = used[np.argsort(channel[used], kind="stable")]
    number, module = channel[used], (channel[used] - 1) // channels
    unit = low[used] / np.maximum(np.sqrt(np.einsum("ts,ts->t", low[used], low[used])), 1e-30)[:, None]
    modules = np.unique(module)
    places = [np.flatnonzero(module == one) for one in modules]
    places = [place if len(place) >= LEAST_SHARE * channels else place[:0] for place in places]
    within = np.array([_alike(unit, number, place, place) for place in places])
    across = np.array([_alike(unit, number, *pair) for pair in itertools.pairwise(places)])
    across[np.diff(modules) > 1] = np.nan
    if np.count_nonzero(np.isfinite(within)) < 2:
        return []
    edges = np.concatenate([[np.nan], across, [np.nan]])
    outside = np.fmax(edges[:-1], edges[1:])
    outside = np.fmax(outside, float(np.nanmedian(within)))
    found = (within >= LEAST_ALIKE) & (within - outside >= LEAST_ALIKE)
    return modules[found].tolist()


def _alike(unit: np.ndarray, number: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """The median correlation of the channels of two modules, or of one, that are some way apart; NaN without any."""
    away = np.abs(np.subtract.outer(number[one], number[other]))
    apart = (away >= NEAREST) & (away <= FARTHEST)
    if not apart.any():
        return np.nan
    alike = (unit[one] @ unit[other].T)[apart]
    # Far quicker than np.median, for as many modules.
    return float(np.partition(alike, len(alike) // 2)[len(alike) // 2])
