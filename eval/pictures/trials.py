"""Divisions of a set of pictures into those that train and those that test."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from eval.pictures.sets import Pictures, PictureSet

JUDGING = 0.1
"""Share of the rare training pictures that judge a flow and train nothing, in every arm."""


@dataclass(frozen=True)
class Trial:
    """A rare class and a division.

    Attributes:
        rare: Number of the rare class.
        fold: Number of the part that tests.
        seed: Seed of everything that is drawn.
        training: Rows that train, int64 `[picture]`.
        judges: Rows of rare pictures that judge a flow.
        test: Rows that test.
    """

    rare: int
    fold: int
    seed: int
    training: np.ndarray
    judges: np.ndarray
    test: np.ndarray


def trials(pictures: Pictures, chosen: PictureSet, seed: int) -> Iterator[Trial]:
    """The trials of a set: all parts of a division test in turn, for the only rare class or each for another one.

    Args:
        pictures: The pictures.
        chosen: What is fixed for them.
        seed: Seed of the division and of all that is drawn.
    """
    from sklearn.model_selection import StratifiedKFold

    strata = np.unique([pictures.classes.astype(str), pictures.kinds.astype(str)], axis=1, return_inverse=True)[1]
    division = StratifiedKFold(chosen.folds, shuffle=True, random_state=seed)
    for fold, (training, test) in enumerate(division.split(strata, strata)):
        for rare in chosen.rare if len(chosen.rare) == 1 else chosen.rare[fold :: chosen.folds]:
            number = seed * 1000 + fold * 100 + rare
            is_rare = pictures.classes[training] == rare
            kept = np.random.default_rng([number, 1]).permutation(training[is_rare])[: chosen.kept or None]
            judging = max(1, round(JUDGING * len(kept)))
            rows = np.sort(np.concatenate([training[~is_rare], kept[judging:]]))
            yield Trial(rare, fold, number, rows, kept[:judging], test)
