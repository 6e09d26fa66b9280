"""The convolutional conditioner as matrix products: the numbers of the layers that it stands for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from glowseis.layers import ConvolutionalConditioner, thin_convolutions
from glowseis.layers.thin_convolutions import working_in_parts
from glowseis.testing import perturb


def conditioner(channels, dtype="float32", size=(12, 20)):
    keras.utils.set_random_seed(2)
    layer = ConvolutionalConditioner(24, dtype=dtype)
    layer.build((None, *size, channels))
    perturb(layer, 0.1)
    return layer


def with_gradients(function, layer, x):
    """What a function gives for x, and the gradients of a weighted sum of it by x and by the layer's weights."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
        end = tf.reduce_sum(tf.cast(y, "float64") * np.random.default_rng(0).standard_normal(y.shape))
    gradients = tape.gradient(end, [x, *(weight.value for weight in layer.trainable_weights)])
    return [np.asarray(tf.cast(value, "float64")) for value in (y, *gradients)]


def layers_in_order(layer):
    def call(x):
        for one in layer.chain:
            x = one(x)
        return x

    return call


def relative_errors(expected, actual):
    return [np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in zip(expected, actual, strict=True)]


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_products_are_the_layers_in_double_precision(channels, in_parts, monkeypatch):
    monkeypatch.setattr(thin_convolutions, "POSITIONS_AT_ONCE", 4 * 20)
    layer = conditioner(channels, "float64")
    x = tf.random.stateless_normal((3, 12, 20, channels), (1, 2), dtype="float64")
    expected = with_gradients(layers_in_order(layer), layer, x)
    with working_in_parts(in_parts):
        actual = with_gradients(layer, layer, x)
    assert max(relative_errors(expected, actual)) < 1e-12


def test_products_are_the_layers_in_single_precision():
    layer = conditioner(2, size=(448, 40))
    x = tf.random.stateless_normal((1, 448, 40, 2), (1, 2))
    expected = with_gradients(layers_in_order(layer), layer, x)
    with working_in_parts(True):
        actual = with_gradients(layer, layer, x)
    assert max(relative_errors(expected, actual)) < 1e-5


def test_products_are_no_further_off_than_the_layers_in_bfloat16():
    exact, mixed = conditioner(2), conditioner(2, "mixed_bfloat16")
    mixed.set_weights(exact.get_weights())
    x = tf.random.stateless_normal((2, 12, 20, 2), (1, 2))
    truth = with_gradients(layers_in_order(exact), exact, x)
    of_layers = relative_errors(truth, with_gradients(layers_in_order(mixed), mixed, tf.cast(x, "bfloat16")))
    of_products = relative_errors(truth, with_gradients(mixed, mixed, x))
    assert np.median(of_products) < 0.03 and np.median(of_products) < 1.2 * np.median(of_layers)


def test_a_conditioner_of_many_channels_is_its_layers():
    layer = conditioner(thin_convolutions.FEW_CHANNELS + 1)
    assert layer.products is None
    x = tf.random.stateless_normal((2, 12, 20, 5), (1, 2))
    with working_in_parts(True):
        np.testing.assert_array_equal(layer(x), layers_in_order(layer)(x))


def test_work_in_parts_takes_less_memory_at_once(monkeypatch):
    seen = []
    monkeypatch.setattr(
        thin_convolutions,
        "_hidden_columns",
        lambda part, *rest: seen.append(tuple(part.shape)) or tf.concat([part, part], axis=-1),
    )
    x = tf.zeros((2, 448, 320, 2))
    layer = conditioner(2, size=(448, 320))
    for in_parts in (False, True):
        with working_in_parts(in_parts):
            layer(x)
    assert seen[0] == (2, 448, 320, 18)
    assert all(np.prod(shape[:-1]) <= thin_convolutions.POSITIONS_AT_ONCE for shape in seen[1:]) and len(seen) > 1
