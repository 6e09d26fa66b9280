"""How far judges agree: Cohen's kappa of two, Krippendorff's alpha of all, with intervals by bootstrap over gathers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 2000
"""Draws of the bootstrap."""

LIMITS = (2.5, 97.5)
"""Percentiles that bound an interval."""


@dataclass(frozen=True)
class Agreement:
    """A coefficient of agreement: 1 if judges always agree, 0 if no more than by chance.

    Attributes:
        value: The coefficient; NaN if only one class is given.
        low: 2.5 % of resamples are below it; NaN if `value` is.
        high: 2.5 % of resamples are above it; NaN if `value` is.
        gathers: How many gathers several judges gave a class.
    """

    value: float
    low: float
    high: float
    gathers: int

    def record(self) -> dict[str, Any]:
        """The same as JSON; None for NaN."""
        figures = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if np.isnan(figure) else figure for name, figure in figures.items()} | {
            "gathers": self.gathers
        }

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "undefined, all the same class" if self.gathers else "undefined, no gather in common"
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def cohens_kappa(one: np.ndarray, other: np.ndarray, classes: int, seed: int = 1) -> Agreement:
    """Cohen's kappa of two judges (Cohen 1960, https://doi.org/10.1177/001316446002000104), unweighted.

    Args:
        one: Number of the class that a judge gives each gather, negative for none, int `[gather]`.
        other: The same of another judge.
        classes: Number of classes.
        seed: Seed of the resamples.
    """
    both = (one >= 0) & (other >= 0)
    pairs = one[both] * classes + other[both]
    return _resampled(np.eye(classes**2).reshape(-1, classes, classes), pairs, _kappa, seed)


def krippendorffs_alpha(votes: np.ndarray, classes: int, *, ordinal: bool, seed: int = 1) -> Agreement:
    """Krippendorff's alpha of any number of judges, who need not judge all gathers.

    Source: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011),
    https://repository.upenn.edu/asc_papers/43.

    Args:
        votes: Number of the class that each judge gives a gather, negative for none, int `[gather, judge]`.
        classes: Number of classes.
        ordinal: Whether the numbers are in order, so that neighbouring classes disagree less.
        seed: Seed of the resamples.
    """
    counts = (votes[:, :, np.newaxis] == np.arange(classes)).sum(axis=1)
    several = counts[counts.sum(axis=1) > 1]
    kinds, kind_of = np.unique(several, axis=0, return_inverse=True)
    # What a gather adds to the matrix of coincidences.
    judges = np.maximum(kinds.sum(axis=1), 2)
    pairs = kinds[:, :, np.newaxis] * kinds[:, np.newaxis] - kinds[:, :, np.newaxis] * np.eye(classes)
    shares = pairs / (judges - 1)[:, np.newaxis, np.newaxis]
    return _resampled(shares, kind_of.reshape(-1), _ordinal if ordinal else _nominal, seed)


def _resampled(
    kinds: np.ndarray, kind_of: np.ndarray, coefficient: Callable[[np.ndarray], np.ndarray], seed: int
) -> Agreement:
    """A coefficient of a sum of matrices over gathers, and of resampled gathers.

    Args:
        kinds: The different matrices, float64 `[kind, class, class]`.
        kind_of: Which of them each gather adds, int `[gather]`.
        coefficient: Makes coefficients of summed matrices, `[..., class, class]` -> `[...]`; NaN if one is undefined.
        seed: Seed of the resamples.
    """
    count = len(kind_of)
    if not count:
        return Agreement(np.nan, np.nan, np.nan, 0)
    found = np.bincount(kind_of, minlength=len(kinds))
    # Which gathers are drawn does not matter, only how many of each kind.
    drawn = np.random.default_rng(seed).multinomial(count, found / count, RESAMPLES)
    with np.errstate(invalid="ignore", divide="ignore"):
        value, *resampled = coefficient(np.tensordot(np.vstack([found, drawn]), kinds, 1))
    if np.isnan(value):
        return Agreement(np.nan, np.nan, np.nan, count)
    low, high = np.nanpercentile(resampled, LIMITS)
    return Agreement(float(value), float(low), float(high), count)


def _kappa(table: np.ndarray) -> np.ndarray:
    """Kappa of tables of how often two judges give two classes."""
    count = table.sum(axis=(-2, -1))
    by_chance = (table.sum(axis=-1) * table.sum(axis=-2)).sum(axis=-1)
    agreed = np.trace(table, axis1=-2, axis2=-1)
    return 1 - count * (count - agreed) / (count**2 - by_chance)


def _nominal(table: np.ndarray) -> np.ndarray:
    """Alpha of matrices of coincidences; all disagreements count the same."""
    return _alpha(table, 1 - np.eye(table.shape[-1]))


def _ordinal(table: np.ndarray) -> np.ndarray:
    """Alpha of matrices of coincidences; a disagreement counts by the square of the ranks between."""
    given = table.sum(axis=-1)
    rank = given.cumsum(axis=-1) - given / 2
    return _alpha(table, (rank[..., :, np.newaxis] - rank[..., np.newaxis, :]) ** 2)


def _alpha(table: np.ndarray, apart: np.ndarray) -> np.ndarray:
    given = table.sum(axis=-1)
    count = given.sum(axis=-1)
    observed = (table * apart).sum(axis=(-2, -1))
    expected = (given[..., :, np.newaxis] * given[..., np.newaxis, :] * apart).sum(axis=(-2, -1))
    return 1 - (count - 1) * observed / expected
