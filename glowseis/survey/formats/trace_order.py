"""How the traces of gathers follow one another: where the source moves, and where channels or offsets start again."""

from collections.abc import Iterable, Sequence

import numpy as np

from glowseis.survey.formats.gather_runs import GatherRuns

LEAST_RUN = 3
"""Fewest traces, on average, in a run between two gaps in the channel numbers, or between two turns of what rises or
falls along a cable; traces in disorder turn after two."""

MOST_CABLES = 32
"""Widest range of numbers that count cables."""

LEAST_GAP = 20
"""Most consecutive channels that may be missing without being a gap."""


def motion(
    gathers: GatherRuns, source: Sequence[np.ndarray], scale: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Find where the source moves: both its words and its scaled position change. Different scalars alone do not count.

    Args:
        gathers: Gathers.
        source: Its coordinates as the headers hold them, int64 `[trace]` each.
        scale: Their factors, float64 `[trace]`.
        tolerance: How much they may differ.

    Returns:
        Traces before which it moves, bool `[trace]`, and gathers within which it does, bool `[gather]`.
    """
    moved = np.zeros(len(gathers.headers), bool)
    moves = np.zeros(len(gathers.runs), bool)
    for each in source:
        wide = gathers.high(each) > gathers.low(each)
        if wide.any():
            metres = each * scale
            moves |= wide & (gathers.high(metres) - gathers.low(metres) > tolerance)
            moved |= (np.abs(gathers.steps(metres)) > tolerance) & (gathers.steps(each) != 0)
    return moved, moves


def repeats(gathers: GatherRuns, channel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find channel numbers that repeat within a gather.

    Args:
        gathers: Gathers.
        channel: Channel numbers, int64 `[trace]`.

    Returns:
        Gathers in which one does, bool `[gather]`, and traces at which numbers start again, bool `[trace]`.
    """
    steps = gathers.steps(channel)
    up, down = gathers.count(steps > 0), gathers.count(steps < 0)
    constant = (up == 0) & (down == 0)
    in_order = (np.maximum(up, down) == gathers.lengths - 1) | constant
    against = steps * gathers.spread(np.sign(up - down)) < 0
    if in_order.all():
        return np.zeros(len(in_order), bool), against
    doubtful = np.flatnonzero(gathers.spread(~in_order))
    owner = np.repeat(np.arange(len(gathers.runs)), gathers.lengths)[doubtful]
    order = np.lexsort((channel[doubtful], owner))
    same = (np.diff(owner[order]) == 0) & (np.diff(channel[doubtful][order]) == 0)
    return np.bincount(owner[order][1:][same], minlength=len(gathers.runs)) > 0, against


def restarts(gathers: GatherRuns, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find values that run in one direction and jump back by more than half their range.

    A single outlier jumps back and forth, and does not count; nor do traces in disorder.

    Args:
        gathers: Gathers.
        numbers: Offsets or coordinates, `[trace]`.

    Returns:
        Gathers in which they do, bool `[gather]`, and traces at which they start again, bool `[trace]`.
    """
    steps = gathers.steps(numbers)
    up, down = gathers.count(steps > 0), gathers.count(steps < 0)
    mixed = (up > 0) & (down > 0)
    if not mixed.any():
        return np.zeros(len(mixed), bool), np.zeros(len(numbers), bool)
    half = gathers.spread((gathers.high(numbers) - gathers.low(numbers)) / 2)
    onward = steps * gathers.spread(np.sign(up - down))
    back, forth = onward < -half, onward > half
    net = gathers.count(back) - gathers.count(forth)
    # A single last trace is an outlier, not a run.
    last = gathers.starts + gathers.lengths - 1
    return mixed & (net - back[last] > 0) & _runs(gathers, up, down), back


def jumps(gathers: GatherRuns, channel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find channel numbers with gaps that are longer than the runs between them.

    Args:
        gathers: Gathers.
        channel: Channel numbers, int64 `[trace]`.

    Returns:
        Gathers that have them, bool `[gather]`, and traces after gaps, bool `[trace]`.
    """
    steps = gathers.steps(channel)
    up, down = gathers.count(steps > 0), gathers.count(steps < 0)
    size = np.abs(steps)
    gap = size > LEAST_GAP
    count = gathers.count(gap)
    if not count.any():
        return np.zeros(len(count), bool), gap
    least = gathers.low(np.where(gap, size, np.iinfo(np.int64).max))
    few = (count > 0) & (count < gathers.lengths // LEAST_RUN) & _runs(gathers, up, down)
    return few & (least > gathers.lengths / (count + 1)), gap


def alternates(gathers: GatherRuns, channel: np.ndarray, words: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Find channel numbers that jump from cable to cable, in gathers whose cables' traces are mixed.

    Traces in disorder jump too: either a word changes exactly where numbers jump, and holds few values, or the cables
    take turns, so that all steps up are the same, and all steps down.

    Args:
        gathers: Gathers.
        channel: Channel numbers that run on from cable to cable, int64 `[trace]`.
        words: Values of words that may tell cables apart, int64 `[trace]` each, asked for only if needed.

    Returns:
        Gathers in which they do, bool `[gather]`, and traces after jumps, bool `[trace]`.
    """
    steps = gathers.steps(channel)
    gap = np.abs(steps) > LEAST_GAP
    count = gathers.count(gap)
    many = (count > 0) & (count >= gathers.lengths // LEAST_RUN) & (gathers.lengths > LEAST_GAP)
    if not many.any():
        return many, gap
    up, down = np.where(steps > 0, steps, 0), np.where(steps < 0, -steps, 0)
    turns = (gathers.high(up) > 0) & (gathers.high(down) > 0) & (count == gathers.lengths - 1)
    for each in (up, down):
        turns &= gathers.high(each) == gathers.low(np.where(each > 0, each, np.iinfo(np.int64).max))
    for told in words:
        few = gathers.high(told) - gathers.low(told) <= MOST_CABLES
        turns |= few & ~gathers.any((gathers.steps(told) != 0) != gap)
    return many & turns, gap


def equal_runs(gathers: GatherRuns, told: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find a word that counts cables: it goes up by one after equally many traces.

    Args:
        gathers: Gathers.
        told: The word's values, int64 `[trace]`.

    Returns:
        Gathers in which it does, bool `[gather]`, and traces at which it changes, bool `[trace]`.
    """
    steps = gathers.steps(told)
    changed = steps != 0
    runs = gathers.count(changed) + 1
    length = gathers.lengths // runs
    place = np.arange(len(told)) - gathers.spread(gathers.starts)
    due = (place % gathers.spread(np.maximum(length, 1)) == 0) & (place > 0)
    equal = (gathers.lengths % runs == 0) & ~gathers.any(changed != due) & ~gathers.any(changed & (steps != 1))
    return equal & (runs > 1) & (length > LEAST_GAP), changed


def _runs(gathers: GatherRuns, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Gathers in which values rise or fall in runs, by the number of steps in each direction, bool `[gather]`."""
    return LEAST_RUN * (np.minimum(up, down) + 1) <= gathers.lengths


def along(gathers: GatherRuns, receiver: Sequence[np.ndarray]) -> np.ndarray:
    """Choose the axis along which the receivers of each gather spread most.

    Args:
        gathers: Gathers.
        receiver: Their coordinates on two axes, `[trace]` each.

    Returns:
        Their coordinates on that axis, `[trace]`.
    """
    wide = [gathers.high(each) - gathers.low(each) for each in receiver]
    return np.where(gathers.spread(wide[0] >= wide[1]), receiver[0], receiver[1])
