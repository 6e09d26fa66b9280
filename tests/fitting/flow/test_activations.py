"""Training without stored activations: the same gradients, in memory that hardly grows with depth."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from glowseis.fitting.flow.execution import Steps
from glowseis.fitting.flow.fitting import ROUND_TRIP_BOUND, activations_of, make_flow
from glowseis.fitting.flow.trainer import FlowTrainer
from glowseis.models.glow import Glow
from glowseis.recipe import read_recipe
from glowseis.testing import perturb
from tests.support.commands import on_backend


def flow_of(dtype="float32", steps=3, levels=2, **settings):
    keras.utils.set_random_seed(5)
    flow = Glow(
        (32, 48, 1), levels=levels, steps=steps, filters=16, attention_levels=1, heads=2, dtype=dtype, **settings
    )
    flow.build()
    perturb(flow, 0.05)
    return flow


def pictures(dtype="float32", batch=2):
    return tf.constant(np.random.default_rng(1).random((batch, 32, 48, 1)), dtype=dtype)


def gradients(flow, x, *, mode="eager", **settings):
    """Bits, and gradients of them by name of what they are taken by, weights and pictures.

    Eagerly unless another way of running is what is tested: to trace takes longer than to run once.
    """
    steps = Steps(flow, looped=mode == "xla", **settings)

    def run(x):
        with steps.running(training=True), tf.GradientTape() as tape:
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
        bits, found = tf.function(run, autograph=False, jit_compile=mode == "xla")(x)
    # Nothing depends on the bias of an attention's keys: softmax is blind to what all scores of a query share.
    names = ["pictures", *(weight.path for weight in flow.trainable_weights)]
    return bits, {name: gradient for name, gradient in zip(names, found, strict=True) if not name.endswith("key_bias")}


@functools.cache
def with_stored(dtype="float32", condition=0):
    """A flow, pictures, and bits and gradients with stored activations, once for all tests of a process."""
    flow, x = flow_of(dtype, condition=condition), pictures(dtype)
    return flow, x, *gradients(flow, x)


def largest_difference(one, other):
    """The largest difference of two dictionaries of gradients, relative to the largest value of its tensor."""
    assert one.keys() == other.keys()
    differences = []
    for name in one:
        size, difference = float(np.max(np.abs(one[name]))), float(np.max(np.abs(one[name] - other[name])))
        # Attention with a single position to attend to has no gradient by its queries and keys.
        differences.append(difference / size if size else difference)
    return max(differences)


@pytest.mark.slow
@pytest.mark.parametrize("condition", [0, 3])
def test_gradients_are_those_of_stored_activations_in_double_precision(condition):
    flow, x, bits, stored = with_stored("float64", condition)
    again, recomputed = gradients(flow, x, activations="recomputed")
    assert float(bits) == pytest.approx(float(again), rel=1e-12)
    assert largest_difference(stored, recomputed) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_gradients_are_the_same_in_every_way_of_running(mode):
    flow, x, _, stored = with_stored()
    _, recomputed = gradients(flow, x, activations="recomputed", mode=mode)
    assert largest_difference(stored, recomputed) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_gradients_of_stored_activations_are_the_same_compiled(mode):
    flow, x, bits, stored = with_stored()
    again, compiled = gradients(flow, x, mode=mode)
    assert float(again) == pytest.approx(float(bits), rel=1e-5)
    assert largest_difference(stored, compiled) < 1e-4


@pytest.mark.slow
def test_gradients_are_the_same_after_ninety_steps():
    keras.utils.set_random_seed(5)
    flow = Glow((64, 64, 1), levels=6, steps=15, filters=32, attention_levels=2)
    flow.build()
    perturb(flow, 0.01)
    smooth = np.random.default_rng(1).random((24, 64, 64, 1))
    for axis in (1, 2, 1, 2):
        smooth = (smooth + np.roll(smooth, 1, axis)) / 2
    flow.adapt([tf.constant(smooth, tf.float32)])
    x = tf.constant(smooth[:2], tf.float32)
    # A flow as training leaves it: one that inverts.
    assert np.max(np.abs(flow.decode(flow.encode(x)) - x)) < 1e-3
    bits, stored = gradients(flow, x)
    again, recomputed = gradients(flow, x, activations="recomputed")
    assert float(bits) == pytest.approx(float(again), rel=1e-6)
    assert largest_difference(stored, recomputed) < 1e-5


PEAKS = """
import numpy as np, tensorflow as tf
from glowseis.fitting.flow.execution import Steps
from glowseis.models.glow import Glow

tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
x = tf.constant(np.random.default_rng(0).random((1, 448, 320, 1)), tf.float32)
for activations in ("recomputed", "stored"):
    for count in (4, 20):
        flow = Glow((448, 320, 1), levels=1, steps=count, filters=48, attention_levels=0)
        flow.build()
        steps = Steps(flow, activations=activations)

        @tf.function(autograph=False)
        def gradients(x):
            with steps.running(training=True), tf.GradientTape() as tape:
                bits = tf.reduce_mean(flow.log_prob(x))
            return tape.gradient(bits, [weight.value for weight in flow.trainable_weights])

        gradients(x)
        print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024)
"""


@pytest.mark.slow
def test_memory_hardly_grows_with_depth(tmp_path, warm_python):
    """In one process, whose highest memory rises from each to the next."""
    (tmp_path / "peaks.py").write_text(PEAKS)
    words = [warm_python, tmp_path / "peaks.py"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    recomputed, deep_recomputed, stored, deep_stored = map(float, done.stdout.split())
    # Sixteen steps more: two hidden activations of 35,840 positions and 48 filters each, at the least.
    assert deep_stored - stored > 16 * 2 * 35840 * 48 * 4 / 2**20
    # The inputs of sixteen steps, which are kept, and their stack: of four channels each. A busy machine's process also
    # grows by some tens of MB that no step needs.
    assert deep_recomputed - recomputed < 0.25 * (deep_stored - stored)


@pytest.mark.slow
def test_conditioners_in_bfloat16_train_alone():
    flow, x, bits, exact = with_stored()
    encoded = flow.encode(x)
    rounded_bits, rounded = gradients(flow, x, activations="stored", conditioners="bfloat16")
    # bfloat16 keeps eight bits; how products are rounded differs between processors.
    assert float(rounded_bits) != float(bits) and float(rounded_bits) == pytest.approx(float(bits), rel=2**-8)
    products = {name: float(np.sum(exact[name] * rounded[name])) for name in exact}
    cosines = [
        product / np.linalg.norm(exact[name]) / np.linalg.norm(rounded[name]) for name, product in products.items()
    ]
    assert np.median(cosines) > 0.999
    assert all(gradient.dtype == tf.float32 for gradient in rounded.values())
    for one, other in zip(encoded, flow.encode(x), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_recomputed_conditioners_in_bfloat16_give_the_gradients_of_stored_ones():
    flow, x, _, exact = with_stored()
    bits, stored = gradients(flow, x, conditioners="bfloat16")
    again, recomputed = gradients(flow, x, activations="recomputed", conditioners="bfloat16")
    assert float(again) == pytest.approx(float(bits), rel=1e-6)
    assert largest_difference(stored, recomputed) < 2**-8
    assert largest_difference(exact, recomputed) > 1e-4


@pytest.mark.slow
def test_torch_gives_the_same_gradients(tmp_path):
    """JAX does too, as `tests/models/test_flow_trainer.py` shows by the weights that it reaches."""
    ways = ["stored", "recomputed", "recomputed-bfloat16"]
    pytest.importorskip("torch")
    flow, x = flow_of(steps=2), pictures()
    bits, stored = gradients(flow, x)
    material, result = tmp_path / "material.npz", tmp_path / "result.npz"
    weights = {f"weight {index}": value for index, value in enumerate(flow.get_weights())}
    np.savez(material, settings=json.dumps(flow.get_config()), images=x, **weights)
    program = Path(__file__).parents[2] / "support" / "ways_program.py"
    done = on_backend("torch", sys.executable, program, material, result, *ways)
    assert done.returncode == 0, done.stderr
    names = [weight.path for weight in flow.trainable_weights]
    with np.load(result) as found:
        assert found["round trip"] < ROUND_TRIP_BOUND and found["adapted round trip"] < 1e-4
        for way in ways:
            assert float(found[f"{way} bits"]) == pytest.approx(float(bits), rel=2**-8 if "bfloat16" in way else 1e-5)
            got = {name: found[f"{way} {index}"] for index, name in enumerate(names) if name in stored}
            expected = {name: np.asarray(stored[name]) for name in got}
            difference = largest_difference(expected, got)
            assert (1e-4 < difference < 0.2) if "bfloat16" in way else (difference < 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"activations": "recomputed"}, {"conditioners": "bfloat16"}])
def test_training_lowers_the_bits(settings, rewritten_graphs):
    flow, x = flow_of(), pictures()
    trainer = FlowTrainer(flow, **settings)
    trainer.compile(keras.optimizers.Adam(1e-3))
    step = tf.function(trainer.optimise, autograph=False)
    bits = [float(step(x)[0]) for _ in range(12)]
    assert bits[-1] < bits[0] - 0.1


@pytest.mark.slow
def test_activations_are_recomputed_where_they_would_take_much(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    small, large = (make_flow(read_recipe(path).flow, size, 1) for size in ((32, 48), (896, 640)))

    def chosen(flow, *changes):
        training = read_recipe(path, list(changes)).training
        return activations_of(training, flow, training.batch)

    assert chosen(small) == "stored" and chosen(large) == "recomputed"
    assert chosen(small, "training.activations=recomputed") == "recomputed"
    assert chosen(large, "training.activations=stored") == "stored"
    assert chosen(large, 'training.conditioners="bfloat16"') == "recomputed"
    assert chosen(small, "training.batch=4000") == "recomputed"


RECIPE = """
name = "choice"
flow = {levels = 3, steps = 12, filters = 96, attention_levels = 1}
phases = [{labels = ["bad"], epochs = 1, learning_rate = 1e-3}]
training = {keep = "last"}
"""
