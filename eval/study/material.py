"""What an arm is given: a fold's training gathers, and what a fold lends it to make a training set of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from eval.study.guard import Guarded
from eval.study.recipe import StudyRecipe
from glowseis.export.flow import SavedFlow
from glowseis.survey.batches.labelled import LabelledGathers, from_survey, together
from glowseis.survey.gather import Gather
from glowseis.survey.store.survey import Survey
from glowseis.synthesis import Pair, draw_pairs


@dataclass(frozen=True)
class TrainingSet:
    """What an arm trains on.

    Attributes:
        gathers: The gathers, let through by the fold's guard.
        class_weights: What a class counts in the loss (`ClassifierTraining.class_weights`).
        synthetic: How many of the gathers the arm added.
    """

    gathers: Guarded
    class_weights: Literal["none", "balanced"] | list[float]
    synthetic: int = 0


@dataclass(frozen=True)
class Material:
    """What an arm makes its training set of. Gathers that judge are not in it, nor anything that is known of them.

    A mean or a scaler of all gathers would leave no trace in ids and parents: an arm that has training gathers alone
    cannot compute one.

    Attributes:
        survey: The fold's training gathers as a survey of their own, in the order of the study's.
        rare: Its rows of the rare class, int64 `[gather]`.
        seed: Seed of pairs and draws, the same for all arms; below 2^32.
        recipe: The study's.
        flow: Gives one of the fold's flows, as `Fold.flow`.
        synthetic: Makes synthetic gathers and has them admitted, as `Fold.synthetic`.
        let_through: Lets labelled gathers train, as `Guard.watched`.
    """

    survey: Survey
    rare: np.ndarray
    seed: int
    recipe: StudyRecipe
    flow: Callable[[Literal["rare", "all"]], SavedFlow]
    synthetic: Callable[[str, dict[str, Any], Callable[[], Iterator[Gather]]], Survey]
    let_through: Callable[[LabelledGathers], Guarded]

    @property
    def label(self) -> str:
        """The rare class."""
        return self.recipe.data.label

    @property
    def augmentations(self) -> int:
        """Gathers that an arm adds."""
        return self.recipe.study.augmentations

    def of_rows(self, rows: np.ndarray) -> LabelledGathers:
        """Training gathers with their classes, for `watched`; one may come several times."""
        return from_survey(self.survey, rows, self.recipe.study.labels)

    def of_synthetic(self, survey: Survey, first: int | None = None) -> LabelledGathers:
        """Synthetic gathers with their classes, the first so many of them; all when None."""
        return from_survey(survey, np.arange(len(survey))[:first], self.recipe.study.labels)

    def recorded(self, *added: LabelledGathers) -> Guarded:
        """All training gathers, each once, and after them what an arm adds.

        Raises:
            InputError: Sizes differ.
            LeakError: One of those added may not train.
        """
        return self.watched(self.of_rows(np.arange(len(self.survey))), *added)

    def watched(self, *parts: LabelledGathers) -> Guarded:
        """Sets of gathers as one that may train.

        Raises:
            InputError: Their sizes differ.
            LeakError: One of them may not train.
        """
        return self.let_through(together(parts))

    def pairs(self, count: int) -> list[Pair]:
        """Pairs of rare gathers, the same for all arms; the first of more are those of fewer."""
        return draw_pairs(self.rare, count, self.seed, self.recipe.study.farthest)


class Arm(Protocol):
    """A way to make a training set. `name` is one of `eval.study.names.ARMS`."""

    name: ClassVar[str]

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """Make the training set of a fold.

        Args:
            given: What it is made of.
            first: How many of the gathers that the arm adds to take, the first ones; all when None. They are
                made all the same, so that sets of several sizes are nested.

        Raises:
            InputError: Something that the arm needs is not there.
            StoppedError: A signal came while a flow was trained.
            FittingError: A flow cannot be fitted.
            LeakError: The fold's guard refuses a gather.
        """
        ...
