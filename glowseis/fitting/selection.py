"""Which gathers of a survey a recipe trains on, and which it holds out."""

from dataclasses import dataclass

import numpy as np

from glowseis.errors import InputError
from glowseis.recipe import Recipe
from glowseis.survey.parts import labelled_rows
from glowseis.survey.pipeline import epoch_order
from glowseis.survey.records import Survey

HELD_OUT_EPOCH = -2
"""The epoch whose order says which gathers are held out; training counts from 0 and evaluation uses -1."""


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


def select(survey: Survey, recipe: Recipe) -> Selection:
    """Choose training and held-out gathers; a function of the recipe's seed and the gather ids.

    Synthetic gathers take no part: one may be a child of what is held out.

    Raises:
        InputError: The survey lacks a label, or has fewer than two training gathers of the recipe's.
    """
    label = recipe.data.label
    recorded = labelled_rows(survey)
    rare = np.intersect1d(survey.select(labels=[label]), recorded)
    count = max(1, round(recipe.data.held_out * len(rare))) if recipe.data.held_out else 0
    if len(rare) - count < 2:
        raise InputError(
            f"{survey.path}: {len(rare)} recorded gathers are labelled {label!r} and {count} of them are held out; "
            "training and interpolation need at least two: label more, or lower data.held_out"
        )
    held_out = np.sort(epoch_order(survey, rare, recipe.seed, HELD_OUT_EPOCH)[:count])
    free = np.setdiff1d(recorded, held_out)
    phases = [np.intersect1d(survey.select(labels=phase.labels), free) for phase in recipe.phases]
    training = np.unique(np.concatenate(phases))
    return Selection(phases, training, np.setdiff1d(rare, held_out), held_out)
