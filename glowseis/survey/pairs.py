"""Pairs of gathers that become the parents of new ones."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pair:
    """Two parents and the weight of the second.

    Attributes:
        first: Row number of the parent that gives geometry and valid region.
        second: Row number of the other parent.
        alpha: Weight of the second in latent space, in [0, 1).
    """

    first: int
    second: int
    alpha: float


def draw_pairs(rows: np.ndarray, count: int, seed: int, farthest: float = 1.0) -> list[Pair]:
    """Draw pairs of distinct gathers and their weights, all uniform.

    With the same seed, a longer draw begins with the pairs of a shorter one.

    Args:
        rows: Row numbers of the possible parents, at least two.
        count: Number of pairs.
        seed: Seed of the draw.
        farthest: Weights of the second parent are below this; below 1, children lie nearer to their first parent.

    Raises:
        ValueError: `farthest` is not above 0 and at most 1.
    """
    if not 0 < farthest <= 1:
        raise ValueError(f"farthest is {farthest}; give a number above 0, at most 1")
    pairs = []
    for index in range(count):
        random = np.random.default_rng([seed, index])
        first, second = random.choice(rows, 2, replace=False)
        pairs.append(Pair(int(first), int(second), farthest * float(random.uniform())))
    return pairs
