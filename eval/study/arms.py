"""What is compared: ways to make a fold's training set. A new arm is a class here and a name in `eval.study.names`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from eval.study.fold import Fold, TrainingSet
from eval.study.guard import PIXEL_MIXING, SMOTE, mixture
from eval.study.smote import NEIGHBOURS, smote_pairs
from glowseis.survey.gather import Gather, Origin
from glowseis.survey.store.survey import Survey
from glowseis.synthesis import Pair, child_of, interpolate_pairs, synthesise_prior

__all__ = ["ARM_CLASSES", "Arm", "TrainingSet"]

_OVERSAMPLING_STREAM = 2


class Arm(Protocol):
    """A way to make a training set. `name` is one of `eval.study.names.ARMS`."""

    name: ClassVar[str]

    def training_set(self, fold: Fold, first: int | None = None) -> TrainingSet:
        """Make the training set of a fold.

        Args:
            fold: The fold.
            first: How many of the gathers that the arm adds to take, the first ones; all when None. They are
                made all the same, so that sets of several sizes are nested.

        Raises:
            InputError: Something that the arm needs is not there.
            StoppedError: A signal came while a flow was trained.
            FittingError: A flow cannot be fitted.
            LeakError: The fold's guard refuses a gather.
        """
        ...


class Unchanged:
    """The recorded gathers alone."""

    name: ClassVar[str] = "none"

    def training_set(self, fold: Fold, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        return TrainingSet(fold.recorded(), _class_weights(fold))


class ClassWeights:
    """The recorded gathers; a class counts in inverse proportion to its gathers."""

    name: ClassVar[str] = "class-weights"

    def training_set(self, fold: Fold, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        return TrainingSet(fold.recorded(), "balanced")


class Oversampling:
    """Rare gathers come again, drawn at random."""

    name: ClassVar[str] = "oversampling"

    def training_set(self, fold: Fold, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        random = np.random.default_rng([fold.seed, _OVERSAMPLING_STREAM])
        again = random.choice(fold.rare, fold.augmentations)[:first]
        gathers = fold.watched(fold.of_rows(fold.training), fold.of_rows(again))
        return TrainingSet(gathers, _class_weights(fold), len(again))


class Synthetic(ABC):
    """Rare gathers are added that are made of the fold's rare training gathers."""

    name: ClassVar[str]

    def training_set(self, fold: Fold, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        added = fold.of_synthetic(self.made(fold), first)
        gathers = fold.watched(fold.of_rows(fold.training), added)
        return TrainingSet(gathers, _class_weights(fold), len(added))

    @abstractmethod
    def made(self, fold: Fold) -> Survey:
        """What is added, through `Fold.synthetic`."""


class PixelMixing(Synthetic):
    """Grey levels of the flow's pairs are mixed with the flow's weights."""

    name: ClassVar[str] = PIXEL_MIXING

    def made(self, fold: Fold) -> Survey:
        """See `Synthetic`."""
        return fold.synthetic(self.name, _about(fold), lambda: mixed(fold, fold.pairs(fold.augmentations), self.name))


class Smote(Synthetic):
    """Gathers between a rare one and one of its nearest rare neighbours, in pixels (Chawla et al. 2002)."""

    name: ClassVar[str] = SMOTE

    def made(self, fold: Fold) -> Survey:
        """See `Synthetic`."""

        def make() -> Iterator[Gather]:
            pairs = smote_pairs(fold.study.survey, fold.rare, fold.augmentations, fold.seed)
            return mixed(fold, pairs, self.name)

        return fold.synthetic(self.name, _about(fold, neighbours=NEIGHBOURS), make)


class FlowInterpolation(Synthetic):
    """The paper's: pairs are interpolated in the latent space of a flow that saw the rare class alone."""

    name: ClassVar[str] = "flow"
    which: ClassVar[Literal["rare", "all"]] = "rare"

    def made(self, fold: Fold) -> Survey:
        """See `Synthetic`."""
        flow, path = fold.flow(self.which), fold.study.recipe.study.path

        def make() -> Iterator[Gather]:
            pairs = fold.pairs(fold.augmentations)
            return interpolate_pairs(flow, fold.study.survey, fold.study.rare, pairs, fold.seed, path)

        return fold.synthetic(self.name, _about(fold, flow=[flow.name, flow.about["run"]], path=path), make)


class FlowOfAll(FlowInterpolation):
    """The same with a flow that saw all classes first."""

    name: ClassVar[str] = "flow-all"
    which: ClassVar[Literal["rare", "all"]] = "all"


class FlowPrior(Synthetic):
    """Samples of the flow that saw the rare class alone."""

    name: ClassVar[str] = "flow-prior"

    def made(self, fold: Fold) -> Survey:
        """See `Synthetic`."""
        flow, temperature = fold.flow("rare"), fold.study.recipe.study.temperature

        def make() -> Iterator[Gather]:
            survey, label = fold.study.survey, fold.study.rare
            return synthesise_prior(flow, survey, label, fold.augmentations, fold.seed, temperature, rows=fold.rare)

        about = _about(fold, flow=[flow.name, flow.about["run"]], temperature=temperature)
        return fold.synthetic(self.name, about, make)


_EVERY: tuple[Callable[[], Arm], ...] = (
    Unchanged,
    ClassWeights,
    Oversampling,
    PixelMixing,
    Smote,
    FlowInterpolation,
    FlowOfAll,
    FlowPrior,
)

ARM_CLASSES: dict[str, Callable[[], Arm]] = {one().name: one for one in _EVERY}
"""Arms by name; `ARM_CLASSES[name]()` makes one. The names are those of `eval.study.names.ARMS`."""


def mixed(fold: Fold, pairs: list[Pair], maker: str) -> Iterator[Gather]:
    """Mix grey levels of pairs, `(1 - alpha) first + alpha second`, rounded.

    Args:
        fold: Whose pairs they are.
        pairs: Parents and weights.
        maker: What `Origin.model` says.

    Yields:
        Gathers with geometry and valid region of the first parent.
    """
    survey = fold.study.survey
    for number, pair in enumerate(pairs):
        first, second = survey.read(pair.first), survey.read(pair.second)
        levels = mixture(first.image, second.image, pair.alpha)
        origin = Origin((first.gather_id, second.gather_id), pair.alpha, fold.seed, maker, "pixels")
        name = f"{maker}-seed{fold.seed}-{number:06d}"
        yield child_of(first, levels, name, maker, origin)


def _about(fold: Fold, **settings: Any) -> dict[str, Any]:
    farthest = fold.study.recipe.study.farthest
    return {"label": fold.study.rare, "count": fold.augmentations, "farthest": farthest, **settings}


def _class_weights(fold: Fold) -> Any:
    return fold.study.recipe.study.training.class_weights
