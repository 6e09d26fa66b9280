"""How much each class counts in training: weights of the classes, and what is added to their logits in the loss."""

from dataclasses import dataclass

import numpy as np

from glowseis.errors import InputError
from glowseis.fitting.classifier.trainer import LEFT_OUT
from glowseis.recipe import ClassifierTraining, StartedTraining
from glowseis.survey.batches.labelled import LabelledGathers, steps_per_pass, weighted


@dataclass(frozen=True)
class Balance:
    """The classes of a training, balanced.

    Attributes:
        gathers: The training gathers; where others are rehearsed, their weights include those of their classes.
        rehearsal: The gathers to rehearse, likewise; None if there are none.
        class_weights: Weight of each class in the loss; None if all are equal.
        logit_shift: Added to the logits in the loss, one number per class; None for nothing.
        fractions: Share of each class in the training, float64 `[class]` (see `ClassifierFitting`).
    """

    gathers: LabelledGathers
    rehearsal: LabelledGathers | None
    class_weights: list[float] | None
    logit_shift: list[float] | None
    fractions: np.ndarray


def balanced(
    gathers: LabelledGathers,
    rehearsal: LabelledGathers | None,
    classes: int,
    training: ClassifierTraining,
    logit_adjustment: bool = False,
) -> Balance:
    """Balance the classes as a recipe says.

    Args:
        gathers: What to train on.
        rehearsal: Gathers to rehearse, which are `training.rehearsal` of each batch.
        classes: Number of classes of the classifier.
        training: The weights of the classes and the batch.
        logit_adjustment: Whether the loss is adjusted for the classes' frequencies (see `ClassifierTrainer`).

    Raises:
        InputError: The gathers have fewer than two classes, or one that the classifier does not have.
    """
    started = training if isinstance(training, StartedTraining) and training.start_from else None
    counts = np.bincount(gathers.classes, minlength=classes)
    if rehearsal is not None:
        counts = counts + np.bincount(rehearsal.classes, minlength=classes)
    if len(counts) > classes or np.count_nonzero(counts) < 2:
        found = ", ".join(f"{count} of class {number}" for number, count in enumerate(counts) if count) or "none"
        raise InputError(
            f"{gathers.path}: the training gathers of a classifier with {classes} classes are {found}; give "
            "gathers of at least two of its classes and of no others"
        )
    weights = class_weights(training.class_weights, counts)
    if rehearsal is None:
        counted = np.bincount(gathers.classes, gathers.weights, classes) * (weights or [1.0] * classes)
    else:
        assert started is not None
        weights, counted = None, np.zeros(classes)
        gathers, rehearsal = (_weighted(each, training, classes) for each in (gathers, rehearsal))
        # The loss is a mean over a batch; of fewer gathers than that, a batch holds all.
        for each, batch in ((gathers, training.batch - started.rehearsed), (rehearsal, started.rehearsed)):
            counted += np.bincount(each.classes, each.weights, classes) / steps_per_pass(each, batch)
    fractions = counted / counted.sum()
    shift = np.log(np.maximum(counts, 1) / counts.sum()) if logit_adjustment else np.zeros(classes)
    if started is not None:
        shift[counts == 0] = LEFT_OUT
        fractions[counts == 0] = fractions[counts > 0].mean()
        fractions /= fractions.sum()
    return Balance(gathers, rehearsal, weights, shift.tolist() if shift.any() else None, fractions)


def class_weights(wanted: str | list[float], counts: np.ndarray) -> list[float] | None:
    """Weights of the classes in the loss.

    Args:
        wanted: `none`, `balanced` (in inverse proportion to a class's gathers, 1 on average over them), or the weights.
        counts: Training gathers of each class.

    Returns:
        One weight per class, or None for none.
    """
    if wanted == "none":
        return None
    if wanted == "balanced":
        present = np.count_nonzero(counts)
        return [float(counts.sum() / (present * count)) if count else 0.0 for count in counts]
    return [float(weight) for weight in wanted]


def _weighted(gathers: LabelledGathers, training: ClassifierTraining, classes: int) -> LabelledGathers:
    """Gathers whose weights include those of their classes."""
    own = class_weights(training.class_weights, np.bincount(gathers.classes, minlength=classes))
    return weighted(gathers, own) if own else gathers
