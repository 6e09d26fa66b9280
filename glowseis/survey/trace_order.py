"""The order of a gather's traces by their offsets."""

import numpy as np

LONG_RUN = 8
"""Traces in a row, on average, whose offsets rise or fall from which on a gather is several cables, not in disorder."""


def order_of_offsets(offset_m: np.ndarray, wanted: str) -> np.ndarray | None:
    """Find the order of traces that a model knows.

    Gathers in disorder are sorted. One whose offsets rise and fall in few long runs is several cables, or has the
    source in its middle; it is left as it is.

    Args:
        offset_m: Offsets, `[trace]`, of any sign.
        wanted: A name from `ORDERS`; a gather in order stays as it is where it is neither `near` nor `far`.

    Returns:
        Numbers of the traces in that order, int64 `[trace]`; None where they are in it, or are not told.
    """
    distance = np.abs(np.asarray(offset_m, np.float64))
    if len(distance) < 2 or not np.isfinite(distance).all() or np.ptp(distance) == 0:
        return None
    steps = np.diff(distance)
    rising, falling = bool((steps >= 0).all()), bool((steps <= 0).all())
    if rising or falling:
        is_wanted = (rising and wanted != "far") or (falling and wanted != "near")
        return None if is_wanted else np.arange(len(distance))[::-1]
    runs = 1 + np.count_nonzero(np.diff(np.sign(steps[steps != 0])))
    if len(distance) / runs >= LONG_RUN:
        return None
    return np.argsort(-distance if wanted == "far" else distance, kind="stable")
