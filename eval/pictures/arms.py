"""What the arms of a study of pictures add to a training set, and which pictures each step takes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from eval.pictures.sets import DETAIL, Pictures, PictureSet
from eval.pictures.trials import Trial
from eval.study.makers import PIXEL_MIXING, block, mixture
from eval.study.names import BASELINE, PRIMARY, RIVAL
from glowseis.survey.pairs import draw_pairs
from glowseis.transplant import draw_moves

MADE = 300
"""Pictures that an arm makes."""

BATCH = 32

_ENOUGH = 8
"""Moves drawn for each that is used; those between pictures of different kinds are left out."""

Between = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Makes pictures between pairs of pictures: takes the first ones, the second ones and the weights of the second."""


@dataclass(frozen=True)
class Children:
    """Pictures that an arm makes.

    Attributes:
        first: Rows of their first parents, `[picture]`.
        second: Rows of their second parents.
        images: Grey levels, uint8 `[picture, height, width]`.
    """

    first: np.ndarray
    second: np.ndarray
    images: np.ndarray


def children(
    arm: str, pictures: Pictures, chosen: PictureSet, trial: Trial, between: Between | None = None
) -> Children | None:
    """The pictures that an arm makes; None if it makes none.

    Args:
        arm: Its name.
        pictures: All pictures.
        chosen: What is fixed for them.
        trial: Which of them train.
        between: Makes the pictures of the arm `flow`; no other arm needs it.
    """
    if arm in (BASELINE, RIVAL):
        return None
    images, training = pictures.images, trial.training
    of_training = pictures.classes[training]
    rare = training[of_training == trial.rare]
    if arm in (PIXEL_MIXING, PRIMARY):
        pairs = draw_pairs(rare, MADE, trial.seed)
        drawn = [(one.first, one.second, one.alpha) for one in pairs]
    else:
        hosts = training[np.isin(of_training, chosen.milder)] if arm == DETAIL else training
        moves = draw_moves(hosts, rare, _ENOUGH * MADE, trial.seed)
        alike = [one for one in moves if arm != DETAIL or pictures.kinds[one.host] == pictures.kinds[one.donor]]
        drawn = [(one.host, one.donor, one.moved) for one in alike[:MADE]]
    first, second, share = map(np.array, zip(*drawn, strict=True))
    if arm == PRIMARY:
        assert between is not None
        made = between(images[first], images[second], share)
    elif arm == DETAIL:
        made = fine_structure(images[first], images[second], chosen.smooth)
    else:
        make = mixture if arm == PIXEL_MIXING else block
        made = np.stack([make(*one) for one in zip(images[first], images[second], share, strict=True)])
    return Children(first, second, made)


def fine_structure(hosts: np.ndarray, donors: np.ndarray, smooth: float) -> np.ndarray:
    """The coarse structure of pictures with the fine structure of others.

    Args:
        hosts: Give the coarse structure, uint8 `[picture, height, width]`.
        donors: Give the fine structure, likewise.
        smooth: Standard deviation of the Gaussian that separates them, in pixels.
    """
    one, other = hosts.astype(np.float32), donors.astype(np.float32)
    sigma = (0, smooth, smooth)
    made = gaussian_filter(one, sigma, mode="nearest") + other - gaussian_filter(other, sigma, mode="nearest")
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)


def batches(arm: str, classes: np.ndarray, trial: Trial, first_made: int, made: int, steps: int) -> np.ndarray:
    """Rows of each step's pictures, int32 `[step, place]`.

    In all arms the share of the rare class is 1 / number of classes. Half of its pictures are made by the arm, if it
    makes any. Without augmentation all training pictures are equally likely.

    Args:
        arm: The arm.
        classes: Classes of all pictures.
        trial: Which of them train.
        first_made: Row of the first picture that the arm makes.
        made: How many it makes.
        steps: Number of steps.
    """
    random, shape = np.random.default_rng([trial.seed, 3]), (steps, BATCH)
    is_rare = classes[trial.training] == trial.rare
    share = is_rare.mean() if arm == BASELINE else 1 / (classes.max() + 1)
    chosen = random.random(shape) < share
    others, again = random.choice(trial.training[~is_rare], shape), random.choice(trial.training[is_rare], shape)
    new = (random.random(shape) < 0.5) & (made > 0)
    of_rare = np.where(new, first_made + random.integers(0, max(made, 1), shape), again)
    return np.where(chosen, of_rare, others).astype(np.int32)
