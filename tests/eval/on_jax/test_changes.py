"""What JAX's trainer does to training gathers, and what it learns, in a process of its own."""

import json

import numpy as np
import pytest

from glowseis.survey.batches.augment_graded import DRAWS, augmented
from tests.support.commands import on_backend

CHECK = """
import json, sys
import numpy as np
import keras
from eval.on_jax.batches import Batches
from eval.on_jax.classifier import Trainer, glorot

keras.config.set_floatx("float32")
given = np.load(sys.argv[1])
size = given["images"].shape[1:]
trainer = Trainer(size, 1, chunk=2)
changed = [np.asarray(trainer.changed(*one)) for one in zip(given["images"], given["valid"], given["drawn"])]
# Gathers of two textures are told apart within a few steps.
random = np.random.default_rng(1)
images = np.full((20, *size), 128, np.uint8)
images[::2, ::2] = 250
classes = np.arange(20) % 2
rows = random.integers(0, 20, (40, 8)).astype(np.int32)
batches = Batches(rows, np.full(rows.shape, 1 / 8, np.float32), np.full((*rows.shape, 3), 0.5, np.float32))
valid = np.tile(size, (20, 1))
weights, losses = trainer.fit(images, valid, classes, batches, np.full(40, 0.01), 3)
again, _ = trainer.fit(images, valid, classes, batches, np.full(40, 0.01), 3)
found = trainer.grade(weights, images)
print(json.dumps({
    "changed": np.stack(changed).tolist(), "losses": losses.tolist(),
    "right": float((found.argmax(1) == classes).mean()),
    "sums": found.sum(axis=1).tolist(), "same": all(np.array_equal(a, b) for a, b in zip(weights, again)),
}))
"""


@pytest.mark.slow
def test_changes_are_tensorflows_and_networks_learn(tmp_path, jax_python):
    random = np.random.default_rng(2)
    images = random.integers(0, 256, (6, 24, 20), np.uint8)
    valid = np.array([[24, 20], [20, 18], [24, 12], [9, 20], [24, 20], [21, 19]])
    images = np.where(np.arange(24)[None, :, None] >= valid[:, :1, None], 128, images).astype(np.uint8)
    drawn = random.random((6, 3), np.float32)
    given, program = tmp_path / "given.npz", tmp_path / "check.py"
    np.savez(given, images=images, valid=valid, drawn=drawn)
    program.write_text(CHECK)
    done = on_backend("jax", jax_python, program, given)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    numbers = np.zeros((3, 6, DRAWS), np.float32)
    numbers[:, :, 0] = drawn.T
    wanted = augmented(images, valid, numbers, ("polarity", "shift_time", "shift_trace")).numpy()
    assert np.array_equal(np.rint(np.array(found["changed"]) * 128 + 128), wanted)
    assert found["right"] == 1.0 and found["losses"][-1] < 0.5 < found["losses"][0] and found["same"]
    assert np.allclose(found["sums"], 1.0, atol=1e-5)
