"""What arms that add gathers share: which are repeated, what those that are made depend on, how pixels are mixed."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from eval.study.makers import MAKERS
from eval.study.material import Material, TrainingSet
from glowseis.survey.batches.labelled import LabelledGathers
from glowseis.survey.gather import Gather, Origin
from glowseis.survey.pairs import Pair
from glowseis.survey.store.survey import Survey
from glowseis.synthesis import child_of

_OVERSAMPLING_STREAM = 2


class Synthetic(ABC):
    """Adds rare gathers that are made from the fold's rare training gathers."""

    name: ClassVar[str]

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        count = given.augmentations if first is None else first
        again = repeats(given)[: round(given.recipe.study.repeated * count)]
        added = [self.added(given, count - len(again))]
        if len(again):
            added.append(given.of_rows(again))
        return TrainingSet(given.recorded(*added), class_weights_of(given), count)

    def added(self, given: Material, count: int) -> LabelledGathers:
        """The first `count` of the gathers to add."""
        return given.of_synthetic(self.made(given), count)

    @abstractmethod
    def made(self, given: Material) -> Survey:
        """Make the gathers to add, through `Material.synthetic`."""


def mixed(given: Material, pairs: list[Pair], maker: str) -> Iterator[Gather]:
    """Make gathers from the grey levels of pairs (`makers.MAKERS`).

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
        levels = MAKERS[maker](first, second, pair.alpha)
        origin = Origin((first.gather_id, second.gather_id), pair.alpha, given.seed, maker, "pixels")
        name = f"{maker}-seed{given.seed}-{number:06d}"
        yield child_of(first, levels, name, maker, origin)


def repeats(given: Material) -> np.ndarray:
    """Rows of rare gathers to repeat, drawn at random, the same for all arms."""
    random = np.random.default_rng([given.seed, _OVERSAMPLING_STREAM])
    return random.choice(given.rare, given.augmentations)


def about_of(given: Material, **settings: Any) -> dict[str, Any]:
    """What gathers that are made depend on besides the fold, with settings of the arm."""
    farthest = given.recipe.study.farthest
    return {"label": given.label, "count": given.augmentations, "farthest": farthest, **settings}


def class_weights_of(given: Material) -> Any:
    """The recipe's class weights, for `TrainingSet`."""
    return given.recipe.study.training.class_weights
