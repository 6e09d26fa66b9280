"""What an arm gets: a fold's training gathers, and functions of the fold to make a training set from them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from eval.study.guard import Guarded
from eval.study.names import Flow
from eval.study.recipe import StudyRecipe
from glowseis.export.flow import SavedFlow
from glowseis.survey.batches.labelled import LabelledGathers, from_survey, together
from glowseis.survey.gather import Gather
from glowseis.survey.store.survey import Survey
from glowseis.synthesis import Pair, draw_pairs


@dataclass(frozen=True)
class TrainingSet:
    """The training set of an arm.

    Attributes:
        gathers: The gathers, let through by the fold's guard.
        class_weights: Weights of the classes in the loss (`ClassifierTraining.class_weights`).
        synthetic: Number of gathers of the rare class that the arm added.
        logit_adjustment: Whether the loss is adjusted for the classes' frequencies (`ClassifierTrainer`).
        last_quarter: What the last quarter of the steps trains on, let through likewise; `gathers` if None.
    """

    gathers: Guarded
    class_weights: Literal["none", "balanced"] | list[float]
    synthetic: int = 0
    logit_adjustment: bool = False
    last_quarter: Guarded | None = None


@dataclass(frozen=True)
class Material:
    """What an arm makes its training set from. It holds no validation or test gathers, nor anything known of them.

    A mean or scaling over all gathers would leave no trace in ids and parents; an arm that has only training gathers
    cannot compute one.

    Attributes:
        survey: The fold's training gathers as a survey of their own, in the order of the study's.
        rare: Its rows of the rare class, int64 `[gather]`.
        seed: Seed of pairs and draws, the same for all arms; below 2^32.
        recipe: The study's recipe.
        flow: Returns one of the fold's flows, as `Fold.flow`.
        noise: Returns the bands of noisy training gathers that one of its flows sees, as `Fold.noise`.
        synthetic: Makes synthetic gathers and gets them admitted, as `Fold.synthetic`.
        fresh: Has synthetic gathers made while training reads them, others in every pass, as `Fold.fresh`.
        let_through: Lets labelled gathers train, as `Guard.watched`.
    """

    survey: Survey
    rare: np.ndarray
    seed: int
    recipe: StudyRecipe
    flow: Callable[[Flow], SavedFlow]
    noise: Callable[[Flow], Survey]
    synthetic: Callable[[str, dict[str, Any], Callable[[], Iterator[Gather]]], Survey]
    fresh: Callable[[str, str, Callable[[int], Sequence[Pair]]], LabelledGathers]
    let_through: Callable[[LabelledGathers], Guarded]

    @property
    def label(self) -> str:
        """The rare class."""
        return self.recipe.data.label

    @property
    def augmentations(self) -> int:
        """Number of gathers that an arm adds."""
        return self.recipe.study.augmentations

    def of_rows(self, rows: np.ndarray) -> LabelledGathers:
        """Training gathers with their classes, for `watched`; rows may repeat."""
        return from_survey(self.survey, rows, self.recipe.study.labels)

    def of_synthetic(self, survey: Survey, first: int | None = None) -> LabelledGathers:
        """Synthetic gathers with their classes: the first `first` of them, or all if None."""
        return from_survey(survey, np.arange(len(survey))[:first], self.recipe.study.labels)

    def recorded(self, *added: LabelledGathers) -> Guarded:
        """All training gathers, each once, and after them what an arm adds.

        Raises:
            InputError: Sizes differ.
            LeakError: One of those added may not train.
        """
        return self.watched(self.of_rows(np.arange(len(self.survey))), *added)

    def watched(self, *parts: LabelledGathers) -> Guarded:
        """Join sets of gathers into one that may train.

        Raises:
            InputError: Their sizes differ.
            LeakError: One of them may not train.
        """
        return self.let_through(together(parts))

    def pairs(self, count: int) -> list[Pair]:
        """Pairs of rare gathers, the same for all arms; a larger count begins with the pairs of a smaller one."""
        return draw_pairs(self.rare, count, self.seed, self.recipe.study.farthest)


class Arm(Protocol):
    """A way to make a training set. `name` is one of `eval.study.names.ARMS`."""

    name: ClassVar[str]

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """Make the training set of a fold.

        Args:
            given: What to make it from.
            first: Take only this many of the gathers that the arm adds, the first ones; all if None. All are made in
                any case, so that sets of several sizes are nested.

        Raises:
            InputError: Something that the arm needs does not exist.
            StoppedError: A signal came during a flow's training.
            FittingError: A flow cannot be fitted.
            LeakError: The fold's guard refuses a gather.
        """
        ...
