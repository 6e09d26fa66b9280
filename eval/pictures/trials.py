"""Divisions of a set of pictures into training and test pictures."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from eval.pictures.sets import Pictures, PictureSet

JUDGING = 0.1
"""Share of the rare training pictures that are held out to choose a flow's weights. They train nothing, in any arm."""


@dataclass(frozen=True)
class Trial:
    """A rare class and a division.

    Attributes:
        rare: Number of the rare class.
        fold: Number of the test part.
        seed: Seed of everything that is drawn.
        training: Rows of training pictures, int64 `[picture]`.
        judges: Rows of rare pictures held out to choose a flow's weights.
        test: Rows of test pictures.
    """

    rare: int
    fold: int
    seed: int
    training: np.ndarray
    judges: np.ndarray
    test: np.ndarray


def trials(pictures: Pictures, chosen: PictureSet, seed: int) -> Iterator[Trial]:
    """The trials of a set: all parts of a division are the test part in turn.

    If there is one rare class, it has a trial per part. If there are several, each has one trial.

    Args:
        pictures: The pictures.
        chosen: What is fixed for them.
        seed: Seed of the division and all random numbers.
    """
    from sklearn.model_selection import StratifiedKFold

    both = [pictures.classes.astype(str), pictures.kinds.astype(str)]
    # NumPy 2.0 returns a row.
    strata = np.unique(both, axis=1, return_inverse=True)[1].ravel()
    division = StratifiedKFold(chosen.folds, shuffle=True, random_state=seed)
    for fold, (training, test) in enumerate(division.split(strata, strata)):
        for rare in chosen.rare if len(chosen.rare) == 1 else chosen.rare[fold :: chosen.folds]:
            number = seed * 1000 + fold * 100 + rare
            is_rare = pictures.classes[training] == rare
            kept = np.random.default_rng([number, 1]).permutation(training[is_rare])[: chosen.kept or None]
            judging = max(1, round(JUDGING * len(kept)))
            rows = np.sort(np.concatenate([training[~is_rare], kept[judging:]]))
            yield Trial(rare, fold, number, rows, kept[:judging], test)
