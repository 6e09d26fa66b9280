"""The arms of a study: ways to make a fold's training set. Add one as a class here and a name in `eval.study.names`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

import numpy as np

from eval.study.guard import PIXEL_MIXING, SMOTE, mixture
from eval.study.material import Arm, Material, TrainingSet
from eval.study.smote import NEIGHBOURS, smote_pairs
from glowseis.survey.gather import Gather, Origin
from glowseis.survey.store.survey import Survey
from glowseis.synthesis import Pair, child_of, interpolate_pairs, synthesise_prior

_OVERSAMPLING_STREAM = 2


class Unchanged:
    """The recorded gathers alone."""

    name: ClassVar[str] = "none"

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        return TrainingSet(given.recorded(), _class_weights(given))


class ClassWeights:
    """The recorded gathers; each class is weighted in inverse proportion to its gathers."""

    name: ClassVar[str] = "class-weights"

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        return TrainingSet(given.recorded(), "balanced")


class Oversampling:
    """Rare gathers are repeated, drawn at random."""

    name: ClassVar[str] = "oversampling"

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        random = np.random.default_rng([given.seed, _OVERSAMPLING_STREAM])
        again = random.choice(given.rare, given.augmentations)[:first]
        return TrainingSet(given.recorded(given.of_rows(again)), _class_weights(given), len(again))


class Synthetic(ABC):
    """Adds rare gathers that are made from the fold's rare training gathers."""

    name: ClassVar[str]

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        added = given.of_synthetic(self.made(given), first)
        return TrainingSet(given.recorded(added), _class_weights(given), len(added))

    @abstractmethod
    def made(self, given: Material) -> Survey:
        """Make the gathers to add, through `Material.synthetic`."""


class PixelMixing(Synthetic):
    """Mixes grey levels, with the same pairs and weights as the flow."""

    name: ClassVar[str] = PIXEL_MIXING

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""
        return given.synthetic(
            self.name, _about(given), lambda: mixed(given, given.pairs(given.augmentations), self.name)
        )


class Smote(Synthetic):
    """Gathers between a rare one and one of its nearest rare neighbours in pixel space (Chawla et al. 2002)."""

    name: ClassVar[str] = SMOTE

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""

        def make() -> Iterator[Gather]:
            pairs = smote_pairs(given.survey, given.rare, given.augmentations, given.seed)
            return mixed(given, pairs, self.name)

        return given.synthetic(self.name, _about(given, neighbours=NEIGHBOURS), make)


class FlowInterpolation(Synthetic):
    """The paper's arm: pairs are interpolated in the latent space of a flow trained on the rare class alone."""

    name: ClassVar[str] = "flow"
    which: ClassVar[Literal["rare", "all"]] = "rare"

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""
        flow, path = given.flow(self.which), given.recipe.study.path

        def make() -> Iterator[Gather]:
            pairs = given.pairs(given.augmentations)
            return interpolate_pairs(flow, given.survey, given.label, pairs, given.seed, path)

        return given.synthetic(self.name, _about(given, flow=[flow.name, flow.about["run"]], path=path), make)


class FlowOfAll(FlowInterpolation):
    """The same with a flow trained on all classes first."""

    name: ClassVar[str] = "flow-all"
    which: ClassVar[Literal["rare", "all"]] = "all"


class FlowPrior(Synthetic):
    """Samples of the flow trained on the rare class alone."""

    name: ClassVar[str] = "flow-prior"

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""
        flow, temperature = given.flow("rare"), given.recipe.study.temperature

        def make() -> Iterator[Gather]:
            survey, label = given.survey, given.label
            return synthesise_prior(flow, survey, label, given.augmentations, given.seed, temperature, rows=given.rare)

        about = _about(given, flow=[flow.name, flow.about["run"]], temperature=temperature)
        return given.synthetic(self.name, about, make)


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


def mixed(given: Material, pairs: list[Pair], maker: str) -> Iterator[Gather]:
    """Mix grey levels of pairs, `(1 - alpha) first + alpha second`, rounded.

    Args:
        given: The material that the pairs are from.
        pairs: Parents and weights.
        maker: What to write in `Origin.model`.

    Yields:
        Gathers with the geometry and valid region of the first parent.
    """
    survey = given.survey
    for number, pair in enumerate(pairs):
        first, second = survey.read(pair.first), survey.read(pair.second)
        levels = mixture(first.image, second.image, pair.alpha)
        origin = Origin((first.gather_id, second.gather_id), pair.alpha, given.seed, maker, "pixels")
        name = f"{maker}-seed{given.seed}-{number:06d}"
        yield child_of(first, levels, name, maker, origin)


def _about(given: Material, **settings: Any) -> dict[str, Any]:
    farthest = given.recipe.study.farthest
    return {"label": given.label, "count": given.augmentations, "farthest": farthest, **settings}


def _class_weights(given: Material) -> Any:
    return given.recipe.study.training.class_weights
