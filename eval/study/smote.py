"""SMOTE on images: which gathers are mixed, and how much of each."""

import numpy as np

from glowseis.survey.store.survey import Survey
from glowseis.synthesis import Pair

NEIGHBOURS = 5
"""Nearest neighbours that the second parent is drawn from, as in imbalanced-learn; fewer if there are few gathers."""

_BLOCK_BYTES = 64_000_000


def smote_pairs(survey: Survey, rows: np.ndarray, count: int, seed: int) -> list[Pair]:
    """Parents and weights of SMOTE's gathers: `first + alpha (second - first)`.

    Args:
        survey: The survey that holds the gathers.
        rows: Rows of the gathers to draw from, at least two.
        count: Number of pairs.
        seed: Seed of the draw, 0 to 2^32 - 1; imbalanced-learn draws the same from it.

    Returns:
        The pairs.

    Raises:
        InputError: A record is damaged.

    Source: Chawla et al. (2002), "SMOTE: synthetic minority over-sampling technique".
    """
    nearest = nearest_neighbours(products(survey, rows), min(NEIGHBOURS, len(rows) - 1))
    # imbalanced-learn's generator, and its order of draws.
    random = np.random.RandomState(seed)
    first, place = np.divmod(random.randint(0, nearest.size, size=count), nearest.shape[1])
    alphas = random.uniform(size=count)
    parents = zip(rows[first].tolist(), rows[nearest[first, place]].tolist(), alphas.tolist(), strict=True)
    return [Pair(*one) for one in parents]


def products(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """Inner products of images, float64 `[row, row]`, in blocks, so that only a few images are in memory at once.

    Args:
        survey: The survey that holds them.
        rows: Row numbers.
    """
    result = np.zeros((len(rows), len(rows)))
    block = max(1, _BLOCK_BYTES // (4 * survey.size[0] * survey.size[1]))
    parts = [slice(start, start + block) for start in range(0, len(rows), block)]
    for number, part in enumerate(parts):
        one = _levels(survey, rows[part])
        for other in parts[number:]:
            result[part, other] = one @ (one if other is part else _levels(survey, rows[other])).T
            result[other, part] = result[part, other].T
    return result


def nearest_neighbours(products_of_rows: np.ndarray, count: int) -> np.ndarray:
    """The nearest images of each image, by root mean square difference.

    Args:
        products_of_rows: As `products` returns them.
        count: Number of neighbours.

    Returns:
        Their places among the rows, the nearest first, int64 `[row, neighbour]`.
    """
    squares = np.diag(products_of_rows)
    apart = squares[:, None] + squares - 2 * products_of_rows
    np.fill_diagonal(apart, np.inf)
    return np.argsort(apart, axis=1, kind="stable")[:, :count]


def _levels(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """Grey levels around mid-grey, float64 `[row, pixel]`: sums of their products are exact."""
    return survey.read_images(rows).reshape(len(rows), -1).astype(np.float64) - 128.0
