"""The flow: any size, exact both ways, fitted by Keras, at the paper's scale."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from glowseis.models.glow import Glow
from glowseis.models.grey_levels import from_levels, to_levels
from glowseis.models.interpolation import between
from glowseis.synthesis import synthesise
from glowseis.testing import check_invertible, perturb
from tests.support.flow_pictures import SMALL, dequantised, gathers


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"image_shape": (8, 4, 1), "levels": 1, "steps": 2, "filters": 8, "attention_levels": 0},
        {"image_shape": (8, 8, 1), "levels": 2, "steps": [1, 2], "filters": [8, 4], "attention_levels": 2, "heads": 2},
        {"image_shape": (16, 8, 2), "levels": 3, "steps": 1, "filters": 4, "attention_levels": 1, "heads": 2},
        {"image_shape": (16, 4, 1), "levels": 2, "steps": 1, "filters": 4, "heads": 2, "condition": 3},
    ],
)
def test_flow_is_invertible_in_double_precision(settings):
    flow = Glow(**settings, dtype="float64")
    flow.build()
    x = tf.constant(np.random.default_rng(1).uniform(size=(2, *settings["image_shape"])))
    check_invertible(flow, x, tolerance=1e-6, without_gradient=("key_bias",))
    assert [tuple(z.shape[1:]) for z in flow.encode(x)][: flow.levels] == flow.latent_shapes


@pytest.fixture(scope="module")
def conditional():
    """A conditional flow, and pairs of images one above the other."""
    keras.utils.set_random_seed(2)
    flow = Glow((32, 24, 1), levels=3, steps=2, filters=8, attention_levels=1, heads=2, condition=4)
    x = dequantised(np.concatenate([gathers(6), gathers(6, seed=5)], axis=1))
    flow.adapt([x[:4], x[4:]])
    perturb(flow, 0.05)
    return flow, x


def test_a_conditional_flow_models_upper_halves_given_lower_ones(conditional):
    flow, x = conditional
    *latents, condition = flow.encode(x)
    np.testing.assert_array_equal(condition, x[:, 16:])
    assert [tuple(eps.shape[1:]) for eps in latents] == flow.latent_shapes == [(8, 12, 2), (4, 6, 4), (2, 3, 16)]
    assert np.abs(flow.decode([*latents, condition]) - x).max() < 1e-5
    # What was encoded under one condition is decoded under another, which comes back as it is.
    made = np.asarray(flow.decode([*latents, condition[::-1]]))
    np.testing.assert_array_equal(made[:, 16:], x[::-1, 16:])
    assert np.abs(made[:, :16] - x[:, :16]).max() > 1e-3
    back = flow.encode(made)
    assert max(float(np.abs(one - other).max()) for one, other in zip(back, latents, strict=False)) < 1e-3
    # The density is that of the upper halves alone, over as many numbers.
    _, log_det = flow(x)
    wanted = log_det - sum(0.5 * np.sum(np.square(eps) + np.log(2 * np.pi), axis=(1, 2, 3)) for eps in latents)
    np.testing.assert_allclose(flow.log_prob(x), wanted, rtol=1e-4)
    np.testing.assert_allclose(flow.bits_per_dimension(0.0), 8)
    np.testing.assert_allclose(flow.bits_per_dimension(-np.log(2.0) * 16 * 24), 9)


def test_samples_and_children_keep_a_condition(conditional):
    flow, x = conditional
    sampled = np.asarray(flow.sample(2, seed=1, condition=x[:2, 16:]))
    np.testing.assert_array_equal(sampled[:, 16:], x[:2, 16:])
    assert np.array_equal(sampled, flow.sample(2, seed=1, condition=x[:2, 16:]))
    child = np.asarray(flow.interpolate(x[:2], x[2:4], np.ones(2, "float32")))
    np.testing.assert_array_equal(child[:, 16:], x[:2, 16:])
    for condition in (None, x[:2, :8]):
        with pytest.raises(ValueError, match="expects shapes"):
            flow.sample(2, condition=condition)


@pytest.mark.slow
def test_a_conditional_flow_is_adapted_and_survives_being_saved(conditional, tmp_path):
    flow, x = conditional
    again = Glow.from_config(flow.get_config())
    again.adapt([x])
    latents = again.encode(x)[:3]
    assert abs(float(np.mean(latents[2]))) < 0.3 and 0.5 < float(np.std(latents[2])) < 1.5
    flow.save(tmp_path / "flow.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "flow.keras").log_prob(x), flow.log_prob(x))


@pytest.mark.slow
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
        ({"image_shape": (64, 64, 1), "condition": 8}, "halves of 32, which cannot be halved 6 times"),
        ({"image_shape": (64, 64, 1), "steps": [1, 2]}, "steps has 2 values for 6 levels"),
        ({"image_shape": (64, 64, 1), "levels": 2, "attention_levels": 3}, "between 0 and levels"),
    ],
)
def test_settings_that_do_not_fit_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Glow(**settings)


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


@pytest.mark.slow
def test_interpolation_ends_at_its_parents_and_samples_follow_their_seed():
    flow = Glow(**SMALL)
    flow.build()
    perturb(flow, 0.05)
    one, other = from_levels(gathers(2))[..., None], from_levels(gathers(2, seed=5))[..., None]
    for alpha, parent in ((np.zeros(2), one), (np.ones(2), other)):
        np.testing.assert_array_equal(to_levels(flow.interpolate(one, other, alpha, "linear")), to_levels(parent))
    half_way = flow.interpolate(one, other, np.array([0.3, 0.8]), "linear")
    for first, second, mixed in zip(flow.encode(one), flow.encode(other), flow.encode(half_way), strict=True):
        np.testing.assert_allclose(mixed[0], 0.7 * first[0] + 0.3 * second[0], atol=1e-3)
        np.testing.assert_allclose(mixed[1], 0.2 * first[1] + 0.8 * second[1], atol=1e-3)
    around = flow.interpolate(one, other, np.array([0.3, 0.8]))
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
    with pytest.raises(ValueError, match=r"for images \(16, 24, 1\)"):
        flow.log_prob(np.zeros((1, 24, 16, 1), "float32"))
    with pytest.raises(ValueError, match="from_levels"):
        flow.log_prob(gathers(1)[..., None])
    with pytest.raises(ValueError, match=r"for images \(16, 24, 1\)"):
        flow.decode([np.zeros((1, 8, 12, 2)), np.zeros((1, 4, 6, 4))])
    with pytest.raises(ValueError, match="float32 or float64"):
        Glow(**SMALL, dtype="mixed_bfloat16")


@pytest.mark.slow
def test_flow_survives_being_saved(tmp_path):
    flow = Glow(**SMALL)
    x = dequantised(gathers(2))
    flow(x)
    perturb(flow, 0.05)
    flow.save(tmp_path / "flow.keras")
    loaded = keras.saving.load_model(tmp_path / "flow.keras")
    np.testing.assert_array_equal(flow.log_prob(x), loaded.log_prob(x))


def test_a_flow_that_was_never_built_goes_both_ways():
    flow, x = Glow(**SMALL), dequantised(gathers(1))
    flow.log_prob(x)
    np.testing.assert_allclose(flow.decode(flow.encode(x)), x, atol=1e-4)


@pytest.mark.parametrize("temperature", [np.nan, np.inf, -0.5])
def test_a_temperature_that_is_none_is_named(temperature):
    with pytest.raises(ValueError, match=f"temperature is {temperature}; give a number of at least 0"):
        Glow(**SMALL).sample(1, temperature)


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [lambda x: 255 * x, lambda x: x - 1, lambda x: np.where(x == x.max(), np.nan, x)])
def test_adapt_takes_nothing_but_pictures(spoil):
    flow, x = Glow(**SMALL), dequantised(gathers(2))
    with pytest.raises(ValueError, match=r"images in \[0, 1\).*dequantise"):
        flow.adapt([x, spoil(x)])
    with pytest.raises(ValueError, match="at least one batch"):
        flow.adapt([])


def test_the_way_between_latents_is_the_same_wherever_none_is_named():
    defaults = {inspect.signature(one).parameters["path"].default for one in (Glow.interpolate, between, synthesise)}
    assert defaults == {"spherical"}
