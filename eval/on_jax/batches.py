"""The batches of a classifier's training, as `eval.cv` and `eval.worth` draw them, without TensorFlow or JAX."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glowseis.survey.batches.order import id_order, numbered_names, uniforms

DRAWS = 8
"""Numbers that a change draws for a gather, as `glowseis.survey.batches.augment_graded.DRAWS`."""

CHANGES = ("polarity", "shift_time", "shift_trace")
"""Random changes of training gathers, in the order of `glowseis.survey.batches.augment_graded`."""

UNCHANGED = 0.5
"""The number that a change draws to leave a gather as it is."""


@dataclass(frozen=True)
class Batches:
    """What the steps of a training take.

    Attributes:
        rows: Places of the gathers, int32 `[step, place]`.
        weights: Weight of each in the step's loss, float32 `[step, place]`; 0 where a batch is not full.
        drawn: Uniform numbers for `CHANGES`, float32 `[step, place, change]`.
    """

    rows: np.ndarray
    weights: np.ndarray
    drawn: np.ndarray


def batches_of(ids: Sequence[str], rows: np.ndarray, seed: int, steps: int, batch: int) -> Batches:
    """The batches of `glowseis.survey.batches.labelled.training_steps`: the same gathers, changed in the same way.

    Args:
        ids: Ids of the training gathers; repeated ones stand as often as they are used.
        rows: Their places in the images, `[gather]`.
        seed: Seed of order and changes.
        steps: Steps of the training.
        batch: Gathers per step; the last step of a pass may have fewer.
    """
    names = numbered_names(ids)
    found = Batches(
        np.zeros((steps, batch), np.int32),
        np.zeros((steps, batch), np.float32),
        np.full((steps, batch, len(CHANGES)), UNCHANGED, np.float32),
    )
    length = -(-len(names) // batch)
    for step in range(steps):
        number, place = divmod(step, length)
        if not place:
            order = id_order(names, seed, number)
        chosen = order[place * batch : (place + 1) * batch]
        named, some = [names[one] for one in chosen], np.s_[step, : len(chosen)]
        found.rows[some], found.weights[some] = rows[chosen], 1.0 / len(chosen)
        for change, name in enumerate(CHANGES):
            found.drawn[(*some, change)] = uniforms(name, seed, number, named, DRAWS)[:, 0]
    return found
