"""SMOTE by imbalanced-learn, and the parents of each of its gathers."""

import numpy as np

from glowseis.errors import FittingError, InputError
from glowseis.survey.store.survey import Survey
from glowseis.synthesis import Pair

NEIGHBOURS = 5
"""Nearest neighbours among which the second parent is drawn, the default of imbalanced-learn; fewer of few gathers."""

_BLOCK_BYTES = 64_000_000
_LARGEST_ERROR = 1e-4
"""How far from the way between its parents a gather may lie, as a share of their distance."""


def smote_pairs(survey: Survey, rows: np.ndarray, count: int, seed: int) -> list[Pair]:
    """Parents and weights of SMOTE's gathers: `first + alpha (second - first)`.

    imbalanced-learn draws them from as many numbers a gather as there are gathers, coordinates in which all distances
    are those of the pictures: what it draws is what it would draw from the pixels, of which no copies are held.

    Args:
        survey: Where the gathers are.
        rows: Rows of the gathers to draw from, at least two.
        count: How many to make.
        seed: Seed of the draw, 0 to 2^32 - 1.

    Returns:
        The pairs.

    Raises:
        InputError: imbalanced-learn is not installed, or a record is damaged.
        FittingError: A gather that it made lies between no two of the rows.

    Source: Chawla et al. (2002), "SMOTE: synthetic minority over-sampling technique".
    """
    try:
        from imblearn.over_sampling import SMOTE
    except ImportError:
        raise InputError(
            "the arm smote needs imbalanced-learn, which is not there; install it with pip install "
            "'glowseis[smote]', or leave the arm out"
        ) from None
    points = coordinates(products(survey, rows))
    neighbours = min(NEIGHBOURS, len(rows) - 1)
    smote = SMOTE(sampling_strategy={1: len(rows) + count}, k_neighbors=neighbours, random_state=seed)
    # It wants a second class, whose gathers play no part.
    classes = np.array([1] * len(rows) + [0])
    made = smote.fit_resample(np.vstack([points, points[:1]]), classes)[0][len(rows) + 1 :]
    found = parents(points, made, neighbours)
    return [Pair(int(rows[first]), int(rows[second]), alpha) for first, second, alpha in found]


def products(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """Inner products of pictures, float64 `[row, row]`, with memory that does not grow with the rows' number.

    Args:
        survey: Where they are.
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


def coordinates(products_of_rows: np.ndarray) -> np.ndarray:
    """Points whose distances are those of the pictures with some inner products.

    Args:
        products_of_rows: float64 `[row, row]`.

    Returns:
        float64 `[row, coordinate]`, as many coordinates as rows.
    """
    centred = products_of_rows - products_of_rows.mean(axis=0)
    centred -= centred.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh((centred + centred.T) / 2)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def parents(points: np.ndarray, made: np.ndarray, neighbours: int) -> list[tuple[int, int, float]]:
    """Find between which point and which of its nearest neighbours each of some others lies.

    Args:
        points: float64 `[point, coordinate]`.
        made: Others, float64 `[other, coordinate]`.
        neighbours: How many of the nearest points come into question.

    Returns:
        Of each the point, its neighbour and the weight of the neighbour.

    Raises:
        FittingError: One lies between none.
    """
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :neighbours]
    lengths = np.take_along_axis(apart, nearest, axis=1)
    found = []
    for one in made:
        # Of a point on a segment the ways to its ends add up to the segment's length.
        away = np.linalg.norm(points - one, axis=1)
        detour = away[:, None] + away[nearest] - lengths
        first, place = divmod(int(np.argmin(detour)), neighbours)
        second = int(nearest[first, place])
        way = points[second] - points[first]
        alpha = float(np.clip((one - points[first]) @ way / max(way @ way, 1e-300), 0.0, 1.0))
        error = float(np.linalg.norm(points[first] + alpha * way - one))
        if error > _LARGEST_ERROR * max(float(lengths[first, place]), 1.0):
            raise FittingError("SMOTE gave a gather that lies between no two of the gathers it was given")
        found.append((first, second, alpha))
    return found


def _levels(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """Grey levels around mid-grey, float64 `[row, pixel]`: sums of their products are exact."""
    return survey.read_images(rows).reshape(len(rows), -1).astype(np.float64) - 128.0
