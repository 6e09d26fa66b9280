"""The same maps by an independent hand: TensorFlow Probability's bijectors."""

import numpy as np
import pytest
import tensorflow as tf

from glowseis import layers
from glowseis.testing import perturb


@pytest.fixture(scope="module")
def bijectors():
    """Imported by a test alone: it takes seconds, which every process that collects tests would wait."""
    return pytest.importorskip("tensorflow_probability").bijectors


def pictures(channels=6, seed=5):
    return tf.constant(np.random.default_rng(seed).standard_normal((2, 4, 6, channels)))


def compare(layer, bijector, x, event_ndims=3):
    y, log_det = layer(x)
    np.testing.assert_allclose(y, bijector.forward(x), atol=1e-10)
    np.testing.assert_allclose(log_det, bijector.forward_log_det_jacobian(x, event_ndims), atol=1e-9)
    back, inverse_log_det = layer(y, inverse=True)
    np.testing.assert_allclose(back, bijector.inverse(tf.identity(y)), atol=1e-9)
    np.testing.assert_allclose(
        inverse_log_det, bijector.inverse_log_det_jacobian(tf.identity(y), event_ndims), atol=1e-9
    )


def test_actnorm_is_scale_then_shift(bijectors):
    layer = layers.ActNorm(dtype="float64")
    x = pictures()
    layer(x)
    perturb(layer, 0.5)
    compare(
        layer, bijectors.Chain([bijectors.Shift(layer.bias.value), bijectors.Scale(log_scale=layer.log_scale.value)]), x
    )


def test_convolution_is_a_product_with_an_lu_decomposed_matrix(bijectors):
    layer = layers.InvertibleConv1x1(dtype="float64")
    x = pictures()
    layer(x)
    perturb(layer, 0.1)
    factors, sign = np.asarray(layer.factors), np.asarray(layer.sign)
    lower_upper = np.tril(factors, -1) + np.triu(factors, 1) + np.diag(sign * np.exp(np.diag(factors)))
    permutation = np.argmax(np.asarray(layer.permutation), axis=0)
    theirs = bijectors.ScaleMatvecLU(lower_upper=tf.constant(lower_upper), permutation=permutation)
    # Theirs multiplies columns and ours rows, so theirs is shown the unit vectors and gives our matrix transposed.
    transposed = np.asarray(theirs.forward(tf.eye(6, dtype="float64")))
    y, log_det = layer(x)
    np.testing.assert_allclose(y, np.asarray(x) @ transposed.T, atol=1e-10)
    np.testing.assert_allclose(log_det, 24 * theirs.forward_log_det_jacobian(x[0, 0, 0], 1), atol=1e-9)


def test_coupling_is_real_nvp(bijectors):
    conditioner = layers.ConvolutionalConditioner(8, dtype="float64")
    layer = layers.AffineCoupling(conditioner, dtype="float64")
    x = pictures()
    layer(x)
    perturb(layer, 0.3)

    def affine(kept, _, **__):
        raw, shift = tf.split(conditioner(kept), 2, axis=-1)
        return bijectors.Chain([bijectors.Shift(shift), bijectors.Scale(log_scale=2 * tf.tanh(raw / 2))])

    # Theirs couples the last axis of a vector; a position's channels are that vector, so the picture stays in place.
    compare(layer, bijectors.RealNVP(num_masked=3, bijector_fn=affine), x)


def test_squeeze_is_tensorflows_space_to_depth():
    x = pictures()
    layer = layers.Squeeze(dtype="float64")
    np.testing.assert_array_equal(layer(x)[0], tf.nn.space_to_depth(x, 2))
    np.testing.assert_array_equal(layer(layer(x)[0], inverse=True)[0], x)
