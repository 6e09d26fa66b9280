"""Whether synthetic gathers are good gathers: measures of images and features, one function each, with its source."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from eval.results.statistics import LEVEL, Interval

NEIGHBOURS = 5
"""Neighbours whose distance is the radius of a recorded gather's ball; the source's choice."""

DRAWS = 1000
"""Number of draws for an interval of an AUC."""

_BLOCK = 256


class Spread(NamedTuple):
    """Density and coverage, and the coverage that is expected of equal distributions."""

    density: float
    coverage: float
    expected: float


def density_and_coverage(recorded: np.ndarray, synthetic: np.ndarray, neighbours: int = NEIGHBOURS) -> Spread:
    """Fidelity and diversity in a space of features.

    Around each recorded gather lies a ball that reaches to its k-th nearest other one. Density is how many balls hold a
    synthetic gather, on average, over k: 1 where both have one distribution, more if the synthetic ones crowd where
    recorded ones are dense. Coverage is the share of balls that hold one or more synthetic gathers.

    Source: Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative models" (arXiv 2002.09797),
    section 3.

    Args:
        recorded: Features, `[gather, feature]`, of more than `neighbours` gathers.
        synthetic: Features likewise.
        neighbours: The k.

    Returns:
        Both, and the coverage that is expected of equal distributions of N synthetic and M recorded gathers, which is
        `1 - (M-1)..(M-k) / ((N+M-1)..(N+M-k))` by the source's appendix.

    Raises:
        ValueError: There are too few gathers.
    """
    from scipy.spatial.distance import cdist

    many, made = len(recorded), len(synthetic)
    if many <= neighbours or not made:
        raise ValueError(f"{many} recorded and {made} synthetic gathers: give more than {neighbours}, and at least one")
    # The nearest of all is the gather itself.
    radius = np.partition(cdist(recorded, recorded), neighbours, axis=1)[:, neighbours]
    within = cdist(recorded, synthetic) <= radius[:, np.newaxis]
    places = np.arange(1, neighbours + 1)
    expected = 1.0 - float(np.prod((many - places) / (many + made - places)))
    return Spread(float(within.sum() / (neighbours * made)), float(within.any(axis=1).mean()), expected)


def auc_with_interval(
    scores: np.ndarray, synthetic: np.ndarray, groups: Sequence[Hashable], seed: int = 0, draws: int = DRAWS
) -> Interval:
    """Area under the ROC curve of a classifier that tells recorded from synthetic gathers; 0.5 if it cannot.

    The interval draws groups of gathers anew, such as sail lines, recorded and synthetic ones apart.

    Source: Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests" (arXiv 1610.06545), with the area in
    place of the accuracy; the interval is the cluster bootstrap of Field and Welsh 2007, J. R. Statist. Soc. B 69.

    Args:
        scores: The higher, the more a gather seems synthetic, `[gather]`.
        synthetic: Whether it is, bool `[gather]`.
        groups: What each belongs to, `[gather]`.
        seed: Seed of the draws.
        draws: Number of draws.

    Returns:
        The area and its percentile interval; NaN unless there are gathers of both kinds.
    """
    synthetic = np.asarray(synthetic, bool)
    if not synthetic.any() or synthetic.all():
        return Interval(np.nan, np.nan, np.nan)
    random, weights = np.random.default_rng(seed), np.zeros((draws, len(scores)))
    for kind in (True, False):
        of_kind = np.flatnonzero(synthetic == kind).tolist()
        names = {name: number for number, name in enumerate(dict.fromkeys(groups[place] for place in of_kind))}
        drawn = random.multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
        weights[:, of_kind] = drawn[:, np.array([names[groups[place]] for place in of_kind])]
    # Of each pair of a synthetic and a recorded gather, whether the former has the higher score, ties half.
    one, other = scores[synthetic][:, np.newaxis], scores[~synthetic][np.newaxis]
    higher = (one > other) + 0.5 * (one == other)
    apart = weights[:, synthetic], weights[:, ~synthetic]
    areas = np.einsum("ds,sr,dr->d", apart[0], higher, apart[1], optimize=True) / (apart[0].sum(1) * apart[1].sum(1))
    low, high = np.percentile(areas, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Interval(float(higher.mean()), float(low), float(high))


def nearest_distances(images: np.ndarray, others: np.ndarray, *, apart: bool = False) -> np.ndarray:
    """Root mean square difference between each image and the most similar of others, in grey levels.

    Args:
        images: Grey levels, uint8 `[gather, time, trace]`.
        others: Grey levels likewise, of at least one gather.
        apart: Whether both are the same gathers, so that none counts as its own nearest.

    Returns:
        The differences, float64 `[gather]`.
    """
    wide = others.reshape(len(others), -1).astype(np.float32)
    found = np.empty(len(images))
    for first in range(0, len(images), _BLOCK):
        block = images[first : first + _BLOCK].reshape(-1, wide.shape[1]).astype(np.float32)
        nearest, smallest = np.zeros(len(block), np.int64), np.full(len(block), np.inf)
        for start in range(0, len(wide), _BLOCK):
            part = wide[start : start + _BLOCK]
            # |a - b|^2 = |a|^2 - 2 a b + |b|^2; products of whole numbers lose little in float32, but not nothing.
            squares = (block**2).sum(1)[:, np.newaxis] - 2.0 * (block @ part.T) + (part**2).sum(1)
            if apart:
                own = np.arange(first, first + len(block))[:, np.newaxis] == np.arange(start, start + len(part))
                squares = np.where(own, np.inf, squares)
            place = squares.argmin(axis=1)
            value = squares[np.arange(len(block)), place]
            nearest = np.where(value < smallest, start + place, nearest)
            smallest = np.minimum(value, smallest)
        exact = np.mean((block.astype(np.float64) - wide[nearest]) ** 2, axis=1)
        found[first : first + len(block)] = np.sqrt(exact)
    return found


def nearer_than_held_out(synthetic: np.ndarray, held_out: np.ndarray) -> float:
    """Probability that a synthetic gather is nearer to a training gather than a held-out recorded one is.

    0.5 if the generator knows the training gathers no better than it knows others of the distribution; 1 if it copies.

    Source: the statistic of Meehan, Chaudhuri and Dasgupta 2020, "A non-parametric test to detect data-copying in
    generative models" (arXiv 2004.05675), section 3, over the whole space; that of Mann and Whitney.

    Args:
        synthetic: Distances of synthetic gathers to their nearest training gathers, `[gather]`.
        held_out: Distances of held-out recorded gathers to theirs, `[gather]`.
    """
    one, other = np.asarray(synthetic)[:, np.newaxis], np.asarray(held_out)[np.newaxis]
    return float(np.mean((one < other) + 0.5 * (one == other)))
