"""The order of a gather's traces by their offsets."""

import numpy as np

LONG_RUN = 8
"""Average length of runs of rising or falling offsets from which a gather is several cables, not in disorder."""

ALIKE = 0.9
"""Least rank correlation of offset and place for offsets that rise or fall overall."""

MOST_ODD = 0.1
"""Share of traces whose offsets may be far from their neighbours', because of single wrong headers."""

WIDEST_TURN = 0.2
"""Fraction of the offsets' range beyond which a rise or fall is never jitter."""


def order_of_offsets(offset_m: np.ndarray, wanted: str) -> np.ndarray | None:
    """Find the order of traces that a model knows.

    Traces with a blank header (offset 0 or none, while others have one) are ignored and stay next to their neighbours
    in the file. A gather whose offsets rise or fall overall, apart from jitter and single wrong headers, is reversed if
    the model needs the other direction. Gathers in disorder are sorted. One whose offsets rise and fall in few long
    runs is several cables, or has the source in its middle; it is not changed.

    Args:
        offset_m: Offsets, `[trace]`, of any sign.
        wanted: A name from `ORDERS`; if it is neither `near` nor `far`, a gather in order is not changed.

    Returns:
        Numbers of the traces in that order, int64 `[trace]`; None if they are in it already, or offsets are unknown.
    """
    distance = np.abs(np.asarray(offset_m, np.float64))
    told = np.flatnonzero(~blank_offsets(distance))
    known = distance[told]
    if len(known) < 2 or 2 * len(known) < len(distance) or np.ptp(known) == 0:
        return None
    direction, turns = _direction(known)
    if direction:
        is_wanted = wanted not in ("near", "far") or (wanted == "near") == (direction > 0)
        return None if is_wanted else np.arange(len(distance))[::-1]
    if len(known) / (1 + turns) >= LONG_RUN:
        return None
    place = np.empty(len(known), np.int64)
    place[np.argsort(-known if wanted == "far" else known, kind="stable")] = np.arange(len(known))
    # A blank trace follows its predecessor in the file; blank first traces precede their successor.
    before = np.searchsorted(told, np.arange(len(distance)), side="right") - 1
    return np.argsort(place[np.maximum(before, 0)], kind="stable")


def blank_offsets(distance: np.ndarray) -> np.ndarray:
    """Find traces without an offset. A single 0 that continues the others' spacing is an offset.

    Args:
        distance: Absolute offsets, float64 `[trace]`, in metres; NaN or 0 where the header is blank.

    Returns:
        bool `[trace]`.
    """
    blank = ~np.isfinite(distance) | (distance == 0)
    others = np.unique(distance[~blank])
    single = np.count_nonzero(distance == 0) == 1
    if single and len(others) > 1 and others[0] <= 1.5 * np.median(np.diff(others)):
        return ~np.isfinite(distance)
    return blank


def _direction(distance: np.ndarray) -> tuple[int, int]:
    """The overall direction of distances.

    Args:
        distance: Absolute offsets, finite, not all the same, `[trace]`.

    Returns:
        1 if they rise, -1 if they fall, 0 if neither; and how often they turn.
    """
    steps = np.diff(distance)
    if (steps >= 0).all() or (steps <= 0).all():
        return int(np.sign(steps.sum())), 0
    jitter = np.median(np.abs(np.diff(steps))) * 1.4826 / 6**0.5 if len(steps) > 1 else 0.0
    least = min(3 * np.median(np.abs(steps[steps != 0])) + 5 * jitter, WIDEST_TURN * np.ptp(distance))
    odd = np.abs(distance - _usual(distance)) > least
    # This many are not single wrong headers but disorder.
    kept = distance[~odd] if np.count_nonzero(odd) <= MOST_ODD * len(distance) else distance
    turns = _turns(kept, least)
    if turns == 0 and abs(alike := _rank_correlation(kept)) >= ALIKE:
        return int(np.sign(alike)), 0
    return 0, turns


def _usual(distance: np.ndarray) -> np.ndarray:
    """Median of each distance, `[trace]`, and the two on either side."""
    if len(distance) < 5:
        return distance
    around = np.lib.stride_tricks.sliding_window_view(np.pad(distance, 2, mode="reflect"), 5)
    return np.median(around, axis=1)


def _turns(distance: np.ndarray, least: float) -> int:
    """Count how often distances turn by more than `least`."""
    turns, heading = 0, 0
    low = high = distance[0]
    for here in distance.tolist():
        low, high = min(low, here), max(high, here)
        if heading <= 0 and here - low > least:
            turns, heading, high = turns + (heading < 0), 1, here
        elif heading >= 0 and high - here > least:
            turns, heading, low = turns + (heading > 0), -1, here
    return turns


def _rank_correlation(distance: np.ndarray) -> float:
    """Spearman's rank correlation of distances, `[trace]`, with their places."""
    _, ranks, counts = np.unique(distance, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        return 0.0
    middle = np.cumsum(counts) - (counts + 1) / 2
    return float(np.corrcoef(middle[ranks], np.arange(len(distance)))[0, 1])
