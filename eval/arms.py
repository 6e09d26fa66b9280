"""What is compared: ways to make a training set of a fold. A new arm is one small class, and a name in `eval.names`."""

from dataclasses import dataclass
from typing import Literal, Protocol

from eval.fold import Fold
from eval.guard import Guarded


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


class Arm(Protocol):
    """A way to make a training set. `name` is one of `eval.names.ARMS`."""

    name: str

    def training_set(self, fold: Fold, first: int | None = None) -> TrainingSet:
        """Make the training set of a fold.

        Args:
            fold: The fold.
            first: How many of the gathers that the arm adds to take, the first ones; all when None. They are
                made all the same, so that sets of several sizes are nested.
        """
        ...


ARM_CLASSES: dict[str, type[Arm]] = {}
"""Arms by name; `ARM_CLASSES[name]()` makes one. Its keys are those of `eval.names.ARMS`."""
