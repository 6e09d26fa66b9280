"""Flows by JAX: several at a time, each as if alone; the best weights are kept; children lie between their parents."""

import json

import pytest

from tests.support.commands import on_backend

CHECK = """
import json
import numpy as np
from eval.on_jax.flow import FlowTrainer
from eval.on_jax.material import Material
from glowseis.recipe import FlowSection, Phase, TrainingSection

size = (8, 8)
random = np.random.default_rng(1)
def some(count):
    rough = random.normal(128, 12, (count, 8, 1)) + random.normal(0, 4, (count, 8, 8))
    return np.clip(np.rint(rough), 0, 255).astype(np.uint8)
def material(count, seed):
    images = some(count)
    return Material([images], [np.tile(size, (count, 1))], some(3), seed)
section = FlowSection(levels=1, steps=1, filters=4, attention_levels=0)
training = TrainingSection(batch=4, clip_norm=1.0, adapt_gathers=8, evaluate_every_epochs=2)
trainer = FlowTrainer(size, section, training)
# The first has two steps an epoch, the second one, the third a batch that is not full.
given = [material(9, 1), material(5, 2), material(3, 3)]
phase = Phase(labels=["bad"], epochs=30, learning_rate=1e-2, warmup_steps=2)
start = trainer.fit(given, [phase.model_copy(update={"epochs": 1, "learning_rate": 1e-9})])
fitted = trainer.fit(given, [phase])
again = trainer.fit([given[1], given[0], given[1]], [phase])
first, second = given[0].phases[0][:4], given[0].phases[0][4:8]
def at(alpha):
    return trainer.interpolated(fitted[0], first, second, np.full(4, alpha, np.float32)).astype(int)
pairs = (fitted[0], again[1]), (fitted[1], again[0]), (fitted[1], again[2]), (fitted[0], fitted[1])
print(json.dumps({
    "steps": [one.steps for one in fitted], "kept": [one.step for one in fitted],
    "bits": [one.bits for one in fitted], "start": [one.bits for one in start],
    "apart": [max(float(np.abs(a - b).max()) for a, b in zip(one.values, two.values)) for one, two in pairs],
    "ends": [int(np.abs(at(alpha) - one).max()) for alpha, one in ((0.0, first), (1.0, second))],
    "middle": bool((at(0.5) != first).any()),
}))
"""


@pytest.mark.slow
def test_flows(tmp_path, jax_python):
    program = tmp_path / "check.py"
    program.write_text(CHECK)
    done = on_backend("jax", jax_python, program)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["steps"] == [60, 30, 30]
    assert all(0 < kept <= done for kept, done in zip(found["kept"], found["steps"], strict=True))
    assert all(after < before - 0.02 for before, after in zip(found["start"], found["bits"], strict=True))
    *same, other = found["apart"]
    # In another place among flows, and beside others, a flow takes the same steps up to rounding.
    assert max(same) < 2e-3
    assert other > 0.05
    assert max(found["ends"]) <= 1 and found["middle"]
