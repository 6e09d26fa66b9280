"""An estimate of how common each class is in a survey, from gathers that were drawn at random.

A survey's gathers have one random order, which follows from a seed and their ids alone. Random choices are always the
next of that order. So the gathers judged from its start on are a random sample, whatever else was judged and why, and
no file has to remember them. The sample is not quite simple: gathers that were chosen for other reasons extend
it where they fill the next block of the order, which happens by chance once most of a survey is judged.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLOCK = 5
"""The sample ends at a multiple of so many gathers. Otherwise it would more often end with some that happened to be
judged for another reason, and such gathers are bad more often. If a share p of the survey is judged for other reasons,
they fill about p^BLOCK / (1 - p^BLOCK) blocks at its end."""

LEVEL = 0.95
"""Coverage of intervals."""


@dataclass(frozen=True)
class Fraction:
    """How common a class is.

    Attributes:
        label: The class.
        found: Gathers of the sample with this label.
        value: Its share of those with a label; NaN without any.
        low: Lower end of the interval.
        high: Its upper end.
    """

    label: str
    found: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Fractions:
    """Class fractions of a survey, from a simple random sample.

    Attributes:
        gathers: Gathers of the survey.
        sampled: Gathers of the sample.
        undecided: Those of them that have no label, because judges are unsure or disagree.
        classes: Each class, the mildest first.
    """

    gathers: int
    sampled: int
    undecided: int
    classes: tuple[Fraction, ...]

    def lines(self) -> list[str]:
        """The estimate in words, for a terminal."""
        if self.sampled == self.undecided:
            return [
                f"class fractions: not known yet; they are estimated once random choices are judged, {BLOCK} at a time"
            ]
        if self.sampled == self.gathers:
            total = self.sampled - self.undecided
            each = (f"{one.label} {100 * one.value:.1f} % ({one.found} of {total})" for one in self.classes)
            return [f"class fractions of the survey: {', '.join(each)}; all of its gathers are judged"]
        each = (
            f"{one.label} {100 * one.value:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})" for one in self.classes
        )
        unsure = f" and the {self.undecided} more without a label are like them" if self.undecided else ""
        return [
            f"class fractions of the survey: {', '.join(each)}; {100 * LEVEL:g} % intervals by Clopper and Pearson, "
            f"from {self.sampled - self.undecided} gathers chosen at random, if their labels are right{unsure}"
        ]


def random_order(ids: Sequence[str] | np.ndarray, seed: int) -> np.ndarray:
    """The random order of a survey's gathers.

    Args:
        ids: Their ids.
        seed: The seed; another gives another order.

    Returns:
        Row numbers, int64 `[gather]`.
    """
    keys = [hashlib.sha256(f"{seed}:{one}".encode()).digest() for one in ids]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)


def random_sample(order: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """The gathers that were drawn at random and judged: the order's start up to the first that is not judged.

    Args:
        order: What `random_order` gives.
        judged: Whether each gather was judged, bool `[gather]`.

    Returns:
        Row numbers, int64 `[drawn]`; all of them if all are judged, otherwise a multiple of `BLOCK`.
    """
    left = np.flatnonzero(~judged[order])
    if not len(left):
        return order
    return order[: left[0] // BLOCK * BLOCK]


def estimate(labels: np.ndarray, classes: Sequence[str], sample: np.ndarray, gathers: int) -> Fractions:
    """Estimate class fractions.

    Args:
        labels: Label of each of the survey's gathers, empty for none, `[gather]`.
        classes: Names of the classes.
        sample: What `random_sample` gives.
        gathers: Gathers of the survey.

    Source: Clopper and Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial, 1934.
    They hold for draws with repeats; without repeats, as here, they are too wide, if anything.
    """
    from scipy.stats import binomtest

    given = labels[sample]
    total = int((given != "").sum())
    found = []
    for label in classes:
        count = int((given == label).sum())
        low, high = binomtest(count, total).proportion_ci(LEVEL, "exact") if total else (0.0, 1.0)
        found.append(Fraction(label, count, count / total if total else np.nan, float(low), float(high)))
    return Fractions(gathers, len(sample), len(sample) - total, tuple(found))
