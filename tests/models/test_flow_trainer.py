"""FlowTrainer on JAX and torch, without TensorFlow: a flow ends with the bits that TensorFlow's trainer reaches."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import glowseis
from glowseis.errors import InputError
from glowseis.fitting.flow.fitting import ROUND_TRIP_BOUND
from glowseis.models.flow_trainer import FlowTrainer
from glowseis.models.glow import OUT_OF_RANGE
from glowseis.testing import perturb
from tests.support.commands import on_backend
from tests.support.flow_pictures import dequantised, gathers

FLOW = {"image_shape": (16, 24, 1), "levels": 2, "steps": 2, "filters": 8, "attention_levels": 1, "heads": 2}
RATE = 0.02
FIT = {"batch_size": 2, "epochs": 3, "shuffle": False, "verbose": 0}

BOUND = 3e-5
"""Largest difference between the backends' bits, relative, and between their weights, relative to how far the weights
moved."""


@pytest.fixture(scope="module")
def fitted():
    """Images, weights before and after, and bits of each epoch and at the end, by TensorFlow's trainer."""
    keras.utils.set_random_seed(3)
    flow, images = glowseis.Glow(**FLOW), dequantised(gathers(6))
    flow.adapt([images])
    perturb(flow, 0.05)
    before = flow.get_weights()
    trainer = glowseis.FlowTrainer(flow)
    trainer.compile(keras.optimizers.SGD(RATE))
    bits = trainer.fit(images, **FIT).history["bits_per_dimension"]
    assert bits[-1] < bits[0] - 0.05
    return images, before, flow.get_weights(), bits, trainer.evaluate(images, batch_size=2, verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_flow_reaches_the_same_bits_from_the_same_weights(backend, fitted, tmp_path, request):
    pytest.importorskip(backend)
    images, before, after, bits, evaluated = fitted
    material, result = tmp_path / "material.npz", tmp_path / "result.npz"
    weights = {f"weight {index}": value for index, value in enumerate(before)}
    settings = json.dumps({"flow": FLOW, "learning_rate": RATE, "fit": FIT})
    np.savez(material, settings=settings, images=images, **weights)
    program = Path(__file__).parents[1] / "support" / "trainer_program.py"
    python = request.getfixturevalue("jax_python") if backend == "jax" else sys.executable
    done = on_backend(backend, python, program, material, result)
    assert done.returncode == 0, done.stderr
    with np.load(result) as found:
        for way in ("", "recomputed"):
            np.testing.assert_allclose(found[f"{way} bits"], bits, rtol=BOUND)
            np.testing.assert_allclose(found[f"{way} evaluated"], evaluated, rtol=BOUND)
            moved = max(np.max(np.abs(one - other)) for one, other in zip(before, after, strict=True))
            for index, weight in enumerate(after):
                assert np.max(np.abs(found[f"{way} {index}"] - weight)) < BOUND * moved
        assert found["round trip"] < ROUND_TRIP_BOUND and found["adapted round trip"] < 1e-4
        off = max(np.max(np.abs(found[f"recomputed bfloat16 {index}"] - weight)) for index, weight in enumerate(after))
        assert 1e-4 < off / moved < 0.2
        rounded = found["recomputed bfloat16 bits"]
        np.testing.assert_allclose(rounded, bits, rtol=2**-8)
        assert rounded[-1] < rounded[0] - 0.05 and not np.array_equal(rounded, found["recomputed bits"])
        said = json.loads(str(found["wrong"]))
    words = (
        "received something else with them",
        "received integers",
        "received (batch, *[(16, 24)])",
        OUT_OF_RANGE,
        OUT_OF_RANGE,
    )
    assert len(said) == 2 * len(words) and not any("\n" in line for line in said)
    for number, line in enumerate(said):
        assert words[number // 2] in line


def test_a_backend_that_has_no_gradients_is_named(monkeypatch):
    flow = glowseis.Glow(**FLOW)
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    with pytest.raises(
        InputError, match="Keras runs on numpy here, but this FlowTrainer needs jax or torch; set KERAS"
    ):
        FlowTrainer(flow)
