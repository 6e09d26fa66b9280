"""A classifier that tells recorded from synthetic gathers, trained on some sail lines and judged on others."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from eval.results.quality import auc_with_interval
from eval.results.statistics import Interval
from glowseis.fitting.classifier.fitting import ClassifierFitting, make_classifier, predict
from glowseis.recipe import ClassifierTraining
from glowseis.survey.batches.labelled import from_memory

LEAST_LINES = 4
"""Gathers are held out line by line if they are of at least this many lines, else one by one."""

LEAST_GATHERS = 5
"""Fewest gathers of a kind that train, and that judge."""

STEPS, BATCH, ALPHA, RATE = 300, 32, 2, 1e-3
"""Optimiser steps of the classifier, gathers of each, its width, and its first learning rate."""

_EPOCHS = 10


@dataclass(frozen=True)
class Sample:
    """Gathers of one class and one kind.

    Attributes:
        images: Grey levels, uint8 `[gather, time, trace]`.
        units: For each gather, what it was made from; gathers that share one are on the same side of a division. One
            unit, its line or itself, for a recorded gather; one for each parent of a synthetic one.
    """

    images: np.ndarray
    units: Sequence[tuple[Hashable, ...]]


def units_of(sources: Sequence[Sequence[tuple[str, int, str]]]) -> list[tuple[Hashable, ...]]:
    """What gathers were made from, for `Sample`: lines where there are enough, else gathers.

    Args:
        sources: For each gather, the survey, sail line (0 if unknown) and id of itself or of each of its parents.

    Returns:
        The units. All gathers that moved noise comes from may lie on one line; those are then divided one by one.
    """
    places = max(map(len, sources), default=0)
    by_line = []
    for place in range(places):
        lines = {one[place][:2] for one in sources if len(one) > place}
        by_line.append(len(lines) >= LEAST_LINES and all(line for _, line in lines))
    return [
        tuple((survey, line if by_line[place] else name) for place, (survey, line, name) in enumerate(one))
        for one in sources
    ]


def halves(kinds: Sequence[Sequence[tuple[Hashable, ...]]], seed: int) -> np.ndarray:
    """Divide gathers into two halves that share no unit, each kind evenly.

    Args:
        kinds: Units of the gathers of each kind, as for `Sample`.
        seed: Seed of the division.

    Returns:
        0 or 1, or -1 for a gather with units in both, int64 `[gather]`, the kinds one after another.
    """
    half: dict[Hashable, int] = {}
    for number, units in enumerate(kinds):
        for place in range(max(map(len, units), default=0)):
            new = sorted({one[place] for one in units if len(one) > place} - half.keys(), key=repr)
            order = np.random.default_rng([seed, number, place]).permutation(len(new))
            half |= {new[chosen]: count % 2 for count, chosen in enumerate(order.tolist())}
    sides = [{half[unit] for unit in one} for units in kinds for one in units]
    return np.array([side.pop() if len(side) == 1 else -1 for side in sides], np.int64)


def told_apart(recorded: Sample, synthetic: Sample, seed: int = 0, steps: int = STEPS, alpha: int = ALPHA) -> Interval:
    """How well Miniception tells recorded from synthetic gathers: its AUC on gathers that share no unit with its own.

    The images are companded, so that faint traces of a generator count. See `eval.results.quality.auc_with_interval`.

    Args:
        recorded: Recorded gathers.
        synthetic: Synthetic gathers of the same class and size.
        seed: Seed of division, weights and order.
        steps: Optimiser steps.
        alpha: Width of the network.

    Returns:
        The area and its interval; NaN if either half has fewer than `LEAST_GATHERS` of a kind.
    """
    images = np.concatenate([recorded.images, synthetic.images])
    classes = np.repeat([0, 1], [len(recorded.images), len(synthetic.images)])
    half = halves([recorded.units, synthetic.units], seed)
    counts = [int(((half == side) & (classes == kind)).sum()) for side in (0, 1) for kind in (0, 1)]
    if min(counts) < LEAST_GATHERS:
        return Interval(np.nan, np.nan, np.nan)
    learns, judges = np.flatnonzero(half == 0), np.flatnonzero(half == 1)
    model = make_classifier(2, alpha, "softmax", seed, True)
    training = ClassifierTraining(
        epochs=min(_EPOCHS, steps),
        steps_per_epoch=max(steps // _EPOCHS, 1),
        batch=BATCH,
        learning_rate=RATE,
        decay_per_epoch=0.8,
        class_weights="balanced",
    )
    ClassifierFitting(model, from_memory(images[learns], classes[learns]), training, seed).run()
    found = predict(model, images[judges])[:, 1]
    return auc_with_interval(found, classes[judges] == 1, _groups(recorded, synthetic, judges), seed)


def _groups(recorded: Sample, synthetic: Sample, places: np.ndarray) -> list[Hashable]:
    """The unit that each of these gathers is drawn with: of those of synthetic ones, the kind with the fewest."""
    of_synthetic = range(max(map(len, synthetic.units)))
    fewest = min(of_synthetic, key=lambda place: len({one[min(place, len(one) - 1)] for one in synthetic.units}))
    units = [one[0] for one in recorded.units] + [one[min(fewest, len(one) - 1)] for one in synthetic.units]
    return [units[place] for place in places]
