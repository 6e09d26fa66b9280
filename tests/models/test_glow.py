"""The flow: any size, exact both ways, fitted by Keras, at the paper's scale."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from glowseis.fitting.flow.fitting import ROUND_TRIP_BOUND
from glowseis.fitting.flow.trainer import FlowTrainer
from glowseis.models.glow import Glow, from_levels, to_levels
from glowseis.testing import check_invertible, perturb

SMALL = {"image_shape": (16, 24, 1), "levels": 3, "steps": 2, "filters": 8, "attention_levels": 1, "heads": 2}


def gathers(count=6, shape=(16, 24), seed=0):
    """Pictures with the sort of structure that a flow can learn: smooth, with noise of a few levels."""
    random = np.random.default_rng(seed)
    time = np.arange(shape[0])[:, None] - np.arange(shape[1]) * 0.4
    waves = [40 * np.sin(time / 2.5 + phase) for phase in random.uniform(0, 6, count)]
    return np.clip(128 + np.array(waves) + random.normal(0, 4, (count, *shape)), 0, 255).astype("uint8")


def dequantised(images, seed=1):
    noise = np.random.default_rng(seed).uniform(size=images.shape).astype("float32")
    return ((images + np.float32(0.999) * noise) / np.float32(256))[..., None]


@pytest.mark.parametrize(
    "settings",
    [
        {"image_shape": (8, 4, 1), "levels": 1, "steps": 2, "filters": 8, "attention_levels": 0},
        {"image_shape": (8, 8, 1), "levels": 2, "steps": [1, 2], "filters": [8, 4], "attention_levels": 2, "heads": 2},
        {"image_shape": (16, 8, 2), "levels": 3, "steps": 1, "filters": 4, "attention_levels": 1, "heads": 2},
    ],
)
def test_flow_is_invertible_in_double_precision(settings):
    flow = Glow(**settings, dtype="float64")
    flow.build()
    x = tf.constant(np.random.default_rng(1).uniform(size=(2, *settings["image_shape"])))
    check_invertible(flow, x, tolerance=1e-6, without_gradient=("key_bias",))
    assert [tuple(z.shape[1:]) for z in flow.encode(x)] == flow.latent_shapes


def test_log_prob_is_that_of_the_change_of_variables():
    flow = Glow((8, 8, 1), levels=2, steps=2, filters=8, attention_levels=1, heads=2, dtype="float64")
    x = tf.constant(np.random.default_rng(1).uniform(size=(1, 8, 8, 1)))
    flow(x)
    perturb(flow, 0.2)
    with tf.GradientTape() as tape:
        tape.watch(x)
        z = tf.concat([tf.reshape(eps, (-1,)) for eps in flow.encode(x)], axis=0)
    jacobian = tf.reshape(tape.jacobian(z, x), (64, 64))
    expected = -0.5 * np.sum(np.square(z) + np.log(2 * np.pi)) + np.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(flow.log_prob(x), [expected], rtol=1e-9)
    bits = -expected / np.log(2) / 64 + 8
    np.testing.assert_allclose(flow.bits_per_dimension(flow.log_prob(x)), [bits], rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (890, 640, 1)}, "Pad them to 896 x 640"),
        ({"image_shape": (64, 64, 1), "steps": [1, 2]}, "steps has 2 values for 6 levels"),
        ({"image_shape": (64, 64, 1), "levels": 2, "attention_levels": 3}, "between 0 and levels"),
    ],
)
def test_settings_that_do_not_fit_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Glow(**settings)


def test_grey_levels_go_to_the_flow_and_back():
    levels = np.arange(256, dtype="uint8")
    np.testing.assert_array_equal(to_levels(from_levels(levels)), levels)
    np.testing.assert_array_equal(to_levels(levels / np.float32(256)), levels)
    np.testing.assert_array_equal(to_levels([-0.1, 1.0, 7.0]), [0, 255, 255])


def test_adapt_gives_every_step_zero_mean_and_unit_variance():
    flow = Glow(**SMALL)
    flow.build()
    perturb(flow, 0.05)
    x = dequantised(gathers(20))
    flow.adapt([x[:12], x[12:]])
    h = x - 0.5
    for level, (squeeze, stack) in enumerate(zip(flow.squeezes, flow.stacks, strict=True)):
        h, _ = squeeze(h)
        for index in range(2):
            values = {weight.path: weight[index] for weight in stack.weights}
            scale = np.exp(next(value for path, value in values.items() if path.endswith("actnorm_log_scale")))
            bias = next(value for path, value in values.items() if path.endswith("actnorm_bias"))
            normalised = np.asarray(h * scale + bias)
            np.testing.assert_allclose(normalised.mean((0, 1, 2)), 0, atol=1e-3)
            np.testing.assert_allclose(normalised.var((0, 1, 2)), 1, atol=1e-3)
            h, _ = stack.step(index, h)
        if level < 2:
            (h, _), _ = flow.factor_outs[level](h)


def test_interpolation_ends_at_its_parents_and_samples_follow_their_seed():
    flow = Glow(**SMALL)
    flow.build()
    perturb(flow, 0.05)
    one, other = from_levels(gathers(2))[..., None], from_levels(gathers(2, seed=5))[..., None]
    np.testing.assert_array_equal(to_levels(flow.interpolate(one, other, np.zeros(2))), to_levels(one))
    np.testing.assert_array_equal(to_levels(flow.interpolate(one, other, np.ones(2))), to_levels(other))
    between = flow.interpolate(one, other, np.array([0.3, 0.8]))
    for first, second, mixed in zip(flow.encode(one), flow.encode(other), flow.encode(between), strict=True):
        np.testing.assert_allclose(mixed[0], 0.7 * first[0] + 0.3 * second[0], atol=1e-3)
        np.testing.assert_allclose(mixed[1], 0.2 * first[1] + 0.8 * second[1], atol=1e-3)
    around = flow.interpolate(one, other, np.array([0.3, 0.8]), "spherical")
    ends = [flow.encode(one), flow.encode(other)]
    for item, alpha in ((0, 0.3), (1, 0.8)):
        start, end, way = (np.concatenate([np.ravel(eps[item]) for eps in z]) for z in (*ends, flow.encode(around)))
        angle = np.arccos(start @ end / np.linalg.norm(start) / np.linalg.norm(end))
        expected = np.sin((1 - alpha) * angle) / np.sin(angle) * start + np.sin(alpha * angle) / np.sin(angle) * end
        np.testing.assert_allclose(way, expected, atol=2e-3)
    for alpha, parent in ((np.zeros(2), one), (np.ones(2), other)):
        np.testing.assert_array_equal(to_levels(flow.interpolate(one, other, alpha, "spherical")), to_levels(parent))
    np.testing.assert_array_equal(to_levels(flow.interpolate(one, one, [0.4, 0.5], "spherical")), to_levels(one))
    with pytest.raises(ValueError, match="'linear' or 'spherical'"):
        flow.interpolate(one, other, [0.4, 0.5], "square")
    np.testing.assert_array_equal(flow.sample(2, seed=3), flow.sample(2, seed=3))
    assert np.abs(flow.sample(2, seed=3) - flow.sample(2, seed=4)).max() > 1e-3
    assert np.abs(flow.sample(2) - flow.sample(2)).max() > 1e-3
    warm, cold = flow.encode(flow.sample(2, seed=3)), flow.encode(flow.sample(2, temperature=0.5, seed=3))
    for one, other in zip(warm, cold, strict=True):
        np.testing.assert_allclose(other, 0.5 * one, atol=1e-3)


def test_pictures_and_latents_of_another_size_or_kind_are_named():
    flow = Glow(**SMALL)
    assert flow.sample(1).shape == (1, 16, 24, 1)
    np.testing.assert_allclose(flow.log_prob(np.full((1, 16, 24, 1), 0.5)).shape, (1,))
    with pytest.raises(ValueError, match=r"for pictures \(16, 24, 1\)"):
        flow.log_prob(np.zeros((1, 24, 16, 1), "float32"))
    with pytest.raises(ValueError, match="from_levels"):
        flow.log_prob(gathers(1)[..., None])
    with pytest.raises(ValueError, match=r"for pictures \(16, 24, 1\)"):
        flow.decode([np.zeros((1, 8, 12, 2)), np.zeros((1, 4, 6, 4))])
    with pytest.raises(ValueError, match="float32 or float64"):
        Glow(**SMALL, dtype="mixed_bfloat16")


@pytest.mark.slow
def test_flow_runs_on_jax():
    program = """
import jax, keras, numpy as np
from glowseis.models.glow import Glow

flow = Glow((16, 24, 1), levels=2, steps=2, filters=8, attention_levels=1, heads=2)
x = np.random.default_rng(0).uniform(size=(2, 16, 24, 1)).astype("float32")
flow.adapt([x])
assert np.abs(np.asarray(flow.decode(flow.encode(x))) - x).max() < 1e-4
trainable = [weight.value for weight in flow.trainable_variables]
fixed = [weight.value for weight in flow.non_trainable_variables]
loss = lambda trainable: -flow.stateless_call(trainable, fixed, x)[0][1].sum()
assert all(np.isfinite(gradient).all() for gradient in jax.jit(jax.grad(loss))(trainable))
assert keras.backend.backend() == "jax"
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_flow_survives_being_saved(tmp_path):
    flow = Glow(**SMALL)
    x = dequantised(gathers(2))
    flow(x)
    perturb(flow, 0.05)
    flow.save(tmp_path / "flow.keras")
    loaded = keras.saving.load_model(tmp_path / "flow.keras")
    np.testing.assert_array_equal(flow.log_prob(x), loaded.log_prob(x))


def test_training_does_not_follow_a_mixed_global_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        trainer = FlowTrainer(Glow(**SMALL))
        x = dequantised(gathers(4))
        trainer.compile(optimizer=keras.optimizers.Adam(1e-4))
        trainer.fit(x, batch_size=4, epochs=1, verbose=0)
        np.testing.assert_allclose(trainer(x), trainer.flow.bits_per_dimension(trainer.flow.log_prob(x)), rtol=1e-6)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fit_learns(jit_compile):
    keras.utils.set_random_seed(0)
    flow = Glow(**{**SMALL, "levels": 2, "steps": 1 if jit_compile else 2})
    trainer = FlowTrainer(flow)
    training, held_out = dequantised(gathers(32)), dequantised(gathers(8, seed=9))
    flow.adapt([training])
    trainer.compile(optimizer=keras.optimizers.Adam(2e-3), jit_compile=jit_compile)
    before = trainer.evaluate(held_out, batch_size=8, verbose=0)
    history = trainer.fit(training, batch_size=8, epochs=8, verbose=0)
    after = trainer.evaluate(held_out, batch_size=8, verbose=0)
    assert after < before - 0.3
    assert history.history["bits_per_dimension"][-1] < history.history["bits_per_dimension"][0]
    assert all(norm > 0 for norm in history.history["gradient_norm"])
    expected = np.mean(flow.bits_per_dimension(flow.log_prob(held_out)))
    np.testing.assert_allclose(after, expected, rtol=1e-4)


@pytest.mark.slow
def test_the_papers_flow_trains_and_still_inverts():
    keras.utils.set_random_seed(0)
    flow = Glow()
    flow.build()
    assert sum(int(np.prod(weight.shape)) for weight in flow.trainable_weights) == 7_794_016
    trainer = FlowTrainer(flow)
    images = gathers(1, (896, 640))
    x = dequantised(images)
    flow.adapt([x])
    trainer.compile(optimizer=keras.optimizers.Adam(1e-4))
    history = trainer.fit(x, batch_size=1, epochs=4, verbose=0).history["bits_per_dimension"]
    assert history[-1] < history[0]
    centres = from_levels(images)[..., None]
    back = np.asarray(tf.function(lambda x: flow.decode(flow.encode(x)))(centres))
    assert np.abs(back - centres).max() <= ROUND_TRIP_BOUND
    np.testing.assert_array_equal(to_levels(back), images[..., None])
