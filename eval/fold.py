"""One fold of a study: who trains, who judges, and what is made of the training gathers, all through the guard."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from eval.guard import Guarded
from eval.study import Study
from glowseis.export import SavedFlow
from glowseis.fitting.classifier import ClassifierFitting, Fitted, Watcher
from glowseis.fitting.state import State
from glowseis.survey.gather import Gather
from glowseis.survey.labelled import LabelledGathers
from glowseis.survey.records import Survey
from glowseis.synthesis import Pair


class Fold:
    """One fold of a study, or its division into training, validation and test for kinds `split`, `grouped-split`.

    Args:
        study: The study.
        kind: Kind of the folds, a key of `study.folds`.
        number: Number of the fold, from 0.
        say: Called with lines for the user.

    Attributes:
        study, kind, number: As given.
        training: Rows of the study's survey that train, without validation, in its order, int64 `[gather]`.
        validation: Rows that judge weights.
        test: Rows that are scored.
        rare: Training rows of the rare class.
        seed: Seed of pairs, weights and orders, the same for all arms; below 2^32.
        guard: What lets gathers train (`eval.guard`).
        work: Folder of the fold's flows and synthetic gathers.

    Raises:
        InputError: There is no such fold, or it has too few rare gathers.
    """

    def __init__(self, study: Study, kind: str, number: int, say: Callable[[str], None] = print):
        raise NotImplementedError

    @property
    def augmentations(self) -> int:
        """Gathers that an arm adds."""
        return self.study.recipe.study.augmentations

    def recorded(self) -> Guarded:
        """The fold's training gathers, each once."""
        raise NotImplementedError

    def of_rows(self, rows: np.ndarray) -> LabelledGathers:
        """Rows of the study's survey with their classes, for `watched`, or to be scored."""
        raise NotImplementedError

    def of_synthetic(self, survey: Survey, first: int | None = None) -> LabelledGathers:
        """Synthetic gathers, the first so many of them, with their classes."""
        raise NotImplementedError

    def watched(self, *parts: LabelledGathers) -> Guarded:
        """Sets of gathers as one that may train (`Guard.watched`)."""
        raise NotImplementedError

    def pairs(self, count: int) -> list[Pair]:
        """Pairs of rare training gathers, the same for all arms; the first of more are those of fewer."""
        raise NotImplementedError

    def flow(self, which: Literal["rare", "all"]) -> SavedFlow:
        """One of the fold's flows, trained now unless it was; a stopped training goes on.

        Raises:
            StoppedError: A signal came; the state is saved.
            FittingError: The flow cannot be fitted.
            LeakError: It was trained on something else than the fold's training gathers.
        """
        raise NotImplementedError

    def synthetic(self, name: str, about: dict[str, Any], make: Callable[[], Iterator[Gather]]) -> Survey:
        """Synthetic gathers as an admitted survey on disk, made now unless they were made of the same.

        Args:
            name: Name of its folder below `work/synthetic`.
            about: All that they depend on besides the fold, such as count and flow; JSON.
            make: Makes them, one after another.

        Raises:
            LeakError: The guard does not admit them.
        """
        raise NotImplementedError

    def fit(
        self,
        training_set: "TrainingSet",  # noqa: F821
        *,
        seed: int | None = None,
        steps_per_epoch: int | None = None,
        state: State | None = None,
        watcher: Watcher | None = None,
    ) -> tuple[ClassifierFitting, Fitted]:
        """Fit the study's classifier; the only way in which a fold trains one.

        Args:
            training_set: What an arm gave.
            seed: Seed of weights and order; the fold's when None.
            steps_per_epoch: Optimiser steps an epoch; those that the study's protocol says when None.
            state: See `ClassifierFitting.run`.
            watcher: See `ClassifierFitting.run`.

        Returns:
            The fitting, which gives `probabilities` of any labelled gathers, and what came of it.

        Raises:
            LeakError: Something in it may not train.
            FittingError: The loss or a weight is not finite.
        """
        raise NotImplementedError

    @property
    def folder_of_synthetic(self) -> Path:
        """Where the fold's synthetic surveys lie."""
        raise NotImplementedError
