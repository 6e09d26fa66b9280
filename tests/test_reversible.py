"""Training without stored activations: the same gradients, in memory that does not grow with depth."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from glowseis.fitting.steps import Steps
from glowseis.models.glow import Glow
from glowseis.testing import perturb


def flow_of(dtype="float32", steps=3, **settings):
    keras.utils.set_random_seed(5)
    flow = Glow((32, 48, 1), levels=3, steps=steps, filters=16, attention_levels=1, heads=2, dtype=dtype, **settings)
    flow.build()
    perturb(flow, 0.05)
    return flow


def pictures(dtype="float32", batch=2):
    return tf.constant(np.random.default_rng(1).random((batch, 32, 48, 1)), dtype=dtype)


def gradients(flow, x, *, reversible, mode="graph"):
    """Bits, and gradients of them by name of what they are taken by, weights and pictures."""
    steps = Steps(flow, reversible=reversible, written_out=mode == "xla")

    def run(x):
        with steps.training(), tf.GradientTape() as tape:
            tape.watch(x)
            bits = tf.reduce_mean(flow.bits_per_dimension(flow.log_prob(x)))
        return bits, tape.gradient(bits, [x, *(weight.value for weight in flow.trainable_weights)])

    if mode == "eager":
        tf.config.run_functions_eagerly(True)
        try:
            bits, found = run(x)
        finally:
            tf.config.run_functions_eagerly(False)
    else:
        bits, found = tf.function(run, jit_compile=mode == "xla")(x)
    # Nothing depends on the bias of an attention's keys: softmax is blind to what all scores of a query share.
    names = ["pictures", *(weight.path for weight in flow.trainable_weights)]
    return bits, {name: gradient for name, gradient in zip(names, found, strict=True) if not name.endswith("key_bias")}


def largest_difference(one, other):
    """The largest difference of two dictionaries of gradients, relative to the largest value of its tensor."""
    assert one.keys() == other.keys()
    return max(float(np.max(np.abs(one[name] - other[name])) / np.max(np.abs(one[name]))) for name in one)


def test_gradients_are_those_of_stored_activations_in_double_precision():
    flow, x = flow_of("float64"), pictures("float64")
    bits, stored = gradients(flow, x, reversible=False)
    again, recomputed = gradients(flow, x, reversible=True)
    assert float(bits) == pytest.approx(float(again), rel=1e-12)
    assert largest_difference(stored, recomputed) < 1e-9


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_gradients_are_the_same_in_every_way_of_running(mode):
    flow, x = flow_of(), pictures()
    _, stored = gradients(flow, x, reversible=False)
    _, recomputed = gradients(flow, x, reversible=True, mode=mode)
    assert largest_difference(stored, recomputed) < 1e-4
