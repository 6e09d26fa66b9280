"""Round numbers beside the colours of a map."""

import math

import numpy as np

FEWEST_TICKS, MOST_TICKS = 3, 7
"""Fewest and most numbers beside a scale, where possible."""

LEAST_PLAIN, MOST_PLAIN = 1e-3, 1e5
"""Numbers outside this range are written with a power of ten."""

NARROWEST = 0.1
"""A scale is at least this share of its largest number wide, also where all values are the same."""

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def limits(values: np.ndarray) -> tuple[float, float]:
    """Where a scale begins and ends: at the 1st and 99th percentiles, moved apart if they are nearly equal.

    Args:
        values: Finite numbers, perhaps none.
    """
    if not len(values):
        return 1.0, 2.0
    low, high = (float(one) for one in np.percentile(values, [1, 99]))
    if not low and not high:
        return 0.0, 1.0
    missing = NARROWEST * max(abs(low), abs(high)) - (high - low)
    return (low - missing / 2, high + missing / 2) if missing > 0 else (low, high)


def ticks(low: float, high: float, *, logarithmic: bool) -> tuple[list[float], list[str]]:
    """Where a scale is labelled, and with what: at least two round numbers, three or more where there is room.

    Args:
        low: Where it begins.
        high: Where it ends, above that.
        logarithmic: Whether it is logarithmic; then powers of ten are tried first, then 1, 2 and 5 times these.

    Returns:
        The numbers, and how they are written.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator

    equal = MaxNLocator(MOST_TICKS - 2, steps=[1, 2, 5, 10], min_n_ticks=FEWEST_TICKS)
    locators = [LogLocator(numticks=MOST_TICKS), LogLocator(subs=(1, 2, 5), numticks=MOST_TICKS)] if logarithmic else []
    kept: list[float] = []
    for locator in (*locators, equal):
        kept = [float(one) for one in locator.tick_values(low, high) if low <= one <= high]
        if FEWEST_TICKS <= len(kept) <= MOST_TICKS:
            break
    return kept, written(kept)


def written(values: list[float]) -> list[str]:
    """Numbers as short texts; if their steps are equal, all have the same number of decimals.

    Args:
        values: The numbers.
    """
    if any(one and not LEAST_PLAIN <= abs(one) < MOST_PLAIN for one in values):
        return [_power(one) for one in values]
    texts = [f"{one:.6g}" for one in values]
    steps = np.diff(values)
    if len(steps) and np.allclose(steps, steps[0]):
        decimals = max(len(text.partition(".")[2]) for text in texts)
        return [f"{one:.{decimals}f}" for one in values]
    return texts


def _power(value: float) -> str:
    """A number with a power of ten, such as 2·10⁻⁶."""
    if not value:
        return "0"
    exponent = math.floor(math.log10(abs(value)) + 1e-9)
    factor = f"{value / 10.0**exponent:.3g}"
    ten = f"10{str(exponent).translate(_RAISED)}"
    return ten if factor == "1" else f"{factor}·{ten}"
