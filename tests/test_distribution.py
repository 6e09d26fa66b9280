"""A flow as TensorFlow Probability has it: the same numbers, its shapes, its gradients."""

import doctest
import math
import sys

import numpy as np
import pytest
import tensorflow as tf

from glowseis.errors import InputError
from glowseis.models.glow import Glow
from glowseis.testing import perturb

SETTINGS = {"image_shape": (8, 4, 1), "levels": 2, "steps": 1, "filters": 4, "attention_levels": 1, "heads": 2}


@pytest.fixture(scope="module")
def module():
    """Imported by tests alone: it takes seconds, which every process that collects tests would wait."""
    pytest.importorskip("tensorflow_probability")
    import glowseis.distribution

    return glowseis.distribution


@pytest.fixture(scope="module")
def flow():
    flow = Glow(**SETTINGS, dtype="float64")
    flow.build()
    perturb(flow, 0.2)
    return flow


@pytest.fixture
def x():
    return tf.constant(np.random.default_rng(1).random((3, 2, 8, 4, 1)))


def close(found, wanted, tolerance=1e-9):
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def flat(x):
    return tf.reshape(x, (-1, 8, 4, 1))


def test_the_bijector_is_consistent_both_ways(module, flow, x):
    bijector = module.FlowBijector(flow)
    z = bijector.inverse(x)
    assert z.shape == (3, 2, 32) and bijector.size == 32 and bijector.flow is flow
    close(z, np.concatenate([np.reshape(eps, (3, 2, -1)) for eps in flow.encode(flat(x))], axis=-1))
    # Copies, so that TensorFlow Probability finds none of them among its kept results.
    close(bijector.forward(tf.identity(z)), x)
    log_det = bijector.inverse_log_det_jacobian(tf.identity(x), 3)
    assert log_det.shape == (3, 2) and float(tf.reduce_max(tf.abs(log_det))) > 1e-3
    close(bijector.forward_log_det_jacobian(tf.identity(z), 1), -log_det)
    close(bijector.inverse_log_det_jacobian(tf.identity(x), 4), tf.reduce_sum(log_det, axis=1))
    close(module.tfb.Invert(bijector).forward(tf.identity(x)), z)
    assert bijector.forward_event_shape((32,)) == (8, 4, 1) and bijector.inverse_event_shape((5, 8, 4, 1)) == (5, 32)
    assert bijector.forward_event_shape_tensor([5, 32]).numpy().tolist() == [5, 8, 4, 1]
    assert bijector.inverse_event_shape_tensor([8, 4, 1]).numpy().tolist() == [32]


@pytest.mark.slow
def test_the_log_det_is_that_of_the_jacobian(module, flow, x):
    bijector = module.FlowBijector(flow)
    z = tf.constant(np.random.default_rng(2).standard_normal(32))
    with tf.GradientTape() as tape:
        tape.watch(z)
        made = bijector.forward(z)
    jacobian = tf.reshape(tape.jacobian(made, z), (32, 32))
    close(bijector.forward_log_det_jacobian(tf.identity(z), 1), np.linalg.slogdet(jacobian)[1])


def test_the_density_is_the_flow_s_own(module, flow, x, monkeypatch):
    passes = []
    through = flow.encode_with_log_det
    monkeypatch.setattr(flow, "encode_with_log_det", lambda images: passes.append(1) or through(images))
    density = module.flow_distribution(flow)
    assert (density.event_shape, density.batch_shape, density.dtype) == ((8, 4, 1), (), tf.float64)
    found = density.log_prob(x)
    assert len(passes) == 1
    close(found, np.reshape(flow.log_prob(flat(x)), (3, 2)))
    close(density.prob(tf.identity(x)) / tf.exp(found), np.ones((3, 2)))
    made, of_made = density.experimental_sample_and_log_prob(4, seed=1)
    close(of_made, flow.log_prob(made))
    assert density.log_prob(x[0, 0]).shape == ()
    unknown = tf.function(density.log_prob, input_signature=[tf.TensorSpec(None, tf.float64)])
    close(unknown(x), found)
    close(unknown(x[0]), found[0])


def test_gradients_reach_images_and_weights(module, flow, x):
    density = module.flow_distribution(flow)
    images = flat(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        found, wanted = density.log_prob(images), flow.log_prob(images)
    close(tape.gradient(found, images), tape.gradient(wanted, images))
    weights = [weight.value for weight in flow.trainable_weights]
    assert {id(one) for one in density.trainable_variables} == {id(one) for one in weights}
    for one, other in zip(tape.gradient(found, weights), tape.gradient(wanted, weights), strict=True):
        close(one, other)


def test_training_the_flow_changes_the_density(module, x):
    flow = Glow(**SETTINGS, dtype="float64")
    density, images = module.flow_distribution(flow), flat(x)
    before = density.log_prob(images)
    perturb(flow, 0.2)
    close(density.log_prob(images), flow.log_prob(images))
    assert float(tf.reduce_max(tf.abs(density.log_prob(images) - before))) > 1e-3


def test_bases_of_other_shapes_and_kinds(module, flow, x):
    tfd = module.tfd
    scales = np.array([[0.5], [2.0]])
    base = tfd.Independent(tfd.Normal(np.zeros((2, 32)), scales), 1)
    density = module.flow_distribution(flow, base)
    assert density.batch_shape == (2,) and density.sample(3, seed=1).shape == (3, 2, 8, 4, 1)
    found = density.log_prob(x)
    for column, scale in enumerate(scales[:, 0]):
        close(module.flow_distribution(flow, temperature=float(scale)).log_prob(x[:, column]), found[:, column])
    close(tfd.Independent(density, 1).log_prob(x), tf.reduce_sum(found, axis=1))
    heavy = tfd.Independent(tfd.StudentT(np.float64(4), np.zeros(32), np.float64(1)), 1)
    z = module.FlowBijector(flow).inverse(x)
    wanted = found[:, 1] - base.log_prob(z)[:, 1] + heavy.log_prob(z[:, 1])
    close(module.flow_distribution(flow, heavy).log_prob(x[:, 1]), wanted)
    cold = module.flow_distribution(flow, temperature=1e-6).sample(seed=2)
    close(cold, flow.decode([np.zeros((1, *shape)) for shape in flow.latent_shapes])[0], 1e-3)


@pytest.mark.slow
def test_a_saved_flow_is_loaded_by_its_folder(module, tmp_path):
    from glowseis.export.flow import export_flow

    flow = Glow((8, 8, 1), levels=1, steps=1, filters=4, attention_levels=0)
    flow.build()
    perturb(flow, 0.1)
    export_flow(flow, tmp_path / "small" / "1", {"label": "bad"})
    images = np.random.default_rng(1).random((2, 8, 8, 1), np.float32)
    close(module.flow_distribution(tmp_path / "small").log_prob(images), flow.log_prob(images), 1e-5)


def test_what_cannot_be_is_said_in_a_line(module, flow, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no SavedModel there"):
        module.FlowBijector(tmp_path / "none")
    with pytest.raises(InputError, match="this flow has a condition"):
        module.FlowBijector(Glow((16, 4, 1), levels=2, steps=1, filters=4, heads=2, condition=3))
    for temperature in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="give a number above 0"):
            module.flow_distribution(flow, temperature=temperature)
    tfd = module.tfd
    for base in (tfd.Normal(0.0, 1.0), tfd.Independent(tfd.Normal(np.zeros(31), 1.0), 1)):
        with pytest.raises(ValueError, match="vectors of 32 numbers"):
            module.flow_distribution(flow, base)
    with pytest.raises(ValueError, match=r"takes events of shape \(32,\)"):
        module.FlowBijector(flow).forward_event_shape((31,))
    monkeypatch.delitem(sys.modules, "glowseis.distribution")
    monkeypatch.setitem(sys.modules, "tensorflow_probability", None)
    with pytest.raises(InputError, match=r"pip install 'glowseis\[tfp\]'"):
        __import__("glowseis.distribution")


def test_the_examples_run(module):
    for name in ("FlowBijector", "flow_distribution"):
        (found,) = doctest.DocTestFinder(recurse=False).find(getattr(module, name), name, globs={})
        assert found.examples and not doctest.DocTestRunner().run(found).failed
