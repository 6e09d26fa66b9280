"""Which gathers of a survey a recipe trains on, and which it holds out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glowseis.errors import InputError
from glowseis.recipe import Recipe
from glowseis.survey.batches.images import epoch_order
from glowseis.survey.splits.parts import recorded_rows
from glowseis.survey.store.survey import Survey

HELD_OUT_EPOCH = -2
"""The epoch number whose order decides which gathers are held out; training counts from 0 and evaluation uses -1."""


@dataclass(frozen=True)
class Selection:
    """Row numbers of a survey.

    Attributes:
        phases: Training rows of each phase of the recipe, int64 `[gather]` each.
        training: Rows that some phase trains on, in the order of the survey.
        rare: Training rows of the recipe's label.
        held_out: Rows of that label that no phase trains on; may be empty.
    """

    phases: list[np.ndarray]
    training: np.ndarray
    rare: np.ndarray
    held_out: np.ndarray


def select(
    survey: Survey, recipe: Recipe, *, within: np.ndarray | None = None, held_out: np.ndarray | None = None
) -> Selection:
    """Choose training and held-out gathers. The choice depends only on the recipe's seed and the gather ids.

    Synthetic gathers are left out, because one may be a child of a held-out gather.

    Args:
        survey: The gathers.
        recipe: What to train, and how.
        within: Rows to choose from, such as a fold's training gathers; all when None.
        held_out: Rows of the recipe's label that no phase trains on and that judge the weights; when None, the fraction
            `data.held_out` is drawn from `within`.

    Raises:
        InputError: The survey lacks a label, or has fewer than two training gathers of the recipe's label; or a row of
            `held_out` has another label or is synthetic.
    """
    label = recipe.data.label
    recorded = recorded_rows(survey)
    every_rare = np.intersect1d(survey.select(labels=[label]), recorded)
    if within is not None:
        recorded = np.intersect1d(recorded, within)
    rare = np.intersect1d(every_rare, recorded)
    if held_out is None:
        count = max(1, round(recipe.data.held_out * len(rare))) if recipe.data.held_out else 0
        held_out = np.sort(epoch_order(survey, rare, recipe.seed, HELD_OUT_EPOCH)[:count])
    else:
        held_out = np.unique(np.asarray(held_out, np.int64))
        other = np.setdiff1d(held_out, every_rare)
        if len(other):
            raise InputError(
                f"{survey.path}: gather {survey.index['gather_id'].iat[other[0]]} cannot be held out: it is not a "
                f"recorded gather labelled {label!r}; choose others"
            )
    left = np.setdiff1d(rare, held_out)
    check_enough(survey, recipe, left, held_out, len(rare) - len(left))
    free = np.setdiff1d(recorded, held_out)
    phases = [np.intersect1d(_labelled(survey, phase.labels), free) for phase in recipe.phases]
    for number, (phase, rows) in enumerate(zip(recipe.phases, phases, strict=True)):
        if not len(rows):
            which = " or ".join(f"labelled {one!r}" if one else "without a label" for one in phase.labels)
            raise InputError(
                f"{survey.path}: no training gather is {which}; remove that phase, or pass --set phases.{number}.labels"
            )
    training = np.unique(np.concatenate(phases))
    return Selection(phases, training, left, held_out)


def check_enough(
    survey: Survey, recipe: Recipe, rare: np.ndarray, held_out: np.ndarray, apart: int, which: str = ""
) -> None:
    """Make sure that there is something to learn and, if the best weights are kept, to judge them by.

    Args:
        survey: The gathers.
        recipe: What to train, and how.
        rare: Training rows of the recipe's label.
        held_out: Rows that judge the weights.
        apart: How many of them could train.
        which: What sort of gathers count, for errors.

    Raises:
        InputError: There is not.
    """
    if len(rare) < 2:
        raise InputError(
            f"{survey.path}: {len(rare) + apart} recorded gathers{which} are labelled {recipe.data.label!r} and "
            f"{apart} of them are held out; training and interpolation need at least two more: label more, or lower "
            "data.held_out"
        )
    if recipe.training.keep == "best" and not len(held_out):
        raise InputError(
            f'{survey.path}: training.keep = "best" needs held-out gathers{which}, and there are none; raise '
            'data.held_out, or set training.keep = "last"'
        )


def _labelled(survey: Survey, labels: Sequence[str]) -> np.ndarray:
    """Rows of the gathers with some labels, an empty one for those without; the others must be the survey's."""
    unlabelled = np.flatnonzero((survey.index["label"] == "").to_numpy()) if "" in labels else np.zeros(0, np.int64)
    return np.union1d(survey.select(labels=[label for label in labels if label]), unlabelled)
