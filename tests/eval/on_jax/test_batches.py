"""Batches for JAX are those of TensorFlow's trainer, gather by gather and draw by draw."""

import numpy as np

from eval.on_jax.batches import CHANGES, DRAWS, UNCHANGED, batches_of
from glowseis.survey.batches.augment_graded import DRAWS as TENSORFLOWS
from glowseis.survey.batches.augment_graded import GRADED_AUGMENTATIONS
from glowseis.survey.batches.labelled import from_memory, training_steps

IDS = ["a", "b", "c", "a", "d", "a", "e"]


def images(count=7):
    return np.random.default_rng(1).integers(0, 256, (count, 4, 4), np.uint8)


def test_steps_take_the_same_gathers_with_the_same_weight():
    every, classes = images(), np.array([0, 1, 2, 0, 1, 0, 2])
    gathers = from_memory(every, classes, IDS)
    found = batches_of(IDS, np.arange(7), 3, 7, 3)
    for step, (image, label, weight) in enumerate(training_steps(gathers, 3, 3, 7)):
        taken = found.weights[step] > 0
        assert np.array_equal(every[found.rows[step][taken]], image.numpy())
        assert np.array_equal(classes[found.rows[step][taken]], label.numpy())
        assert np.allclose(found.weights[step][taken], weight.numpy() / len(weight)) and taken.sum() in (1, 3)


def test_draws_are_those_of_each_change():
    assert DRAWS == TENSORFLOWS and [name for name in GRADED_AUGMENTATIONS if name in CHANGES] == list(CHANGES)
    found, again = (batches_of(IDS, np.arange(7) + first, 3, 5, 3) for first in (0, 90))
    assert np.array_equal(found.drawn, again.drawn)
    taken = found.weights > 0
    assert np.array_equal(found.rows[taken] + 90, again.rows[taken])
    assert (found.drawn[~taken] == UNCHANGED).all() and len(np.unique(found.drawn[taken])) > 30
