"""Every map inverts, its log-det is the Jacobian's, and it survives being saved."""

import inspect
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from glowseis import layers
from glowseis.layers.flow_step import FlowStep
from glowseis.testing import check_invertible, perturb

MAPS = {
    "ActNorm": lambda dtype: layers.ActNorm(dtype=dtype),
    "InvertibleConv1x1": lambda dtype: layers.InvertibleConv1x1(dtype=dtype),
    "AffineCoupling": lambda dtype: layers.AffineCoupling(convolutional(dtype), dtype=dtype),
    "Squeeze": lambda dtype: layers.Squeeze(dtype=dtype),
    "FactorOut": lambda dtype: layers.FactorOut(dtype=dtype),
    "FlowStep": lambda dtype: FlowStep(attention(dtype), dtype=dtype),
    "StepStack": lambda dtype: layers.StepStack(FlowStep(convolutional(dtype), dtype=dtype), 3, dtype=dtype),
}

MARKED = [pytest.param(name, marks=[pytest.mark.slow] if name == "StepStack" else []) for name in MAPS]
"""Their names, where what is tested takes seconds for a stack of steps."""

BLIND = ("key/bias", "key_bias")
"""Weights of attention that nothing depends on: softmax is blind to what all scores of a query share."""


def convolutional(dtype):
    return layers.ConvolutionalConditioner(8, dtype=dtype)


def attention(dtype):
    return layers.AttentionConditioner(8, heads=2, dtype=dtype)


def pictures(dtype, shape=(2, 4, 6, 4), seed=3):
    return tf.constant(np.random.default_rng(seed).standard_normal(shape), dtype=dtype)


def test_every_map_is_in_the_registry():
    maps = {
        name
        for name, value in vars(layers).items()
        if inspect.isclass(value) and issubclass(value, layers.InvertibleLayer)
    }
    assert maps - {"InvertibleLayer"} == set(MAPS)


@pytest.mark.parametrize("name", MARKED)
def test_map_is_invertible_in_double_precision(name):
    check_invertible(MAPS[name]("float64"), pictures("float64"), tolerance=1e-6, without_gradient=BLIND)


@pytest.mark.slow
@pytest.mark.parametrize("conditioner", [layers.ConvolutionalConditioner, layers.AttentionConditioner])
def test_a_condition_stays_and_is_seen(conditioner):
    """Of five channels three are the condition."""
    network = conditioner(8, condition=3, dtype="float64")
    step = FlowStep(network, condition=3, dtype="float64")
    x = pictures("float64", (2, 4, 6, 5))
    check_invertible(step, x, tolerance=1e-6, without_gradient=BLIND)
    perturb(step)
    other = tf.concat([x[..., :3] + 1, x[..., 3:]], axis=-1)
    (one, _), (two, _) = step(x), step(other)
    np.testing.assert_array_equal(one[..., :3], x[..., :3])
    np.testing.assert_array_equal(two[..., :3], other[..., :3])
    np.testing.assert_array_equal(one[..., 3:4], two[..., 3:4])
    assert np.abs(one[..., 4:] - two[..., 4:]).min() > 1e-6
    copy = FlowStep.from_config(step.get_config())
    copy.build(x.shape)
    copy.set_weights(step.get_weights())
    np.testing.assert_array_equal(copy(x)[0], one)
    with pytest.raises(ValueError, match="splits its channels in halves"):
        FlowStep(conditioner(8, condition=2), condition=2).build((None, 4, 6, 5))


@pytest.mark.parametrize("name", MAPS)
def test_map_is_invertible_in_single_precision(name):
    x = pictures("float32", (2, 16, 24, 8))
    check_invertible(MAPS[name]("float32"), x, tolerance=1e-4, jacobian=False, without_gradient=BLIND)


@pytest.mark.parametrize("name", MAPS)
def test_map_survives_being_saved(name, tmp_path):
    layer = MAPS[name]("float32")
    x = pictures("float32")
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    perturb(model)
    model.save(tmp_path / "map.keras")
    loaded = keras.saving.load_model(tmp_path / "map.keras")
    for one, other in zip(tf.nest.flatten(model(x)), tf.nest.flatten(loaded(x)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(loaded.weights) == len(model.weights)


@pytest.mark.parametrize("name", MARKED)
def test_map_compiles_with_xla(name):
    layer = MAPS[name]("float32")
    x = pictures("float32")
    layer(x)
    perturb(layer)

    @tf.function(jit_compile=True)
    def there_and_back(x):
        y, log_det = layer(x)
        return *tf.nest.flatten(y), log_det, layer(y, inverse=True)[0]

    y, log_det = layer(x)
    for one, other in zip(there_and_back(x), [*tf.nest.flatten(y), log_det, x], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


class Broken(layers.ActNorm):
    """Its log-det forgets the number of positions."""

    def _forward(self, x):
        y, log_det = super()._forward(x)
        return y, log_det / 24

    def _inverse(self, y):
        x, log_det = super()._inverse(y)
        return x, log_det / 24


class BadInverse(layers.ActNorm):
    def _inverse(self, y):
        x, log_det = super()._inverse(y)
        return x + 1e-3, log_det


class Widening(layers.ActNorm):
    """Its inverse goes back, but there are more values than came."""

    def _forward(self, x):
        y, log_det = super()._forward(x)
        return tf.concat([y, y], axis=1), log_det

    def _inverse(self, y):
        return super()._inverse(y[:, : y.shape[1] // 2])


class NoEffect(layers.ActNorm):
    """A weight that is used, and whose gradient is nothing but rounding."""

    def build(self, input_shape):
        super().build(input_shape)
        self.unseen = self.add_weight(name="unseen", shape=(1,), initializer="ones")

    def _forward(self, x):
        y, log_det = super()._forward(x * self.unseen / self.unseen)
        return y, log_det


class NoGradient(layers.ActNorm):
    def build(self, input_shape):
        super().build(input_shape)
        self.unused = self.add_weight(name="unused", shape=(1,))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Broken, "Jacobian"),
        (BadInverse, "return the input"),
        (Widening, "of 96 values is mapped to 192"),
        (NoGradient, "no gradient"),
        (NoEffect, "is zero"),
    ],
)
def test_the_check_finds_a_broken_map(layer, message):
    with pytest.raises(AssertionError, match=message):
        check_invertible(layer(dtype="float64"), pictures("float64"))


def test_actnorm_adapts_to_zero_mean_and_unit_variance_and_survives_a_constant_channel():
    x = np.random.default_rng(0).normal(3.0, 5.0, (4, 8, 8, 3)).astype("float32")
    x[..., 2] = 7.0
    layer = layers.ActNorm()
    layer(x)
    layer.adapt(x.mean((0, 1, 2), dtype="float64"), x.var((0, 1, 2), dtype="float64"))
    y = np.asarray(layer(x)[0])
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(y.var((0, 1, 2)), [1, 1, 0], atol=1e-4)


def test_convolution_starts_as_a_random_rotation():
    layer = layers.InvertibleConv1x1(dtype="float64")
    x = pictures("float64", (1, 3, 3, 16))
    y, log_det = layer(x)
    np.testing.assert_allclose(log_det, 0, atol=1e-8)
    np.testing.assert_allclose(np.linalg.norm(y, axis=-1), np.linalg.norm(x, axis=-1))
    assert np.abs(y - x).max() > 0.1
    other = layers.InvertibleConv1x1(dtype="float64")
    assert np.abs(y - other(x)[0]).max() > 0.1


def test_step_stack_runs_its_steps_in_order_and_each_step_has_its_own_weights():
    stack = MAPS["StepStack"]("float64")
    x = pictures("float64")
    expected, _ = stack(x)
    h = x
    for index in range(3):
        before, (h, _) = h, stack.step(index, h)
        assert np.abs(h - before).max() > 0.1
    np.testing.assert_allclose(h, expected)
    kernels = next(w for w in stack.weights if "first" in w.path and w.path.endswith("kernel"))
    assert np.abs(np.asarray(kernels[0]) - np.asarray(kernels[1])).max() > 0.01


def test_a_way_of_running_ends_with_its_context_and_gives_way_to_the_one_before():
    stack, x = MAPS["StepStack"]("float64"), pictures("float64")
    plain, _ = stack(x)

    def scaled(factor):
        way = layers.step_stack.Way(stack.template.forward, stack.template.inverse)
        return replace(way, all_forward=lambda stacked, x: (factor * x, tf.zeros(len(x), x.dtype)))

    with stack.running(scaled(2.0)):
        with pytest.raises(ZeroDivisionError), stack.running(scaled(3.0)):
            np.testing.assert_array_equal(stack(x)[0], 3 * x)
            raise ZeroDivisionError
        np.testing.assert_array_equal(stack(x)[0], 2 * x)
    np.testing.assert_array_equal(stack(x)[0], plain)


@pytest.mark.parametrize("make", [convolutional, attention])
def test_conditioner_has_twice_the_channels_starts_at_zero_and_reaches_every_weight(make):
    conditioner = make("float64")
    x = pictures("float64")
    assert not np.asarray(conditioner(x)).any()
    assert conditioner(x).shape == (2, 4, 6, 8)
    perturb(conditioner)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(conditioner(x)))
    values = [weight.value for weight in conditioner.trainable_weights]
    for weight, gradient in zip(conditioner.trainable_weights, tape.gradient(loss, values), strict=True):
        if weight.path.endswith(BLIND):
            np.testing.assert_allclose(gradient, 0, atol=1e-9)
        else:
            assert np.abs(gradient).max() > 1e-9, weight.path


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (layers.Squeeze, (1, 5, 6, 4), "Pad both"),
        (layers.FactorOut, (1, 4, 6, 3), "3 channels"),
        (lambda: MAPS["AffineCoupling"]("float32"), (1, 4, 6, 3), "3 channels"),
        (layers.ActNorm, (4, 6, 4), "batch, time, trace, channel"),
    ],
)
def test_a_wrong_shape_is_named(make, shape, message):
    with pytest.raises(ValueError, match=message):
        make()(np.zeros(shape, "float32"))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "float16"])
@pytest.mark.parametrize("name", MAPS)
def test_a_map_refuses_a_policy_that_no_flow_survives(name, policy):
    with pytest.raises(ValueError, match="float32 or float64"):
        MAPS[name](policy)


@pytest.mark.slow
@pytest.mark.parametrize("make", [convolutional, attention])
def test_a_conditioner_may_be_bfloat16_and_the_map_stays_float32(make):
    keras.utils.set_random_seed(1)
    layer = layers.AffineCoupling(make("mixed_bfloat16"))
    x = pictures("float32")
    layer(x)
    perturb(layer, 0.1)
    y, log_det = layer(x)
    assert y.dtype == log_det.dtype == tf.float32
    np.testing.assert_allclose(layer(y, inverse=True)[0], x, atol=1e-5)
    exact = layers.AffineCoupling(make("float32"))
    exact(x)
    exact.set_weights(layer.get_weights())
    assert 0 < np.abs(exact(x)[0] - y).max() < 0.1


def test_heads_must_share_the_filters():
    with pytest.raises(ValueError, match="multiple of heads"):
        layers.AttentionConditioner(10, heads=4)
