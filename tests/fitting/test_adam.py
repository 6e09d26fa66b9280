"""Adam in one operation gives what Keras' Adam gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from glowseis.fitting.adam import FusedAdam

START = np.random.default_rng(1).normal(size=(2, 3, 4))
GRADIENTS = np.random.default_rng(2).normal(size=(7, 2, 3, 4)) * 10.0 ** np.arange(-4, 3)[:, None, None, None]


def fitted(optimizer, run=lambda step: step):
    """The weights and the optimiser's variables after steps whose gradients differ much in size."""
    weights = [keras.Variable(one, dtype="float64", name=f"weight{place}") for place, one in enumerate(START)]
    optimizer.build(weights)
    step = run(lambda gradients: optimizer.apply(tf.unstack(gradients), weights))
    for one in GRADIENTS:
        step(tf.constant(one))
    kept = [one.numpy() for one in (*weights, *optimizer.variables)]
    # Weights that do not move would be the same in both.
    assert np.abs(kept[0] - START[0]).min() > 1e-3
    return kept


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-2},
        {"weight_decay": 0.1},
        {"global_clipnorm": 0.3},
        {"use_ema": True, "ema_momentum": 0.9},
        {"gradient_accumulation_steps": 2},
    ],
)
def test_it_is_keras_adam(settings):
    of_each = [
        fitted(make(keras.optimizers.schedules.ExponentialDecay(1e-1, 3, 0.5), **settings))
        for make in (keras.optimizers.Adam, FusedAdam)
    ]
    for one, other in zip(*of_each, strict=True):
        # Keras rounds the powers of beta_2 to float32, and takes them from 1.
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
def test_it_is_the_same_in_a_graph_and_under_xla(compiled):
    in_graph = fitted(FusedAdam(1e-2), lambda step: tf.function(step, jit_compile=compiled, autograph=False))
    for one, other in zip(fitted(FusedAdam(1e-2)), in_graph, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=0)


def test_a_weight_whose_gradients_are_0_stays_as_it_is():
    weight = keras.Variable(START[0], dtype="float32")
    optimizer = FusedAdam(1.0)
    optimizer.build([weight])
    for _ in range(3):
        optimizer.apply([tf.zeros_like(weight.value)], [weight])
    np.testing.assert_array_equal(weight.numpy(), START[0].astype(np.float32))


def test_it_is_saved_and_comes_back():
    settings = keras.optimizers.serialize(FusedAdam(1e-2, beta_1=0.8, global_clipnorm=2.0))
    back = keras.optimizers.deserialize(settings)
    assert isinstance(back, FusedAdam) and back.get_config()["beta_1"] == 0.8 and back.global_clipnorm == 2.0


def test_what_it_does_not_have():
    with pytest.raises(ValueError, match="no amsgrad"):
        FusedAdam(amsgrad=True)
